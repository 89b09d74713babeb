"""A model of several metrics, and how much a point would add to the hypervolume of their Pareto front.

A Gaussian process for each metric. The hypervolume is an average over directions (Zhang & Golovin 2020, "Random
hypervolume scalarizations for provable multi-objective black box optimization", lemma 5): of s^M, where M is the
number of metrics and s is how far the front reaches along a direction, from the point of reference. Along one
direction, the probability that a point reaches farther than s is a product of normal ones, so that the expected
improvement is an integral over s, whose cost grows only in proportion to the number of metrics.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.random import RandomState
from scipy.special import ndtr

from hpotool.search.models.gaussian_process import GaussianProcess
from hpotool.search.models.unit_cube import Array, Flags

REFERENCE = 0.3  # of the front's width in each metric, beyond its worst value
_DIRECTIONS = 16
_STEPS = (np.arange(8) + 0.5) / 2.0  # of the integral, in deviations
_SMALLEST_SHARE = 1e-3  # of a direction: along an axis, the front would reach infinitely far


class FrontModel:
    """Models losses of shape (points, metrics), scaled so that the front's worst value of each metric is 0.

    Args:
        feasible: which points may be on the front.
        running: points that are being measured; they count with their predictions.
    """

    def __init__(
        self, points: Array, losses: Array, is_choice: Flags, feasible: Flags, running: Array, rng: RandomState
    ) -> None:
        self._middle, self._width = losses.mean(axis=0), np.maximum(losses.std(axis=0), 1e-9)
        standardised = (losses - self._middle) / self._width
        self._models = [GaussianProcess(points, metric, is_choice) for metric in standardised.T]
        for model in self._models:
            model.believe(running)
        self._directions = _draw_directions(losses.shape[1], rng)
        reached = self._reach(self.predict(points)[0])
        reached[~feasible] = -np.inf
        taken = self._reach(self.predict(running)[0]) if len(running) else reached[:0]
        self._best = np.maximum(np.vstack([reached, taken]).max(axis=0), 0.0)
        self._farthest = reached.argmax(axis=0)

    @property
    def noise_share(self) -> float:
        """The mean share of the variance of one measurement that is noise."""
        return float(np.mean([model.noise_share for model in self._models]))

    @cached_property
    def leaders(self) -> list[int]:
        """The indices of the points that reach farthest along some direction."""
        return list(dict.fromkeys(self._farthest.tolist()))

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Return the expected losses and their deviations: (points, metrics)."""
        found = [model.predict(points) for model in self._models]
        expected = np.stack([mean for mean, _ in found], axis=1) * self._width + self._middle
        return expected, np.stack([deviation for _, deviation in found], axis=1) * self._width

    def log_improvement(self, points: Array) -> Array:
        """Return the logarithm of the expected improvement of the hypervolume, but for a constant."""
        expected, deviation = self.predict(points)
        return _log_sum(
            np.stack(
                [
                    _log_improvement_along(direction, best, expected, deviation)
                    for direction, best in zip(self._directions, self._best, strict=True)
                ],
                axis=1,
            )
        )

    def _reach(self, losses: Array) -> Array:
        """Return how far each point reaches along each direction: (points, directions)."""
        room = REFERENCE - losses
        reached: Array = (room[:, None, :] / self._directions[None]).min(axis=2)
        return reached


def _draw_directions(metrics: int, rng: RandomState) -> Array:
    """Return directions that are uniform on the positive part of the sphere."""
    drawn = np.maximum(np.abs(rng.normal(size=(_DIRECTIONS, metrics))), _SMALLEST_SHARE)
    directions: Array = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return directions


def _log_improvement_along(direction: Array, best: float, expected: Array, deviation: Array) -> Array:
    """Return log ∫ s^(M-1) P(the point reaches farther than s) ds from ``best`` on, but for a constant."""
    middle, width = (REFERENCE - expected) / direction, deviation / direction
    tightest = (np.arange(len(middle)), middle.argmin(axis=1))
    step = width[tightest] + np.maximum(middle[tightest] - best, 0.0) / 2.0
    reach = best + step[:, None] * _STEPS
    chance = (len(direction) - 1) * np.log(reach) + np.log(step)[:, None]
    for metric in range(len(direction)):
        chance += _log_normal((middle[:, metric, None] - reach) / width[:, metric, None])
    return _log_sum(chance)


def _log_normal(at: Array) -> Array:
    """Return the logarithm of the normal distribution function, five times as fast as SciPy's; far below zero only
    its leading term."""
    near = np.maximum(at, -30.0)
    logarithm: Array = np.log(ndtr(near)) - 0.5 * (at**2 - near**2)
    return logarithm


def _log_sum(logarithms: Array) -> Array:
    """Return the logarithm of the sum over the last axis."""
    largest = logarithms.max(axis=-1, keepdims=True)
    total: Array = np.log(np.exp(logarithms - largest).sum(axis=-1)) + largest[..., 0]
    return total
