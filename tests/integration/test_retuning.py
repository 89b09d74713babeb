"""A study is created again only when what it depends on has changed, and starts where the last one ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.api.retuning import Retuning, Watched, create_if_changed
from hpotool.errors import InputError
from hpotool.storage.control.creation import create_or_resume, find_study_id
from hpotool.storage.control.orders import set_state
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.open import open_storage
from hpotool.study.file.reader import read_study_file
from hpotool.study.spec import StudySpec

TEXT = """
study: churn
objective: {python: "mine:train"}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
sampler: {seed: 1}
budget: {trials: 20}
data: [rows.csv]
"""
TODAY = date(2026, 11, 26)


class Bench:
    def __init__(self, url: str) -> None:
        self.connection = Connection(DatabaseUrl.parse(url))
        self.storage = open_storage(url)

    def retune(self, *watched: Watched, text: str = TEXT, today: date = TODAY) -> Retuning:
        return create_if_changed(self.connection, _spec(text), watched or ("data",), "test", today)

    def finish(self, name: str, *points: float) -> None:
        study = optuna.load_study(study_name=name, storage=self.storage)
        distribution = optuna.distributions.FloatDistribution(0, 1)
        for x in points:
            trial = optuna.trial.create_trial(params={"x": x}, distributions={"x": distribution}, value=x)
            study.add_trial(trial)
        set_state(self.connection.run, find_study_id(self.connection, name), "done", "", "test")

    def queued(self, name: str) -> list[float]:
        study = optuna.load_study(study_name=name, storage=self.storage)
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        return [trial.system_attrs["fixed_params"]["x"] for trial in waiting]


def _spec(text: str) -> StudySpec:
    return read_study_file(text)


@pytest.fixture
def bench(study_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("x = 1")
    (tmp_path / "rows.csv").write_text("1")
    found = Bench(study_database_url)
    with closing(found.connection):
        yield found


def test_a_new_study_comes_only_with_new_data_and_starts_from_the_last(bench: Bench) -> None:
    first = bench.retune()
    assert (first.study, first.is_new, first.previous, first.queued) == ("churn-2026-11-26", True, None, 0)
    assert bench.retune() == Retuning("churn-2026-11-26", "churn-2026-11-26"), "it is not done: go on with it"
    bench.finish("churn-2026-11-26", 0.9, 0.2, 0.5)
    nothing = bench.retune(today=date(2026, 11, 27))
    assert nothing == Retuning(None, "churn-2026-11-26")
    assert nothing.sentence == "nothing changed since study 'churn-2026-11-26'"

    Path("rows.csv").write_text("22")
    second = bench.retune()
    assert (second.study, second.previous, second.queued) == ("churn-2026-11-26-2", "churn-2026-11-26", 3)
    assert second.changed["data"].startswith("rows.csv has another content")
    assert bench.queued("churn-2026-11-26-2")[0] == 0.2, "the best of the last study comes first"
    bench.finish("churn-2026-11-26-2", 0.1)
    assert bench.retune().study is None
    Path("rows.csv").write_text("1")
    assert bench.retune(today=date(2026, 12, 1)).study == "churn-2026-12-01", "data of before is other data, too"


def test_only_what_is_watched_counts(bench: Bench) -> None:
    bench.retune()
    bench.finish("churn-2026-11-26", 0.5)
    Path("mine.py").write_text("x = 2")
    wider = TEXT.replace("[0, 1]", "[0.6, 2]")
    assert bench.retune("data", text=wider).study is None
    found = bench.retune("code", "space", "data", text=wider)
    assert set(found.changed) == {"code", "space"}
    assert found.changed["code"] == "mine.py has another content"
    assert (found.is_new, found.queued) == (True, 0), "its only point is outside the new space"
    assert bench.retune("space", text=wider).study == found.study


def test_of_a_study_without_a_record_everything_may_have_changed(bench: Bench) -> None:
    create_or_resume(bench.connection, _spec(TEXT), "test")
    bench.finish("churn", 0.5)
    found = bench.retune("data", "code")
    assert (found.study, found.previous) == ("churn-2026-11-26", "churn")
    assert all("not known" in how for how in found.changed.values())


def test_a_study_of_plain_optuna_under_that_name_is_a_start(bench: Bench) -> None:
    optuna.create_study(study_name="churn", storage=bench.storage)
    study = optuna.load_study(study_name="churn", storage=bench.storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    found = bench.retune("space")
    assert (found.previous, found.is_new, found.queued) == ("churn", True, 1)


def test_what_cannot_be_read_is_an_error_and_nothing_is_created(bench: Bench) -> None:
    with pytest.raises(InputError, match="names no data"):
        bench.retune("data", text=TEXT.replace("data: [rows.csv]\n", ""))
    Path("rows.csv").unlink()
    with pytest.raises(InputError, match=r"cannot be told here\nrows.csv: it is not there"):
        bench.retune("data")
    Path("mine.py").unlink()
    with pytest.raises(InputError, match="code is not found"):
        bench.retune("code")
    with pytest.raises(InputError, match="with its date, the study's name has 111 characters"):
        bench.retune("space", text=TEXT.replace("churn", "c" * 100))
    assert bench.connection.run("SELECT count(*) FROM studies") == [(0,)]
