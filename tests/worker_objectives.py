"""Objectives that the worker's tests run in child processes: good ones here, bad endings at the bottom."""

from __future__ import annotations

import datetime

import optuna
import pytest


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


def more_than_its_metric(trial: optuna.Trial) -> dict[str, object]:
    when = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    return {"loss": 1, "sizes": [1, (2, 3)], "done": True, "when": when, "x" * 600: 1, 5: 1}


def several_metrics(trial: optuna.Trial) -> tuple[float, float]:
    x = trial.suggest_float("x", 0, 1)
    for step in range(4):
        trial.report({"accuracy": x, "size": step}, step)  # type: ignore[arg-type]
        if trial.should_prune():
            raise optuna.TrialPruned
    return x, 3.0


not_callable = 3


def asks_its_study(trial: optuna.Trial) -> float:
    study = trial.study
    assert study.study_name == "s"
    assert study.direction is optuna.study.StudyDirection.MINIMIZE
    assert study.user_attrs["owner"] == "me"
    study.set_user_attr("seen", trial.number)
    trial.suggest_float("x", 0, 1)
    return study.best_value / 2 if trial.number else 1.0


def draws_numbers(trial: optuna.Trial) -> dict[str, float]:
    import random

    import numpy

    return {"loss": random.random(), "numpy": float(numpy.random.rand())}


def ends_a_pool(trial: optuna.Trial) -> float:
    """Its workers must end by the SIGTERM of terminate(), which this process itself takes as a question."""
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
    return 1.0


def uses_everything(trial: optuna.Trial) -> float:
    """Properties and old names of Optuna's Trial."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trial.suggest_uniform("u", 0, 1)
        trial.suggest_loguniform("lu", 0.1, 1)
        trial.suggest_discrete_uniform("du", 0, 1, 0.5)
    assert trial.suggest_float("u", 0, 1) == trial.params["u"]
    assert set(trial.distributions) == {"u", "lu", "du"}
    assert trial.number == 0
    assert trial.datetime_start is not None
    assert trial.relative_params == {}
    trial.set_constraint("c", -1)
    assert trial.constraints == {"c": -1.0}
    trial.report(0.5, 1)
    trial.report(0.7, 1)
    with pytest.raises(TypeError, match="supposed to be a float"):
        trial.report("x", 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be non-negative"):
        trial.report(1.0, -1)
    with pytest.raises(ValueError, match="low <= high"):
        trial.suggest_int("i", 3, 1)
    assert isinstance(trial, optuna.Trial)
    return 1.0


def fails_at_first(trial: optuna.Trial) -> float:
    if trial.number == 0:
        raise ValueError("the first one fails")
    return trial.suggest_float("x", -10.0, 10.0) ** 2
