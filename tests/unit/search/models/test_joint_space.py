from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.models.joint_space import JointSpace
from hpotool.study.spec import ParameterSpec


def trials_of(objective: Callable[[optuna.Trial], Any], count: int = 60) -> list[FrozenTrial]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: objective(trial) or 0.0, n_trials=count, catch=ValueError)
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


def fails_early(trial: optuna.Trial) -> None:
    if trial.suggest_float("x", 0, 1) > 0.6:
        raise ValueError
    kind = trial.suggest_categorical("kind", ["a", "b"])
    if trial.suggest_float("y", 0, 1) > 0.8:
        raise ValueError
    trial.suggest_float("slope" if kind == "a" else "width", 0, 1)


def test_a_parameter_that_failed_trials_did_not_reach_keeps_its_condition() -> None:
    space = JointSpace((), trials_of(fails_early))
    assert {frozenset(keys) for keys in keys_of(space, 60)} == {
        frozenset({"x", "kind", "y", "slope"}),
        frozenset({"x", "kind", "y", "width"}),
    }


def test_failed_trials_borrow_what_they_did_not_reach_but_not_what_a_condition_excludes() -> None:
    trials = trials_of(fails_early)
    space = JointSpace((), trials)
    cube = space.cube(space.space)
    failed, succeeded = (
        cube.encode([trial.params for trial in trials if (trial.state == TrialState.FAIL) == has_failed])
        for has_failed in (True, False)
    )
    completed = space.complete(failed, succeeded, cube)
    known = ~np.isnan(failed)
    assert (completed[known] == failed[known]).all()
    for point in completed:
        params = cube.decode(point)
        assert params.keys() == {"x", "kind", "y", "slope" if params["kind"] == "a" else "width"}
    lent = np.isnan(failed[:, list(cube.space).index("y")])
    assert completed[lent, list(cube.space).index("y")].max() <= 0.8  # as in the trials that succeeded
    np.testing.assert_array_equal(space.complete(succeeded, succeeded, cube), succeeded)


def test_a_parameter_that_is_absent_for_an_unknown_reason_is_not_borrowed() -> None:
    def hidden(trial: optuna.Trial) -> None:
        x = trial.suggest_float("x", 0, 1)
        if x > 0.4:
            trial.suggest_float("y", 0, 1)
        if x < 0.2:
            raise ValueError

    trials = trials_of(hidden)
    space = JointSpace((), trials)
    cube = space.cube(space.space)
    failed = cube.encode([trial.params for trial in trials if trial.state == TrialState.FAIL])
    donors = cube.encode([trial.params for trial in trials if trial.state == TrialState.COMPLETE])
    np.testing.assert_array_equal(space.complete(failed, donors, cube), failed)
