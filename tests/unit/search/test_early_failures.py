"""Objectives that suggest their parameters themselves and fail before they have suggested all."""

from __future__ import annotations

import math
from collections.abc import Callable

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.search import auto
from hpotool.search.auto import AutoSampler
from tests.examples import examples


def the_rest(trial: optuna.Trial) -> float:
    depth, width = trial.suggest_int("depth", 1, 8), trial.suggest_int("width", 8, 128, log=True)
    return (depth - 5) ** 2 / 50 + abs(math.log2(width) - 5) / 20 + abs(trial.suggest_float("drop", 0, 0.6) - 0.2)


def fails_early(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-3, 10, log=True)
    if lr > 6:
        raise ValueError("diverged")
    return 0.1 * abs(math.log10(lr) - 0.3) + the_rest(trial)


def fails_at_a_choice(trial: optuna.Trial) -> float:
    if trial.suggest_categorical("optimizer", ["lion", "adam", "sgd"]) == "lion":
        raise ValueError("not installed")
    return 0.1 * abs(trial.suggest_float("momentum", 0, 1) - 0.3) + the_rest(trial)


def fails_before_a_condition(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-3, 10, log=True)
    if lr > 2:
        raise ValueError("diverged")
    if trial.suggest_categorical("kind", ["deep", "trees"]) == "deep":
        return 0.1 * abs(math.log10(lr) - 0.3) + abs(trial.suggest_float("momentum", 0, 1) - 0.2) + the_rest(trial)
    return 0.5 + trial.suggest_float("leaf", 0, 1) + the_rest(trial)


@pytest.mark.parametrize(
    ("objective", "most", "best"),
    [(fails_early, 8, 0.05), (fails_at_a_choice, 8, 0.05), (fails_before_a_condition, 15, 0.1)],
)
def test_a_trial_that_fails_before_it_has_all_parameters_warns_of_those_it_has(
    objective: Callable[[optuna.Trial], float], most: int, best: float
) -> None:
    for seed in range(examples(3)):
        study = optuna.create_study(sampler=AutoSampler(seed=seed))
        study.optimize(objective, n_trials=60, catch=ValueError)
        assert sum(trial.state == TrialState.FAIL for trial in study.trials) <= most
        assert study.best_value < best


@pytest.mark.parametrize("is_early", [True, False])
def test_a_choice_that_failed_once_is_tried_again(is_early: bool) -> None:
    """It is the best one: one crash of three possible causes must not rule it out."""
    for seed in (2, 4, 7)[: examples(3)]:
        failed: list[int] = []

        def objective(trial: optuna.Trial, failed: list[int] = failed) -> float:
            choice = trial.suggest_categorical("optimizer", ["adam", "sgd", "lion"])
            rest = [] if is_early and choice == "adam" and not failed else suggest_two(trial)
            if choice == "adam" and not failed:
                failed.append(trial.number)
                raise ValueError("the loss is nan")
            return {"adam": 0.0, "sgd": 0.3, "lion": 0.4}[choice] + sum(rest)

        study = optuna.create_study(sampler=AutoSampler(seed=seed))
        study.optimize(objective, n_trials=50, catch=ValueError)
        assert len(failed) == 1
        assert study.best_params["optimizer"] == "adam"
        assert study.best_value < 0.01


def suggest_two(trial: optuna.Trial) -> list[float]:
    return [(trial.suggest_float("x", 0, 1) - 0.3) ** 2, (trial.suggest_float("y", 0, 1) - 0.6) ** 2]


def test_tpe_counts_such_a_trial_as_bad() -> None:
    study = optuna.create_study(sampler=AutoSampler(seed=0))
    study.optimize(fails_early, n_trials=14, catch=ValueError)
    study.enqueue_trial({"lr": 9.0})
    study.optimize(fails_early, n_trials=1, catch=ValueError)
    sampler, trial = study.sampler, study.ask()
    assert isinstance(sampler, AutoSampler)
    history = auto.History.of(study, trial._cached_frozen_trial)
    joint = sampler._joint_space(history)
    completed = auto._complete_failed(history, joint, joint.cube(joint.space))
    assert [one.number for one in completed] == [one.number for one in history.failed]
    assert [one.params["lr"] for one in completed] == [one.params["lr"] for one in history.failed]
    assert completed[-1].params["lr"] == 9.0
    assert all(one.params.keys() == joint.space.keys() for one in completed)
    assert all(one.distributions == joint.space for one in completed)
