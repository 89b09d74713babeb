from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from hpotool.search.models.joint_space import JointSpace
from hpotool.study.spec import ParameterSpec


def trials_of(objective: Callable[[optuna.Trial], Any], count: int = 60) -> list[FrozenTrial]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: objective(trial) or 0.0, n_trials=count)
    return study.trials


def network(trial: optuna.Trial) -> None:
    """A choice decides about parameters, one of which decides about more; two of them together about others."""
    trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    kind = trial.suggest_categorical("kind", ["linear", "deep", "trees"])
    if kind == "trees":
        trial.suggest_int("leaves", 2, 100)
        return
    depth = trial.suggest_int("depth", 1, 5)
    if kind == "deep":
        trial.suggest_float("momentum", 0, 1)
        for layer in range(2, depth + 1):
            trial.suggest_int(f"width{layer}", 8, 64)


def keys_of(space: JointSpace, count: int) -> list[set[str]]:
    cube = space.cube(space.space)
    return [set(cube.decode(point)) for point in cube.draw(np.random.RandomState(1), count)]


def test_what_hangs_on_what_is_learned_from_the_trials() -> None:
    trials = trials_of(network)
    space = JointSpace((), trials)
    assert space.space.keys() == set().union(*(trial.params for trial in trials))
    seen = {frozenset(trial.params) for trial in trials_of(network, 400)}
    assert all(keys in seen for keys in keys_of(space, 300))


def test_what_the_study_file_says_needs_no_trial() -> None:
    declared = (
        ParameterSpec("kind", CategoricalDistribution(["a", "b"])),
        ParameterSpec("depth", IntDistribution(1, 8), when={"kind": ("b",)}),
        ParameterSpec("width", IntDistribution(1, 8), when={"depth": (7, 8), "kind": ("b",)}),
        ParameterSpec("fixed", CategoricalDistribution(["only"])),
        ParameterSpec("below", FloatDistribution(0, 1), when={"fixed": ("only",)}),
    )
    space = JointSpace(declared, ())
    assert space.space.keys() == {"kind", "depth", "width", "below"}
    for keys in keys_of(space, 100):
        assert keys in ({"kind", "below"}, {"kind", "below", "depth"}, {"kind", "below", "depth", "width"})


def test_a_parameter_of_the_objective_may_hang_on_one_of_the_study_file() -> None:
    declared = (ParameterSpec("kind", CategoricalDistribution(["linear", "deep", "trees"])),)
    for keys in keys_of(JointSpace(declared, trials_of(network)), 100):
        assert ("leaves" in keys) != ("depth" in keys)


def test_the_latest_description_of_a_parameter_counts_and_older_values_stay() -> None:
    trials = trials_of(lambda trial: trial.suggest_float("x", 0, 1 if trial.number < 30 else 2))
    space = JointSpace((), trials)
    assert space.space == {"x": FloatDistribution(0, 2)}
    assert not np.isnan(space.cube(space.space).encode(space.params_of(trials))).any()


def test_a_default_stands_for_what_earlier_trials_used_in_effect() -> None:
    declared = (
        ParameterSpec("x", FloatDistribution(0, 1)),
        ParameterSpec("new", FloatDistribution(0, 1), default=0.25),
    )
    trials = trials_of(lambda trial: trial.suggest_float("x", 0, 1), 3)
    space = JointSpace(declared, trials)
    assert [params["new"] for params in space.params_of(trials)] == [0.25] * 3
    assert space.params_of([*trials_of(lambda trial: trial.suggest_float("new", 0, 1), 1)])[0]["new"] != 0.25


def test_choices_that_differ_from_trial_to_trial_are_no_column() -> None:
    study = optuna.create_study()
    for choices in (["a"], ["a", "b"], ["b", "a"]):
        distributions = {"c": CategoricalDistribution(choices), "x": FloatDistribution(0, 1)}
        trial = optuna.trial.create_trial(value=0.0, params={"c": "a", "x": 0.5}, distributions=distributions)
        study.add_trial(trial)
    assert JointSpace((), study.trials).space.keys() == {"x"}
