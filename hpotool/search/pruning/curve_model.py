"""A Gaussian model of learning curves: what a trial that has come so far will end with, and how sure that is.

A curve is a vector: its level at some knots, and its final value. All curves of a study are draws from one normal
distribution, whose mean and covariance are fitted to those that are known in full and to those that are not: by
expectation maximisation (Dempster, Laird & Rubin 1977; for the normal distribution Little & Rubin, Statistical
Analysis with Missing Data, section 11.2). A trial is pruned because of what it reported, which the model knows, so
that a sample of which the bad ones were ended early does not mislead it ("missing at random", section 6.2 there).
A wrong belief that early ranks are late ranks it gives up where the study's curves show otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

_PRIOR_WEIGHT = 1.5  # how many curves the prior covariance is worth
_MEMORY = 10.0  # over how many knots a curve forgets where it was, to the prior
_ROUNDS = 12
_TOLERANCE = 3e-3
_SMALLEST = 1e-6


@dataclass(frozen=True)
class CurveModel:
    """The distribution of curves.

    Attributes:
        mean: of each knot, and of the final value, which is the last.
        covariance: of the same.
        count: how many curves it was fitted to that have a final value.
    """

    mean: Array
    covariance: Array
    count: int

    @classmethod
    def fit(cls, curves: Array) -> CurveModel:
        """Fit to curves of shape (curves, knots + 1). NaN is what is not known; of no column it is all."""
        known = ~np.isnan(curves)
        patterns, which, counts = np.unique(known, axis=0, return_inverse=True, return_counts=True)
        mean, variance = _first_moments(curves)
        correlation = _prior_correlation(len(mean))
        covariance = _scaled(correlation, variance)
        for _ in range(_ROUNDS):
            weights, left = _regress(patterns, covariance)
            centred = np.where(known, curves - mean, 0.0)
            centred += np.einsum("rij,rj->ri", weights[which.ravel()], centred)
            shift = centred.mean(axis=0)
            mean, centred = mean + shift, centred - shift
            scatter = centred.T @ centred + np.einsum("p,pij->ij", counts.astype(float), left)
            prior = _scaled(correlation, np.diag(scatter) / len(curves))
            covariance = (_PRIOR_WEIGHT * prior + scatter) / (_PRIOR_WEIGHT + len(curves))
            covariance[np.diag_indices_from(covariance)] += _SMALLEST
            if np.abs(shift).max() < _TOLERANCE:
                break
        return cls(mean, covariance, int(known[:, -1].sum()))

    def predict(self, curves: Array) -> tuple[Array, Array]:
        """Return the final value that is expected of each curve, and the deviation; 0 where it is known."""
        known = ~np.isnan(curves)
        patterns, which = np.unique(known, axis=0, return_inverse=True)
        weights, left = _regress(patterns, self.covariance)
        centred = np.where(known, curves - self.mean, 0.0)
        final = np.einsum("rj,rj->r", weights[which.ravel(), -1], centred)
        expected = np.where(known[:, -1], curves[:, -1], self.mean[-1] + final)
        # The mean and the weights are estimates: the fewer whole curves, the less is known.
        doubt = left[which.ravel(), -1, -1] * (1.0 + 4.0 / max(self.count - 2, 1))
        return expected, np.where(known[:, -1], 0.0, np.sqrt(np.maximum(doubt, 0.0)))


def _first_moments(curves: Array) -> tuple[Array, Array]:
    counts = np.maximum((~np.isnan(curves)).sum(axis=0), 1)
    mean = np.nansum(curves, axis=0) / counts
    variance = np.nansum((curves - mean) ** 2, axis=0) / counts
    return mean, np.maximum(variance, max(float(variance.max()) * 1e-3, _SMALLEST))


def _prior_correlation(size: int) -> Array:
    """The nearer two knots are, the more alike: what a curve does next depends on where it is now."""
    places = np.arange(size)
    correlation: Array = np.exp(-np.abs(places[:, None] - places[None, :]) / _MEMORY)
    return correlation


def _scaled(correlation: Array, variance: Array) -> Array:
    deviation = np.sqrt(np.maximum(variance, _SMALLEST))
    scaled: Array = correlation * deviation[:, None] * deviation[None, :]
    return scaled


def _regress(patterns: NDArray[np.bool_], covariance: Array) -> tuple[Array, Array]:
    """Return the weights with which what is known tells what is not, and the covariance that is left of that.

    For each pattern of what is known one matrix of each, 0 where there is nothing to tell.
    """
    one = np.eye(len(covariance))
    rows, columns = patterns[:, :, None], patterns[:, None, :]
    among = np.where(rows & columns, covariance, 0.0) + np.where(rows, 0.0, one)
    between = np.where(rows & ~columns, covariance, 0.0)
    weights = np.linalg.solve(among, between).swapaxes(1, 2)
    left = np.where(~rows & ~columns, covariance - weights @ between, 0.0)
    return weights, left
