from __future__ import annotations

import numpy as np
import pytest

from hpotool.search.regret.scale import LossScale

VALUES = np.random.RandomState(0).lognormal(size=50)


def test_losses_have_mean_zero_and_deviation_one_in_the_order_of_the_values() -> None:
    losses = LossScale.of(VALUES / 2).to_losses(VALUES / 2)
    assert losses.mean() == pytest.approx(0.0, abs=1e-9)
    assert losses.std() == pytest.approx(1.0)
    assert (np.argsort(losses) == np.argsort(VALUES)).all()


@pytest.mark.parametrize("factor", [1e-200, 1.0, 1e200])
def test_a_difference_of_losses_is_that_of_the_values(factor: float) -> None:
    halved = VALUES * factor / 2
    scale = LossScale.of(halved)
    losses = scale.to_losses(halved)
    apart = scale.difference(losses, losses[::-1])
    assert np.allclose(apart, (VALUES - VALUES[::-1]) * factor, atol=1e-9 * factor)


def test_what_a_model_predicts_beyond_all_values_stays_a_number() -> None:
    scale = LossScale.of(VALUES / 2)
    assert np.isfinite(scale.difference(np.asarray([1e6]), np.asarray([-1e6]))).all()


def test_the_largest_floats_differ_by_no_more_than_infinity() -> None:
    halved = np.asarray([-1.7e308, 0.0, 1.7e308]) / 2
    scale = LossScale.of(halved)
    losses = scale.to_losses(halved)
    assert np.isfinite(losses).all()
    assert 1e300 < scale.difference(losses[-1:], losses[:1])[0] < float("inf")


def test_many_equal_values_have_a_scale_too() -> None:
    halved = np.asarray([1.0] * 20 + [0.5])
    assert np.isfinite(LossScale.of(halved).to_losses(halved)).all()
