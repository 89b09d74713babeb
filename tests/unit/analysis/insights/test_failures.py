from __future__ import annotations

import random
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.analysis.insights.failures import find_failure_region
from hpotool.study.outcome import FAILED_ATTRIBUTE

SPACE = {
    "depth": IntDistribution(1, 12),
    "lr": FloatDistribution(1e-5, 1.0, log=True),
    "optimizer": CategoricalDistribution(["sgd", "adam", None, True, 1]),
    "noise": FloatDistribution(-1.0, 1.0),
}


def trial(params: dict[str, Any], *, fails: bool, blames: bool = True, pruned: bool = False) -> FrozenTrial:
    state = TrialState.FAIL if fails else TrialState.PRUNED if pruned else TrialState.COMPLETE
    return create_trial(
        state=state,
        value=None if fails or pruned else 1.0,
        params=params,
        distributions={name: SPACE[name] for name in params},
        system_attrs={FAILED_ATTRIBUTE: "oom"} if fails and blames else {},
    )


def draw(rng: random.Random) -> dict[str, Any]:
    return {
        "depth": rng.randint(1, 12),
        "lr": 10 ** rng.uniform(-5, 0),
        "optimizer": rng.choice(["sgd", "adam", None, True, 1]),
        "noise": rng.uniform(-1, 1),
    }


def study(fails: Any, n: int = 60, seed: int = 0, **how: Any) -> list[FrozenTrial]:
    rng = random.Random(seed)
    points = [draw(rng) for _ in range(n)]
    return [trial(point, fails=fails(point), **how) for point in points]


def test_the_threshold_above_which_trials_fail_is_found() -> None:
    region = find_failure_region(study(lambda point: point["depth"] >= 9))
    assert region is not None
    assert (region.parameter, region.comparison, region.value) == ("depth", ">=", 9)
    assert region.failed_inside == region.inside > 10
    assert region.failed_outside == 0
    assert region.inside + region.outside == 60


def test_the_threshold_lies_between_the_last_that_worked_and_the_first_that_failed() -> None:
    trials = study(lambda point: point["lr"] < 1e-3)
    region = find_failure_region(trials)
    assert region is not None
    assert (region.parameter, region.comparison) == ("lr", "<=")
    failed = [each.params["lr"] for each in trials if each.state == TrialState.FAIL]
    assert max(failed) < region.value < min(each.params["lr"] for each in trials if each.state.name == "COMPLETE")


@pytest.mark.parametrize("choice", ["sgd", None, True, 1])
def test_a_choice_is_told_from_one_that_is_equal_to_it(choice: Any) -> None:
    region = find_failure_region(study(lambda point: repr(point["optimizer"]) == repr(choice)))
    assert region is not None
    assert (region.parameter, region.comparison, repr(region.value)) == ("optimizer", "is", repr(choice))


def test_what_fails_mostly_and_not_only_there_is_found_too() -> None:
    rng = random.Random(1)
    region = find_failure_region(study(lambda point: rng.random() < (0.9 if point["depth"] > 8 else 0.1), n=80))
    assert region is not None
    assert region.parameter == "depth"
    assert region.failed_inside / region.inside > 0.7 > region.failed_outside / region.outside


def test_a_parameter_that_only_some_trials_have_is_judged_among_these() -> None:
    trials = study(lambda point: False, n=30)
    rng = random.Random(2)
    for _ in range(30):
        depth = rng.randint(1, 12)
        trials.append(trial({"depth": depth, "noise": rng.uniform(-1, 1)}, fails=depth > 6))
    without = [each for each in trials if "lr" not in each.params]
    region = find_failure_region(without)
    assert region is not None
    assert (region.parameter, region.value, region.inside + region.outside) == ("depth", 7, 30)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7])
def test_where_no_parameter_matters_hardly_ever_a_condition_is_named(share: float) -> None:
    named = 0
    for seed in range(80):
        rng = random.Random(f"{seed} {share}")
        named += find_failure_region(study(lambda _: rng.random() < share, n=40, seed=seed)) is not None  # noqa: B023
    assert named <= 2  # of 80, at one in a hundred


@pytest.mark.parametrize(
    "trials",
    [
        [],
        study(lambda _: False),
        study(lambda _: True),
        study(lambda point: point["depth"] >= 9, blames=False),
        study(lambda point: point["depth"] >= 12, n=12),
        [trial({}, fails=True)] * 5 + [trial({}, fails=False)] * 5,
        [trial({"depth": 3}, fails=True)] * 5 + [trial({"depth": 3}, fails=False)] * 5,
    ],
    ids=["none", "no-failure", "all-fail", "nobody-to-blame", "too-few", "no-parameters", "one-value"],
)
def test_nothing_is_said_where_nothing_can_be(trials: list[FrozenTrial]) -> None:
    assert find_failure_region(trials) is None


def test_values_of_any_size_are_told_apart() -> None:
    wide = FloatDistribution(-1.7e308, 1.7e308)
    trials = [
        create_trial(
            state=TrialState.FAIL if value > 0 else TrialState.COMPLETE,
            value=None if value > 0 else 1.0,
            params={"x": value},
            distributions={"x": wide},
            system_attrs={FAILED_ATTRIBUTE: "nan"} if value > 0 else {},
        )
        for value in [number * 1e307 for number in range(-12, 13)]
    ]
    region = find_failure_region(trials)
    assert region is not None
    assert (region.parameter, region.comparison, region.failed_inside) == ("x", ">=", 12)
