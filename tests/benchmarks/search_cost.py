"""What a suggestion of the default sampler costs: ``python -m tests.benchmarks.search_cost postgresql://…``.

CPU time of one suggestion of ten floats, in studies of random trials with one metric and with three, for the turns
of both models, and that of the first one of a fresh process's storage. Studies are made in the database that is
named, and deleted again.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.search.auto import _MODEL_SHARE, _MODEL_SHARE_OF_SEVERAL_METRICS, AutoSampler, _turn_of
from hpotool.storage.open import open_storage
from hpotool.study.outcome import FAILED_ATTRIBUTE

SPACE: dict[str, BaseDistribution] = {f"x{i}": FloatDistribution(0, 1) for i in range(10)}
_SUGGESTIONS = 16


def random_trial(rng: np.random.RandomState, failing: float, metrics: int = 1) -> FrozenTrial:
    """Return a finished trial, or with the chance of ``failing`` one that failed because of its parameters."""
    params = {name: float(rng.uniform()) for name in SPACE}
    if rng.uniform() < failing:
        failed = {FAILED_ATTRIBUTE: "error"}
        return create_trial(state=TrialState.FAIL, params=params, distributions=SPACE, system_attrs=failed)
    values = [sum((x - 0.4 - 0.2 * metric) ** 2 for x in params.values()) for metric in range(metrics)]
    return create_trial(values=values, params=params, distributions=SPACE)


def measure(url: str, trials: int, failing: float, metrics: int = 1) -> str:
    """Return a row of the table in docs/search.md."""
    rng = np.random.RandomState(0)
    made = optuna.create_study(storage=open_storage(url), directions=["minimize"] * metrics)
    made.add_trials([random_trial(rng, failing, metrics) for _ in range(trials)])
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
        share = _MODEL_SHARE if metrics == 1 else _MODEL_SHARE_OF_SEVERAL_METRICS
        costs[_turn_of(trial._cached_frozen_trial) < share].append(cost)
        study.tell(trial, [1.0] * metrics)
    optuna.delete_study(study_name=made.study_name, storage=open_storage(url))
    cells = (
        str(metrics),
        f"{failing:.0%}",
        *(f"{median(costs[is_model]):.0f} ms" for is_model in (True, False)),
        f"{first:.0f} ms",
    )
    return f"| {trials} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sys.stdout.write(
        "| finished trials | metrics | failed | Gaussian process | TPE | first |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
    )
    for metrics, failing in ((1, 0.0), (1, 0.2), (3, 0.0)):
        for trials in (100, 1_000, 10_000):
            sys.stdout.write(measure(sys.argv[1], trials, failing, metrics) + "\n")


if __name__ == "__main__":
    main()
