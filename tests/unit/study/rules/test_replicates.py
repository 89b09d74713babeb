from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from scipy.stats import sem

from hpotool.study.rules.budget import FinishedTrial, Progress, Usage, advance, reached_limit
from hpotool.study.rules.replicates import Measurement, average, point_key, standard_errors
from hpotool.study.spec import BudgetSpec, MetricSpec
from tests.unit.study.rules.progress import progress_of

LOSS = (MetricSpec("loss", "minimize"),)
INF = math.inf


def test_a_point_is_its_parameters_in_any_order() -> None:
    assert point_key({"a": 1, "b": None}) == point_key({"b": None, "a": 1})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": True}, {"a": 1}),
        ({"a": "1"}, {"a": 1}),
        ({"a": None}, {}),  # a parameter that its condition switches off is another point than one that is null
        ({"booster": "gbtree"}, {"booster": "dart", "drop": 0.1}),
        ({"a": 0.1}, {"a": 0.1 + 2**-56}),
    ],
)
def test_another_value_or_another_set_of_parameters_is_another_point(one: dict, other: dict) -> None:
    assert point_key(one) != point_key(other)


def test_one_step_is_one_point_however_it_is_rounded() -> None:  # stepped_float_is_two_points
    distributions = {"dropout": FloatDistribution(0, 0.9, step=0.1), "lr": FloatDistribution(-1, 1)}
    for index in range(10):
        sampled, typed = index * 0.1, float(f"0.{index}")
        point = {"dropout": sampled, "lr": -0.0}
        assert point_key(point, distributions) == point_key({"lr": 0.0, "dropout": typed}, distributions)
    assert point_key({"lr": 0.1 + 0.2}, distributions) != point_key({"lr": 0.3}, distributions)
    outside = {"dropout": 1.25}  # of a trial from before the range was changed
    assert point_key(outside, distributions) == point_key(outside)


def test_a_point_is_the_mean_of_its_replicates_with_its_standard_error() -> None:
    replicates = [Measurement((1.0, 10.0)), Measurement((2.0, 10.0)), Measurement((6.0, 10.0))]
    assert average(replicates).values == (3.0, 10.0)
    # s = sqrt((4 + 1 + 9) / 2) = sqrt(7), n = 3
    assert standard_errors(replicates) == (pytest.approx(math.sqrt(7 / 3)), 0.0)


def test_one_measurement_is_itself_and_tells_no_error() -> None:
    assert average([Measurement((1.0,), {"c": 2.0})]) == Measurement((1.0,), {"c": 2.0})
    assert standard_errors([Measurement((1.0,))]) == (None,)


def test_an_infinite_value_makes_the_mean_infinite_and_both_infinities_make_it_unfit_to_be_best() -> None:
    assert average([Measurement((INF,)), Measurement((1.0,))]).values == (INF,)
    assert standard_errors([Measurement((INF,)), Measurement((1.0,))]) == (None,)
    assert not average([Measurement((INF,)), Measurement((-INF,))]).is_feasible


def test_a_point_is_feasible_when_each_violation_is_met_on_average() -> None:
    lucky, unlucky = Measurement((1.0,), {"size": -2.0, "time": -1.0}), Measurement((1.0,), {"size": 1.0})
    assert not unlucky.is_feasible
    both = average([lucky, unlucky])
    assert both.violations == {"size": -0.5, "time": -1.0}  # of those that say something about it
    assert both.is_feasible
    assert not average([lucky, unlucky, unlucky, unlucky]).is_feasible


def test_one_lucky_replicate_reaches_no_target_once_the_mean_is_known() -> None:
    def reached(*results: FinishedTrial) -> bool:
        usage = Usage(progress=progress_of(results, LOSS))
        return reached_limit(BudgetSpec(target={"loss": 1.0}), LOSS, usage) is not None

    assert reached(FinishedTrial((0.5,), point="p"))
    assert not reached(FinishedTrial((2.0,), point="p"), FinishedTrial((0.5,), point="p"))
    assert reached(
        FinishedTrial((2.0,), point="p"), FinishedTrial((0.5,), point="p"), FinishedTrial((0.1,), point="p")
    )
    assert reached(FinishedTrial((2.0,)), FinishedTrial((0.5,)))  # trials that stand for themselves


def test_a_worse_replicate_of_the_best_point_is_no_improvement_and_gives_the_front_to_another() -> None:
    results = [
        FinishedTrial((1.0,), point="lucky"),
        FinishedTrial((2.0,), point="steady"),
        FinishedTrial((9.0,), point="lucky"),
    ]
    progress = progress_of(results, LOSS)
    assert progress.front == ((2.0,),)
    assert progress.finished_since_improvement == 2
    better = progress_of([*results, FinishedTrial((1.0,), point="steady")], LOSS)
    assert (better.front, better.finished_since_improvement) == (((1.5,),), 0)


def test_a_replicate_that_takes_the_last_feasible_point_away_leaves_no_front() -> None:
    results = [FinishedTrial((1.0,), {"c": -1.0}, "p"), FinishedTrial((1.0,), {"c": 5.0}, "p")]
    assert progress_of(results, LOSS).front == ()
    assert progress_of(results, LOSS).finished_since_improvement == 0


def test_a_pruned_replicate_measures_nothing() -> None:
    progress = progress_of([FinishedTrial((1.0,), point="p"), FinishedTrial(None, point="p")], LOSS)
    assert progress == Progress(((1.0,),), 1, {"p": (Measurement((1.0,)),)})


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=20))
def test_the_front_is_the_best_mean_whatever_the_order(measured: list[tuple[str, int]]) -> None:
    progress = progress_of([FinishedTrial((float(value),), point=point) for point, value in measured], LOSS)
    values = {point: [value for other, value in measured if other == point] for point, _ in measured}
    means = [sum(of_point) / len(of_point) for of_point in values.values()]
    assert progress.front == ((min(means),),) if means else progress.front == ()


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE, st.integers(1, 12))
def test_equal_replicates_measure_what_each_of_them_measured(value: float, count: int) -> None:
    """0.1 + 0.1 + 0.1 is not 3 * 0.1 in floats, and a sum may overflow where the mean does not."""
    measured = average([Measurement((value,), {"mb": value})] * count)
    assert measured == Measurement((value,), {"mb": value})


@given(st.lists(FINITE, min_size=2, max_size=6), st.randoms())
def test_the_order_of_the_replicates_changes_neither_mean_nor_error(values: list[float], random: Random) -> None:
    shuffled = random.sample(values, len(values))
    one, other = ([Measurement((value,)) for value in order] for order in (values, shuffled))
    assert average(one) == average(other)
    assert standard_errors(one) == standard_errors(other)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8))
def test_mean_and_error_are_those_of_numpy_and_scipy(values: list[float]) -> None:
    measured = [Measurement((value,)) for value in values]
    assert average(measured).values[0] == pytest.approx(np.mean(values), rel=1e-9, abs=1e-9)
    assert standard_errors(measured)[0] == pytest.approx(sem(values), rel=1e-6, abs=1e-9)


@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=6))
def test_a_mean_lies_between_the_least_and_the_greatest(values: list[float]) -> None:
    assert min(values) <= average([Measurement((value,)) for value in values]).values[0] <= max(values)


def test_a_target_that_each_replicate_reaches_is_reached_by_their_mean() -> None:
    budget, progress = BudgetSpec(target={"loss": 0.1}), Progress()
    for count in range(1, 8):
        progress = advance(progress, FinishedTrial((0.1,), point="a"), LOSS)
        reached = reached_limit(budget, LOSS, Usage(complete=count, progress=progress))
        assert reached is not None
        assert reached.key == "target"
        assert progress.front == ((0.1,),)


@pytest.mark.parametrize("values", [[1e200, -1e200], [1.7e308, -1.7e308], [math.inf, 1.0], [math.nan, 1.0], [1.0]])
def test_an_error_that_cannot_be_computed_is_none_or_a_number(values: list[float]) -> None:
    [error] = standard_errors([Measurement((value,)) for value in values])
    assert error is None or math.isfinite(error)


@given(
    st.dictionaries(st.text(max_size=4), st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)))
)
def test_the_order_in_which_parameters_were_suggested_makes_no_other_point(params: dict[str, object]) -> None:
    assert point_key(params) == point_key(dict(reversed(params.items())))


@given(st.floats(0, 1), st.floats(0, 1))
def test_two_floats_are_one_point_exactly_if_they_are_equal(one: float, other: float) -> None:
    distributions = {"x": FloatDistribution(0, 1)}
    keys = [point_key({"x": value}, distributions) for value in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)
