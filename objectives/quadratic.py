"""The smallest objective: a bowl with its minimum 0 at x = 2, y = -1. Needs nothing but Optuna."""

from __future__ import annotations

import optuna


def objective(trial: optuna.Trial) -> float:
    """Return the height of the bowl at the suggested point."""
    x = trial.suggest_float("x", -10.0, 10.0)
    y = trial.suggest_float("y", -10.0, 10.0)
    return (x - 2.0) ** 2 + (y + 1.0) ** 2
