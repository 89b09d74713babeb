"""Objectives that the worker's tests run in child processes: good ones here, bad endings at the bottom."""

from __future__ import annotations

import optuna


def quadratic(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -10, 10)
    y = trial.suggest_int("y", 1, 100, log=True)
    kind = trial.suggest_categorical("kind", ["plain", "shifted"])
    shift = trial.suggest_float("shift", 0, 1, step=0.25) if kind == "shifted" else 0.0
    for step in range(8):
        trial.report((x - shift) ** 2 * (8 - step) + y, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    trial.set_user_attr("seen", {"kind": kind, "steps": [1, 2]})
    trial.set_constraint("y", y - 50)
    return (x - shift) ** 2 + y


def by_name(trial: optuna.Trial) -> dict[str, float]:
    return {"size": 3, "accuracy": trial.suggest_float("x", 0, 1), "latency_ms": 12.5}


def several_metrics(trial: optuna.Trial) -> tuple[float, float]:
    x = trial.suggest_float("x", 0, 1)
    for step in range(4):
        trial.report({"accuracy": x, "size": step}, step)  # type: ignore[arg-type]
        if trial.should_prune():
            raise optuna.TrialPruned
    return x, 3.0


not_callable = 3
