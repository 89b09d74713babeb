"""Studies that plain Optuna made, whatever they hold, in everything that reads."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from hpotool.analysis.best import find_best
from hpotool.analysis.exports.export import best_params, trial_rows
from hpotool.analysis.importance import find_importance
from hpotool.analysis.pictures.plots import draw
from hpotool.analysis.status import read_status
from hpotool.analysis.trials import describe_trial, list_trials
from hpotool.cli.output import Answer, Format, show
from hpotool.errors import InputError
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.optuna.postgres import PostgresStorage

NAME = "naïve 😀 \x1b[31m"


def anything(trial: optuna.Trial) -> float:
    sizes = trial.suggest_categorical("hidden", [[64], [64, 64], [128, 64]])  # type: ignore[list-item]
    trial.suggest_categorical("optimizer", [{"name": "adam", "β": 0.9}, {"name": "sgd"}, None])  # type: ignore[list-item]
    trial.suggest_categorical("mixed", [float("nan"), float("inf"), True, "x\x1b[31m", 10**300])
    if trial.number == 0:
        trial.suggest_categorical("once", [10**400, 1])
    trial.suggest_int("huge", 10**16, 10**17)
    trial.suggest_float("überlr", 1e-300, 1e300, log=True)
    trial.set_user_attr("big", 10**400)
    trial.set_user_attr("nan", float("nan"))
    trial.set_user_attr("text", "\x1b]0;own\x07\u202e\ud800\0")
    trial.set_user_attr("deep", json.loads("[" * 90 + "]" * 90))
    trial.set_constraint("c\x1b[31m", -1)
    for step in (0, 5, 2**31 - 1):
        trial.report(float("inf") if step == 5 else step, step)
    if trial.number == 3:
        raise optuna.TrialPruned
    return float("inf") if trial.number == 4 else len(sizes) + trial.number * 1e300  # type: ignore[arg-type]


@pytest.fixture
def url(study_database_url: str) -> DatabaseUrl:
    url = DatabaseUrl.parse(study_database_url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        storage, sampler = optuna.storages.RDBStorage(url.sqlalchemy), optuna.samplers.RandomSampler(seed=0)
        study = optuna.create_study(storage=storage, study_name=NAME, sampler=sampler)
        study.optimize(anything, n_trials=8)
        study.enqueue_trial({"hidden": [64]})
    return url


def frozen(trial: FrozenTrial) -> list[Any]:
    parts = (trial.number, trial.state, trial.values, trial.params, trial.user_attrs, trial.constraints)
    return [json.dumps(part, default=str) for part in parts]


@pytest.mark.filterwarnings("error:Choices for a categorical")
def test_whatever_plain_optuna_stored_is_read_and_written_as_strict_json(
    url: DatabaseUrl, capsys: pytest.CaptureFixture[str]
) -> None:
    study = optuna.load_study(study_name=NAME, storage=PostgresStorage(url))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = optuna.load_study(study_name=NAME, storage=optuna.storages.RDBStorage(url.sqlalchemy)).get_trials()
    assert [frozen(trial) for trial in study.get_trials()] == [frozen(trial) for trial in plain]
    answers: list[Callable[[], Any]] = [
        lambda: find_best(study, 3).as_data(),
        lambda: read_status(Connection(url), study).as_data(),
        lambda: [record.as_data() for record in list_trials(study)],
        lambda: [describe_trial(study, number).as_data() for number in range(9)],
        lambda: [one.as_data() for one in find_importance(study)],
        lambda: best_params(study),
        lambda: trial_rows(study),
    ]
    for ask in answers:
        data = ask()
        for format in (Format.JSON, Format.YAML):
            show(Answer(data, [], ""), format)
            written = capsys.readouterr().out
            written.encode()
            assert "\x1b" not in written
            if format is Format.JSON:
                json.loads(written, parse_constant=lambda constant: pytest.fail(constant))
    show(Answer([], [record.as_row() for record in list_trials(study)], NAME), Format.TABLE)
    show(Answer([], [], NAME), Format.VALUE)
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore")
def test_whatever_plain_optuna_stored_can_be_drawn_and_weighed(url: DatabaseUrl) -> None:
    pytest.importorskip("plotly")
    study = optuna.load_study(study_name=NAME, storage=PostgresStorage(url))
    plots: list[Any] = ["history", "importance", "slice", "parallel", "reports", "timeline"]
    for plot in plots:
        assert "<html>" in draw(study, plot)
    with pytest.raises(InputError, match="fanova cannot rank the parameters"):  # its forest knows no 1e300
        find_importance(study, evaluator="fanova")
