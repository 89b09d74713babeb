from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from scipy.integrate import quad
from scipy.optimize import check_grad

from hpotool.search.models import gaussian_process
from hpotool.search.models.acquisition import find_next_point, log_expected_improvement, spread_point
from hpotool.search.models.gaussian_process import GaussianProcess, merge_replicates, squared_distances
from hpotool.search.models.unit_cube import Array, UnitCube

RNG = np.random.RandomState(0)
POINTS = RNG.uniform(size=(30, 3))
POINTS[:, 2] = RNG.randint(3, size=30)
IS_CHOICE = np.asarray([False, False, True])
LOSSES = np.sin(5 * POINTS[:, 0]) + 0.5 * (POINTS[:, 2] == 1)
LOSSES = (LOSSES - LOSSES.mean()) / LOSSES.std()
COUNTS = np.where(np.arange(30) % 4, 1.0, 3.0)


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
        gaussian_process._fit(squared_distances(POINTS, POINTS, IS_CHOICE), LOSSES, COUNTS, 0.4)
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


@pytest.mark.parametrize("gain", [-1e6, -1e3 - 1e-6, -1e3 + 1e-6, -40.0, -5.0, -1.0 - 1e-9, -1.0, 0.0, 3.0])
def test_log_expected_improvement_agrees_with_its_integral(gain: float) -> None:
    value = log_expected_improvement(np.asarray([0.0]), np.asarray([1.0]), gain)[0]
    # ∫ (gain - x)⁺ φ(x) dx = φ(gain) ∫ t exp(gain t - t²/2) dt over t > 0, without the factor that underflows.
    width = max(1.0, -gain)
    rest = quad(lambda t: t * np.exp((gain / width) * t - 0.5 * (t / width) ** 2), 0, 60 + 40 * max(gain, 0))[0]
    expected = -0.5 * gain**2 - 0.5 * np.log(2 * np.pi) + np.log(rest) - 2 * np.log(width)
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_replicates_are_a_mean_whose_scatter_tells_of_the_noise() -> None:
    points = np.vstack([POINTS, POINTS, POINTS])
    losses = np.concatenate([LOSSES, LOSSES + 0.3, LOSSES - 0.3])
    merged, means, counts, scatter = merge_replicates(points, losses)
    assert (merged == POINTS).all()
    assert np.allclose(means, LOSSES)
    assert (counts == 3).all()
    assert scatter == pytest.approx(30 * 2 * 0.3**2)
    # A hair's breadth apart they are observations of their own, which say the same.
    apart = points + np.where(IS_CHOICE, 0.0, 1e-7 * np.repeat([0, 1, 2], 30)[:, None])
    ours, theirs = (GaussianProcess(each, losses, IS_CHOICE) for each in (points, apart))
    assert len(ours._points) == 30
    assert len(theirs._points) == 90
    test = POINTS + np.where(IS_CHOICE, 0.0, 0.05)
    assert np.allclose(ours.predict(test), theirs.predict(test), atol=0.03)


def test_it_proposes_where_the_bowl_is_lowest() -> None:
    cube = UnitCube(
        {"a": FloatDistribution(0, 1), "b": FloatDistribution(0, 1), "c": CategoricalDistribution("xyz")}
    )
    losses = ((POINTS[:, :2] - 0.4) ** 2).sum(axis=1) + 0.3 * (POINTS[:, 2] != 1)
    losses = (losses - losses.mean()) / losses.std()
    model = GaussianProcess(POINTS, losses, cube.is_choice)
    leaders = POINTS[np.argsort(losses)]

    def score(candidates: Array) -> Array:
        return log_expected_improvement(*model.predict(candidates), losses.min())

    point = find_next_point(score, cube, leaders, POINTS, np.random.RandomState(0))
    assert np.abs(point[:2] - 0.4).max() < 0.15
    assert point[2] == 1


def test_a_first_look_keeps_its_distance() -> None:
    cube = UnitCube({"a": FloatDistribution(0, 1), "b": FloatDistribution(0, 1)})
    rng = np.random.RandomState(0)
    taken = np.empty((0, 2))
    for _ in range(16):
        taken = np.vstack([taken, spread_point(cube, taken, np.empty((0, 2)), rng)])
    closest = [np.sort(np.linalg.norm(taken - point, axis=1))[1] for point in taken]
    assert min(closest) > 0.1


def test_a_first_look_leaves_the_side_that_failed() -> None:
    cube = UnitCube({"a": FloatDistribution(0, 1), "b": FloatDistribution(0, 1)})
    rng = np.random.RandomState(0)
    taken, failed = np.asarray([[0.2, 0.5]]), np.asarray([[0.8, 0.3], [0.8, 0.7]])
    assert all(spread_point(cube, taken, failed, rng)[0] < 0.6 for _ in range(20))
    nothing_worked = [spread_point(cube, np.empty((0, 2)), failed, rng)[0] for _ in range(20)]
    assert np.mean(nothing_worked) < 0.4


def test_draws_have_the_expectation_and_the_deviation_of_the_prediction() -> None:
    model = GaussianProcess(POINTS, LOSSES, IS_CHOICE)
    test = np.vstack([POINTS[:3], np.asarray([[0.5, 0.5, 7.0], [0.5001, 0.5, 7.0]])])
    drawn = model.draw(test, 4000, np.random.RandomState(1))
    expected, deviation = model.predict(test)
    assert drawn.shape == (4000, 5)
    assert np.allclose(drawn.mean(axis=0), expected, atol=0.06)
    assert np.allclose(drawn.std(axis=0), deviation, rtol=0.05, atol=0.01)
    assert np.corrcoef(drawn[:, 3], drawn[:, 4])[0, 1] > 0.99, "neighbours are drawn together"


def test_equal_points_can_be_drawn() -> None:
    model = GaussianProcess(POINTS, LOSSES, IS_CHOICE)
    drawn = model.draw(np.repeat(POINTS[:2], 50, axis=0), 10, np.random.RandomState(0))
    assert np.allclose(drawn[:, 0], drawn[:, 49], atol=0.01)


def test_a_refitted_model_keeps_all_measurements_and_doubts_its_length_scales() -> None:
    model = GaussianProcess(POINTS, LOSSES, IS_CHOICE)
    rng = np.random.RandomState(0)
    others = [model.refitted(2 / 3, rng) for _ in range(4)]
    far = np.asarray([[0.02, 0.9, 0.0]])
    assert len({float(other.predict(far)[0][0]) for other in others}) == 4
    for other in others:
        assert np.abs(other.predict(POINTS)[0] - LOSSES).max() < 0.35
    assert np.abs(model.predict(POINTS)[0] - LOSSES).max() < 0.1, "the model itself is as it was"


def test_a_refitted_model_of_replicates_knows_their_noise() -> None:
    points = np.repeat(POINTS, 4, axis=0)
    noisy = np.repeat(LOSSES, 4) + np.random.RandomState(3).normal(scale=0.5, size=len(points))
    model = GaussianProcess(points, noisy, IS_CHOICE)
    for seed in range(3):
        other = model.refitted(0.7, np.random.RandomState(seed))
        assert 0.5 < other.noise_share / model.noise_share < 2.0
