from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from scipy.optimize import check_grad

from hpotool.search.models import gaussian_process
from hpotool.search.models.acquisition import find_next_point, log_expected_improvement, spread_point
from hpotool.search.models.gaussian_process import GaussianProcess, squared_distances
from hpotool.search.models.unit_cube import UnitCube

RNG = np.random.RandomState(0)
POINTS = RNG.uniform(size=(30, 3))
POINTS[:, 2] = RNG.randint(3, size=30)
IS_CHOICE = np.asarray([False, False, True])
LOSSES = np.sin(5 * POINTS[:, 0]) + 0.5 * (POINTS[:, 2] == 1)
LOSSES = (LOSSES - LOSSES.mean()) / LOSSES.std()


def test_it_expects_what_it_has_seen_and_is_sure_of_it() -> None:
    model = GaussianProcess(POINTS, LOSSES, IS_CHOICE)
    expected, deviation = model.predict(POINTS)
    assert np.abs(expected - LOSSES).max() < 0.1
    far = np.asarray([[0.5, 0.5, 7.0]])  # a choice that was never tried
    assert model.predict(far)[1][0] > 5 * deviation.mean()


def test_it_generalises_over_what_does_not_matter() -> None:
    model = GaussianProcess(POINTS, LOSSES, IS_CHOICE)
    test = RNG.uniform(size=(200, 3))
    test[:, 2] = RNG.randint(3, size=200)
    raw = np.sin(5 * test[:, 0]) + 0.5 * (test[:, 2] == 1)
    assert np.corrcoef(model.predict(test)[0], raw)[0, 1] > 0.97


def test_believing_changes_no_expectation_but_takes_the_doubt_away() -> None:
    model = GaussianProcess(POINTS, LOSSES, IS_CHOICE)
    pending = np.asarray([[0.9, 0.1, 0.0], [0.2, 0.9, 2.0]])
    elsewhere = np.vstack([pending, RNG.uniform(size=(5, 3))])
    before, doubt = model.predict(elsewhere)
    model.believe(pending)
    after, less = model.predict(elsewhere)
    assert np.allclose(before, after, atol=1e-6)
    assert (less[:2] < doubt[:2]).all()


def test_the_gradient_of_the_posterior_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """L-BFGS converges on a wrong gradient too, only elsewhere: compare it with differences."""
    captured = {}

    def capture(function, start, **_):  # type: ignore[no-untyped-def]
        captured.update(function=function, start=start)
        raise InterruptedError

    monkeypatch.setattr(gaussian_process, "minimize", capture)
    with pytest.raises(InterruptedError):
        gaussian_process._fit(squared_distances(POINTS, POINTS, IS_CHOICE), LOSSES)
    for at in (captured["start"], captured["start"] + np.asarray([1.0, -0.5, 0.7, 2.0])):
        error = check_grad(lambda x: captured["function"](x)[0], lambda x: captured["function"](x)[1], at)
        assert error < 1e-4 * max(1.0, np.linalg.norm(captured["function"](at)[1]))


def test_equal_points_with_different_losses_are_noise_not_an_error() -> None:
    points = np.vstack([POINTS, POINTS, POINTS])
    losses = np.concatenate([LOSSES, LOSSES + 0.3, LOSSES - 0.3])
    expected, _ = GaussianProcess(points, losses, IS_CHOICE).predict(POINTS)
    assert np.isfinite(expected).all()
    assert np.abs(expected - LOSSES).mean() < 0.3


def test_equal_losses_are_no_error() -> None:
    expected, deviation = GaussianProcess(POINTS, np.zeros(30), IS_CHOICE).predict(POINTS)
    assert np.isfinite(expected).all()
    assert np.isfinite(deviation).all()


@pytest.mark.parametrize("gain", [-40.0, -5.001, -4.999, 0.0, 3.0])
def test_log_expected_improvement_agrees_with_simulation_or_its_limit(gain: float) -> None:
    value = log_expected_improvement(np.asarray([0.0]), np.asarray([1.0]), gain)[0]
    if gain >= 0:
        draws = np.random.RandomState(1).normal(size=400_000)
        assert value == pytest.approx(np.log(np.maximum(gain - draws, 0).mean()), abs=0.01)
    else:
        # φ(z) + z Φ(z) lies between φ(z)/(z² + 3) and φ(z)/z².
        top = -0.5 * gain**2 - 0.5 * np.log(2 * np.pi) - np.log(gain**2)
        assert top - np.log((gain**2 + 3) / gain**2) - 1e-6 <= value <= top + 1e-6


def test_it_proposes_where_the_bowl_is_lowest() -> None:
    cube = UnitCube(
        {"a": FloatDistribution(0, 1), "b": FloatDistribution(0, 1), "c": CategoricalDistribution("xyz")}
    )
    losses = ((POINTS[:, :2] - 0.4) ** 2).sum(axis=1) + 0.3 * (POINTS[:, 2] != 1)
    losses = (losses - losses.mean()) / losses.std()
    model = GaussianProcess(POINTS, losses, cube.is_choice)
    leaders = POINTS[np.argsort(losses)]
    point = find_next_point(model, cube, leaders, POINTS, losses.min(), np.random.RandomState(0))
    assert np.abs(point[:2] - 0.4).max() < 0.15
    assert point[2] == 1


def test_a_first_look_keeps_its_distance() -> None:
    cube = UnitCube({"a": FloatDistribution(0, 1), "b": FloatDistribution(0, 1)})
    rng = np.random.RandomState(0)
    taken = np.empty((0, 2))
    for _ in range(16):
        taken = np.vstack([taken, spread_point(cube, taken, rng)])
    closest = [np.sort(np.linalg.norm(taken - point, axis=1))[1] for point in taken]
    assert min(closest) > 0.1
