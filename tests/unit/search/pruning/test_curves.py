import math

import numpy as np
import pytest

from hpotool.search.pruning.curves import Curve, Knots, LossScale


def whole(first: int, last: int, final: float = 0.0) -> Curve:
    return Curve.of({step: 1.0 / (1 + step - first) for step in range(first, last + 1)}, 1.0, final, counts=True)


def test_a_curve_is_in_order_and_lower_is_better() -> None:
    curve = Curve.of({3: 0.7, 1: 0.5, 2: 0.6}, -1.0, 0.7, counts=True)
    assert curve.steps.tolist() == [1, 2, 3]
    assert curve.losses.tolist() == [-0.5, -0.6, -0.7]
    assert (curve.final, curve.last_step) == (-0.7, 3)


def test_nan_is_a_gap_and_so_is_a_loss_that_nothing_can_have() -> None:
    curve = Curve.of({0: math.nan, 1: -math.inf, 2: math.inf}, 1.0)
    assert np.isnan(curve.losses[:2]).all()
    assert curve.losses[2] == math.inf
    assert math.isnan(curve.final)


def test_the_scale_tells_good_losses_apart_and_hardly_bad_ones() -> None:
    scale = LossScale.of(np.linspace(0.0, 1.0, 101))
    good, middle, bad, worse = scale.scale(np.array([0.1, 0.5, 5.0, math.inf]))
    assert (good, middle) == (pytest.approx(-1.0), 0.0)
    assert 2.0 < bad < worse == 6.0


def test_a_scaled_loss_can_be_restored() -> None:
    scale = LossScale.of(np.array([3.0, 4.0, 5.0, 9.0]))
    losses = np.array([2.5, 4.0, 4.5, 30.0])
    assert scale.restore(scale.scale(losses)) == pytest.approx(losses)


@pytest.mark.parametrize("finals", [[1.0, 1.0, 1.0], [0.0, 0.0], [1e308, -1e308, 0.0], [math.inf, 2.0]])
def test_any_finals_give_a_scale(finals: list[float]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = LossScale.of(np.array(finals)).scale(np.array([*finals, 0.5]))
    assert np.isfinite(scaled).all()


@pytest.mark.parametrize(("first", "last"), [(0, 39), (1, 40), (500, 539), (0, 0), (0, 100_000)])
def test_knots_cover_all_steps_wherever_they_begin(first: int, last: int) -> None:
    step = max(1, (last - first) // 50)
    curve = Curve.of(dict.fromkeys([*range(first, last, step), last], 1.0), 1.0, 1.0, counts=True)
    knots = Knots.of([curve])
    assert 1 <= len(knots.ends) <= 12
    assert knots.ends[-1] == last
    assert knots.share_left(last) == 0.0
    assert not np.isnan(knots.vector(curve, LossScale(0.0, 1.0))).any(), "no knot without a report"


def test_the_share_that_is_left_counts_from_the_first_step() -> None:
    knots = Knots.of([whole(100, 139)])
    assert knots.share_left(109) == pytest.approx(0.75)
    assert knots.share_left(1_000) == 0.0


def test_a_vector_has_the_means_between_knots_and_gaps_where_nothing_was_reported() -> None:
    knots, scale = Knots(np.array([0.0, 2.0, 9.0]), 0.0, 10.0), LossScale(0.0, 1.0)
    resumed = Curve.of({1: -0.2, 2: -0.4, 12: -9.0}, 1.0)
    vector = knots.vector(resumed, scale)
    assert np.isnan(vector[[0, 2, 3]]).all()
    assert vector[1] == pytest.approx(-0.3)


def test_a_final_value_is_the_last_of_the_vector() -> None:
    vector = Knots.of([whole(0, 9)]).vector(whole(0, 9, -0.5), LossScale(0.0, 1.0))
    assert vector[-1] == -0.5
