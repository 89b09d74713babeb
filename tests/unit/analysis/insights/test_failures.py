from __future__ import annotations

import random
from typing import Any

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.analysis.insights.failures import (
    FailureRegion,
    _probability_of_as_many,
    _shortest_between,
    find_failure_region,
    say_region,
)
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


@given(st.integers(1, 60), st.data())
def test_the_probability_of_a_region_is_that_of_fishers_exact_test(n: int, data: st.DataObject) -> None:
    failed, inside = data.draw(st.integers(0, n)), data.draw(st.integers(0, n))
    failed_inside = data.draw(st.integers(max(0, failed + inside - n), min(failed, inside)))
    table = [
        [failed_inside, inside - failed_inside],
        [failed - failed_inside, n - inside - failed + failed_inside],
    ]
    expected = scipy.stats.fisher_exact(table, alternative="greater").pvalue
    assert _probability_of_as_many(failed_inside, inside, failed, n) == pytest.approx(
        expected, rel=1e-6, abs=1e-12
    )


@pytest.mark.parametrize("fails", ["depth", "lr", "optimizer"])
@pytest.mark.parametrize("seed", range(4))
def test_neither_the_order_of_the_trials_nor_their_names_change_where_they_fail(fails: str, seed: int) -> None:
    rules = {
        "depth": lambda point: point["depth"] >= 9,
        "lr": lambda point: point["lr"] < 1e-3,
        "optimizer": lambda point: point["optimizer"] == "adam",
    }
    trials = study(rules[fails], seed=seed)
    shuffled = random.Random(seed).sample(trials, len(trials))
    assert find_failure_region(shuffled) == find_failure_region(trials)
    renamed = [trial_renamed(each, {"depth": "a", "lr": "b", "optimizer": "c d", "noise": "ü"}) for each in trials]
    region, other = find_failure_region(trials), find_failure_region(renamed)
    assert region is not None
    assert other is not None
    assert {**region.as_data(), "parameter": ""} == {**other.as_data(), "parameter": ""}


def trial_renamed(each: FrozenTrial, names: dict[str, str]) -> FrozenTrial:
    return create_trial(
        state=each.state,
        values=each.values,
        params={names[name]: value for name, value in each.params.items()},
        distributions={names[name]: space for name, space in each.distributions.items()},
        system_attrs=each.system_attrs,
    )


@pytest.mark.parametrize("factor", [1e-300, 1e-3, 0.1, 7.0, 1e300])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_unit_of_a_parameter_changes_the_threshold_and_nothing_else(factor: float, shift: float) -> None:
    rng = random.Random(3)
    values = [rng.random() for _ in range(60)]

    def scaled(factor: float, shift: float) -> Any:
        space = {"x": FloatDistribution(0.0, 2.0 * factor)}
        return find_failure_region(
            [
                create_trial(
                    state=TrialState.FAIL if value > 0.6 else TrialState.COMPLETE,
                    value=None if value > 0.6 else 1.0,
                    params={"x": (value + shift) * factor},
                    distributions=space,
                    system_attrs={FAILED_ATTRIBUTE: "oom"} if value > 0.6 else {},
                )
                for value in values
            ]
        )

    one, other = scaled(1.0, 0.0), scaled(factor, shift)
    assert one.comparison == other.comparison == ">="
    assert (one.failed_inside, one.inside, one.by_chance) == (other.failed_inside, other.inside, other.by_chance)
    assert max(v for v in values if v <= 0.6) < other.value / factor - shift < min(v for v in values if v > 0.6)


@given(st.floats(-1e308, 1e308), st.floats(-1e308, 1e308))
def test_a_number_between_two_is_between_them_and_short_or_there_is_none(one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = _shortest_between(low, high)
    if found is not None:
        assert low < found < high
        assert len(f"{found:g}".replace("-", "").replace(".", "").split("e")[0].strip("0")) <= 5
    elif low < high:
        assert abs(high - low) <= 1e-3 * max(abs(low), abs(high)), "wide gaps have short numbers"


@given(
    st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=30),
    st.lists(st.sampled_from(["sgd", "adam"]), min_size=30, max_size=30),
)
def test_any_region_counts_every_judged_trial_once_and_is_worse_inside(
    trials: list[tuple[int, bool]], optimizers: list[str]
) -> None:
    found = [
        trial({"depth": depth, "optimizer": optimizer}, fails=fails)
        for (depth, fails), optimizer in zip(trials, optimizers, strict=False)
    ]
    region = find_failure_region(found)
    if region is None:
        return
    compare = {
        "<=": lambda a: a <= region.value,
        ">=": lambda a: a >= region.value,
        "is": lambda a: a == region.value,
    }
    inside = [compare[region.comparison](each.params[region.parameter]) for each in found]
    failed = [each.state == TrialState.FAIL for each in found]
    assert (region.inside, region.outside) == (sum(inside), len(found) - sum(inside))
    assert region.failed_inside == sum(a and b for a, b in zip(inside, failed, strict=True))
    assert region.failed_outside == sum(failed) - region.failed_inside
    assert region.failed_inside / region.inside > region.failed_outside / region.outside
    assert 0 <= region.by_chance < 0.01


@pytest.mark.parametrize(
    ("comparison", "value", "says"),
    [
        (">=", 0.1, "lr >= 0.1: 9 of 10, elsewhere 1 of 30"),
        ("is", "sgd", "lr is sgd: 9 of 10, elsewhere 1 of 30"),
        ("is", None, "lr is null: 9 of 10, elsewhere 1 of 30"),
    ],
)
def test_a_region_is_said_with_how_many_fail_there_and_elsewhere(comparison: Any, value: Any, says: str) -> None:
    assert say_region(FailureRegion("lr", comparison, value, 9, 10, 1, 30, 1e-6)) == says
