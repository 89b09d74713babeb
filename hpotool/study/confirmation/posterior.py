"""How good points are, given what their replicates measured: draws from the posterior of their true means.

The model: replicate k of point p measures  mean_p + seed_k + noise.

* seed_k ~ N(0, ω²) is what a seed does to every point; where seeds do nothing alike, ω goes to zero, and where
  they do, points are compared within each seed.
* The noise is normal with a variance of each point's own, drawn towards a common one (a scaled inverse χ² prior
  with ``_SHARED`` degrees of freedom; Smyth 2004, "Linear models and empirical Bayes methods").
* mean_p ~ N(m, τ²) for the points that a search found: they are near each other, so the one that looks best is
  pulled back towards the others by as much as the noise demands. Without it the best of many would be declared the
  best too often. A baseline is nobody's neighbour, and has a flat prior.
* ω and τ have half-Cauchy priors, by the auxiliary variables of Makalic & Schmidt 2016 ("A simple sampler for the
  horseshoe estimator", eq. 3), so that every conditional is drawn exactly (Gibbs).

`docs/deciding.md` has the reliability table: what is given a probability of 0.8 is the best in eight of ten cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CHAINS, _WARM_UP, _KEPT = 250, 120, 60
_SHARED = 6.0  # how many replicates' worth the common variance counts for a point
_LEAST_VARIANCE = 1e-12  # of standardized measurements


@dataclass(frozen=True)
class Measured:
    """What was measured: ``values[p, k]`` of point p with seed k, NaN where there is none.

    Each point has one value at least, and all are finite. ``is_neighbour[p]``: whether it came out of the search.
    """

    values: Floats
    is_neighbour: NDArray[np.bool_]


def draw_means(measured: Measured) -> Floats:
    """Draws of the true means, one row each. The same measurements give the same draws."""
    largest = float(np.nanmax(np.abs(measured.values))) or 1.0
    values = measured.values / largest  # squares and sums of very large and very small numbers stay numbers
    if _is_noiseless(values):
        exact: Floats = np.nanmean(values, axis=1)[None, :] * largest
        return exact
    center, scale = float(np.nanmean(values)), float(np.nanstd(values)) or 1.0
    chains = _Chains((values - center) / scale, measured.is_neighbour)
    draws = []
    for turn in range(_WARM_UP + _KEPT):
        chains.step()
        if turn >= _WARM_UP:
            draws.append(chains.means)
    with np.errstate(over="ignore"):
        return np.concatenate(draws) * scale * largest + center * largest


def probabilities_of_best(means: Sequence[Floats], signs: Sequence[float]) -> Floats:
    """For each point, in which share of the draws no other is better: of several metrics, on the Pareto front.

    ``means`` and ``signs`` are those of each metric; a sign of 1 means that lower is better. Equals share.
    """
    losses = np.stack([sign * draws for sign, draws in zip(signs, _same_length(means), strict=True)], axis=2)
    if losses.shape[2] == 1:
        is_best = losses[:, :, 0] == losses[:, :, 0].min(axis=1, keepdims=True)
        shares: Floats = (is_best / is_best.sum(axis=1, keepdims=True)).mean(axis=0)
        return shares
    one, other = losses[:, :, None, :], losses[:, None, :, :]
    is_no_worse, is_better = np.all(other <= one, axis=3), np.any(other < one, axis=3)
    is_beaten = np.any(is_no_worse & is_better, axis=2)
    on_front: Floats = 1.0 - is_beaten.mean(axis=0)
    return on_front


def _same_length(means: Sequence[Floats]) -> list[Floats]:
    """Draws without noise are one row, which stands for any number."""
    most = max(len(draws) for draws in means)
    return [draws if len(draws) == most else np.repeat(draws, most, axis=0) for draws in means]


def _is_noiseless(values: Floats) -> bool:
    """Whether every point was measured twice at least, always with the same value."""
    has_two = (~np.isnan(values)).sum(axis=1) >= 2
    return bool(has_two.all() and (np.nanmax(values, axis=1) == np.nanmin(values, axis=1)).all())


class _Chains:
    """Many short chains beside each other, begun far apart. Arrays are chains × points (× seeds)."""

    def __init__(self, values: Floats, is_neighbour: NDArray[np.bool_]) -> None:
        self._rng = np.random.default_rng(0)
        self._seen = (~np.isnan(values)).astype(float)
        self._values = np.nan_to_num(values)
        self._counts = self._seen.sum(axis=1)
        self._near = is_neighbour.astype(float)
        points, seeds = values.shape
        self._n_near, self._n_points, self._n_seeds = float(self._near.sum()), points, seeds
        rng = self._rng
        self.means = np.nanmean(values, axis=1) + 0.1 * rng.standard_normal((_CHAINS, points))
        self._seeds = np.zeros((_CHAINS, seeds))
        self._noise = 10 ** rng.uniform(-1.5, 0, (_CHAINS, points))
        self._common_noise = np.ones(_CHAINS)
        self._between, self._between_seeds = (10 ** rng.uniform(-3, 0, _CHAINS) for _ in range(2))
        self._between_helper, self._seeds_helper = np.ones(_CHAINS), np.ones(_CHAINS)
        self._middle = np.zeros(_CHAINS)

    def step(self) -> None:
        """Draw every quantity once, given all others."""
        weights = self._seen / self._noise[:, :, None]
        self._draw_seeds(weights)
        self._draw_means(weights)
        self._draw_noise()
        if self._n_near > 1:
            self._draw_neighbourhood()

    def _draw_seeds(self, weights: Floats) -> None:
        precision = 1 / self._between_seeds[:, None] + weights.sum(axis=1)
        expected = (weights * (self._values - self.means[:, :, None])).sum(axis=1) / precision
        self._seeds = self._normal(expected, precision)
        squares = (self._seeds**2).sum(axis=1)
        self._between_seeds, self._seeds_helper = self._half_cauchy(
            self._between_seeds, self._seeds_helper, self._n_seeds, squares
        )

    def _draw_means(self, weights: Floats) -> None:
        prior = self._near / self._between[:, None] if self._n_near > 1 else np.zeros_like(self.means)
        precision = prior + weights.sum(axis=2)
        told = (weights * (self._values - self._seeds[:, None, :])).sum(axis=2)
        self.means = self._normal((told + prior * self._middle[:, None]) / precision, precision)

    def _draw_noise(self) -> None:
        residuals = self._values - self.means[:, :, None] - self._seeds[:, None, :]
        squares = (self._seen * residuals**2).sum(axis=2) + _SHARED * self._common_noise[:, None]
        drawn = squares / self._rng.chisquare(_SHARED + self._counts, squares.shape)
        self._noise = np.maximum(drawn, _LEAST_VARIANCE)
        rate = 0.5 + (_SHARED / (2 * self._noise)).sum(axis=1)
        self._common_noise = self._rng.gamma(0.5 + self._n_points * _SHARED / 2, 1, _CHAINS) / rate

    def _draw_neighbourhood(self) -> None:
        average = (self._near * self.means).sum(axis=1) / self._n_near
        self._middle = self._normal(average, self._n_near / self._between)
        squares = (self._near * (self.means - self._middle[:, None]) ** 2).sum(axis=1)
        self._between, self._between_helper = self._half_cauchy(
            self._between, self._between_helper, self._n_near, squares
        )

    def _half_cauchy(
        self, variance: Floats, helper: Floats, count: float, squares: Floats
    ) -> tuple[Floats, Floats]:
        """A variance whose root is half-Cauchy, given the squares of what it spreads."""
        helper = (1 + 1 / variance) / self._rng.gamma(1, 1, _CHAINS)
        drawn = (squares / 2 + 1 / helper) / self._rng.gamma((count + 1) / 2, 1, _CHAINS)
        return np.maximum(drawn, _LEAST_VARIANCE), helper

    def _normal(self, expected: Floats, precision: Any) -> Floats:
        drawn: Floats = expected + self._rng.standard_normal(np.shape(expected)) / np.sqrt(precision)
        return drawn
