"""The learned pruner on Postgres: the verdicts that it gives in memory, from what is in memory."""

import math
import uuid
from collections.abc import Iterator

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from hpotool.search.auto import AutoSampler
from hpotool.search.pruning.learned import LearnedPruner
from hpotool.storage.open import open_storage
from hpotool.study.forecast import Forecast

optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture(scope="module")
def url(postgres) -> Iterator[str]:
    with postgres.database(f"learned_{uuid.uuid4().hex}") as address:
        yield address


def train(trial: optuna.Trial) -> float:
    level = (trial.suggest_float("x", 0, 1) - 0.3) ** 2 + 0.1 * trial.suggest_int("k", 0, 3)
    for step in range(1, 16):
        value = level + math.exp(-0.4 * step)
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def search(storage: object, name: str, sampler: BaseSampler, trials: int) -> optuna.Study:
    study = optuna.create_study(
        storage=storage,  # type: ignore[arg-type]
        study_name=name,
        pruner=LearnedPruner(),
        sampler=sampler,
        load_if_exists=True,
    )
    study.optimize(train, n_trials=trials)
    return study


def ends(study: optuna.Study) -> list[tuple[TrialState, int | None, dict[str, float], Forecast | None]]:
    return [(one.state, one.last_step, one.params, Forecast.of(one.system_attrs)) for one in study.trials]


@pytest.mark.parametrize("sampler", [optuna.samplers.RandomSampler, AutoSampler])
def test_verdicts_and_suggestions_are_those_in_memory(url: str, sampler: type[BaseSampler]) -> None:
    name = f"twins-{sampler.__name__}"
    theirs = search(None, name, sampler(seed=5), 40)  # type: ignore[call-arg]
    ours = search(open_storage(url), name, sampler(seed=5), 40)  # type: ignore[call-arg]
    assert ends(ours) == ends(theirs)
    assert sum(trial.state == TrialState.PRUNED for trial in ours.trials) >= 8


def test_a_fresh_process_judges_by_what_others_found(url: str) -> None:
    search(open_storage(url), "later", optuna.samplers.RandomSampler(seed=1), 20)
    study = search(open_storage(url), "later", optuna.samplers.RandomSampler(seed=2), 0)
    trial = study.ask()
    for step in range(1, 6):
        trial.report(9.0, step)
    assert trial.should_prune()
    assert Forecast.of(study._storage.get_trial_system_attrs(trial._trial_id)) is not None


def test_a_verdict_asks_the_database_nothing_while_nothing_finishes(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(url)
    study = search(storage, "quiet", optuna.samplers.RandomSampler(seed=1), 20)
    trial = study.ask()
    trial.report(0.1, 1)
    trial.should_prune()
    asked: list[str] = []
    run = storage._memory._writes.run
    monkeypatch.setattr(
        storage._memory._writes, "run", lambda sql, *args, **kwargs: asked.append(sql) or run(sql, *args, **kwargs)
    )
    storage._memory.history(study._study_id).fresh_until = math.inf
    for step in range(2, 8):
        trial.report(0.1, step)
        trial.should_prune()
    assert not [sql for sql in asked if "intermediate_values" in sql and "select" in sql.lower()]
    study.tell(trial, 0.1)
