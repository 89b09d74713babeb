from __future__ import annotations

import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume
from scipy.stats import norm, spearmanr

from hpotool.search.models import front
from hpotool.search.models.front import REFERENCE, FrontModel, _log_improvement_along, _log_normal

NONE = np.empty((0, 4))


def bowls(points: np.ndarray, metrics: int) -> np.ndarray:
    """Losses in units of their front, which the first bowls' bottoms span."""
    ends = np.random.RandomState(5).uniform(0.2, 0.8, size=(metrics, points.shape[1]))
    losses = np.stack([((points - end) ** 2).sum(axis=1) for end in ends], axis=1)
    return (losses - losses.min(axis=0)) / np.ptp(losses, axis=0) * 2 - 1


def model_of(points: np.ndarray, losses: np.ndarray, **settings: object) -> FrontModel:
    known = {"feasible": np.ones(len(points), dtype=bool), "running": points[:0], **settings}
    return FrontModel(points, losses, np.zeros(points.shape[1], dtype=bool), rng=np.random.RandomState(0), **known)


@pytest.mark.parametrize("metrics", [2, 3])
def test_the_improvement_is_that_of_the_hypervolume(metrics: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "_DIRECTIONS", 400)
    rng = np.random.RandomState(1)
    points, candidates = rng.uniform(size=(25, 4)), rng.uniform(size=(60, 4))
    model = model_of(points, bowls(points, metrics))
    expected, deviation = model.predict(candidates)
    reference = np.full(metrics, REFERENCE)
    known, _ = model.predict(points)
    known = known[(known < reference).all(axis=1)]
    before = compute_hypervolume(known, reference)
    gains = []
    for mean, width in zip(expected, deviation, strict=True):
        drawn = mean + width * np.random.RandomState(2).normal(size=(200, metrics))
        inside = [one for one in drawn if (one < reference).all()]
        volumes = [compute_hypervolume(np.vstack([known, one]), reference) - before for one in inside]
        gains.append(sum(volumes) / 200)
    improvement = model.log_improvement(candidates)
    seen = np.asarray(gains) > 1e-3  # of less, too few draws say anything
    assert seen.sum() > 8
    assert spearmanr(np.asarray(gains)[seen], improvement[seen]).statistic > 0.9
    assert np.argmax(gains) in np.argsort(-improvement)[:3]


def test_points_without_hope_are_still_told_apart() -> None:
    direction, far = np.asarray([0.6, 0.8]), np.asarray([[3.0, 3.0], [30.0, 30.0], [300.0, 300.0]])
    hope = _log_improvement_along(direction, 0.5, far, np.full((3, 2), 0.01))
    assert np.isfinite(hope).all()
    assert (np.diff(hope) < 0).all()


def test_the_fast_logarithm_is_that_of_the_normal_distribution() -> None:
    at = np.linspace(-29, 6, 50)
    assert _log_normal(at) == pytest.approx(norm.logcdf(at), rel=1e-9, abs=1e-12)
    assert np.isfinite(_log_normal(np.asarray([-1e6]))).all()


def test_nobody_is_sent_where_somebody_measures_already() -> None:
    points = np.random.RandomState(3).uniform(size=(25, 4))
    losses = bowls(points, 2)
    candidates = np.random.RandomState(4).uniform(size=(200, 4))
    alone = model_of(points, losses).log_improvement(candidates)
    best = candidates[[alone.argmax()]]
    together = model_of(points, losses, running=best).log_improvement(np.vstack([best, candidates]))
    assert together[0] < together[1:].max()
    assert alone.max() > together[0] + 1.0


def test_leaders_are_on_the_front_and_feasible() -> None:
    points = np.random.RandomState(6).uniform(size=(30, 4))
    losses = bowls(points, 3)
    feasible = np.arange(30) % 2 == 0
    model = model_of(points, losses, feasible=feasible)
    assert 2 <= len(model.leaders) <= 15
    for leader in model.leaders:
        assert feasible[leader]
        better = (losses[feasible] < losses[leader] - 0.05).all(axis=1)
        assert not better.any()


def test_noise_is_what_the_metrics_have_on_average() -> None:
    points = np.random.RandomState(7).uniform(size=(60, 4))
    losses = bowls(points, 2)
    noisy = losses + np.random.RandomState(8).normal(size=losses.shape) * [0.0, 0.6]
    quiet, half = model_of(points, losses).noise_share, model_of(points, noisy).noise_share
    both = model_of(points, noisy[:, [1, 1]]).noise_share
    assert quiet < 0.01
    assert half == pytest.approx((quiet + both) / 2, abs=0.01)
    assert both > 0.05
