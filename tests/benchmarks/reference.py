"""The reference objective: ten float parameters, twenty reports, each with should_prune."""

from __future__ import annotations

import optuna

from tests.benchmarks.fill import N_PARAMS, N_REPORTS


def objective(trial: optuna.Trial) -> float:
    """Never pruned, so that every trial costs the same; the verdict is asked for all the same."""
    value = sum(trial.suggest_float(f"x{place}", -5, 5) ** 2 for place in range(N_PARAMS))
    for step in range(N_REPORTS):
        trial.report(value * (1 + 1 / (step + 1)), step)
        trial.should_prune()
    return value
