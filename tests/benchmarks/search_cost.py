"""What a suggestion of the default sampler costs: ``python -m tests.benchmarks.search_cost postgresql://…``.

CPU time of one suggestion of ten floats, in studies of random trials, for the turns of both models, and that of
the first one of a fresh process's storage. Studies are made in the database that is named, and deleted again.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.search.auto import _MODEL_SHARE, AutoSampler, _turn_of
from hpotool.storage.open import open_storage
from hpotool.study.outcome import FAILED_ATTRIBUTE

SPACE: dict[str, BaseDistribution] = {f"x{i}": FloatDistribution(0, 1) for i in range(10)}
_SUGGESTIONS = 16


def random_trial(rng: np.random.RandomState, failing: float) -> FrozenTrial:
    """Return a finished trial, or with the chance of ``failing`` one that failed because of its parameters."""
    params = {name: float(rng.uniform()) for name in SPACE}
    if rng.uniform() < failing:
        failed = {FAILED_ATTRIBUTE: "error"}
        return create_trial(state=TrialState.FAIL, params=params, distributions=SPACE, system_attrs=failed)
    value = sum((x - 0.4) ** 2 for x in params.values())
    return create_trial(value=value, params=params, distributions=SPACE)


def measure(url: str, trials: int, failing: float) -> str:
    """Return a row of the table in docs/search.md."""
    rng = np.random.RandomState(0)
    made = optuna.create_study(storage=open_storage(url))
    made.add_trials([random_trial(rng, failing) for _ in range(trials)])
    study = optuna.load_study(study_name=made.study_name, storage=open_storage(url), sampler=AutoSampler(seed=0))
    costs: dict[bool, list[float]] = {True: [], False: []}
    first = None
    for _ in range(_SUGGESTIONS):
        started = time.process_time()
        trial = study.ask()
        for name in SPACE:
            trial.suggest_float(name, 0, 1)
        cost = (time.process_time() - started) * 1e3
        first = first or cost
        costs[_turn_of(trial._cached_frozen_trial) < _MODEL_SHARE].append(cost)
        study.tell(trial, 1.0)
    optuna.delete_study(study_name=made.study_name, storage=open_storage(url))
    cells = (
        f"{failing:.0%}",
        *(f"{median(costs[is_model]):.0f} ms" for is_model in (True, False)),
        f"{first:.0f} ms",
    )
    return f"| {trials} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sys.stdout.write(
        "| finished trials | failed | Gaussian process | TPE | first |\n| --- | --- | --- | --- | --- |\n"
    )
    for failing in (0.0, 0.2):
        for trials in (100, 1_000, 10_000):
            sys.stdout.write(measure(sys.argv[1], trials, failing) + "\n")


if __name__ == "__main__":
    main()
