"""Functional ANOVA with kernels: a function of several parameters as a sum of one part for each parameter and one
for each pair of them.

Each parameter's kernel has mean zero over its range (Durrande, Ginsbourger, Roustant and Carraro, JMVA 2013), so
the parts of the fitted function are orthogonal and their variances add up. The kernels' weights come from multiple
kernel learning: each in proportion to the norm of its part (Bach, JMLR 2008; Xu et al., ICML 2010), which leaves
little to a column that explains nothing. The share of noise is where the marginal likelihood is highest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GRID = (np.arange(32) + 0.5) / 32  # where a number's mean is taken
_LENGTH = 0.3  # of a number's range, over which values resemble each other
_PAIRS = 0.5  # what a pair weighs beside two parameters by themselves
_NOISES = np.asarray([0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0])
_ROUNDS = 2  # of finding weights
_LEAST_WEIGHT = 1e-4


@dataclass(frozen=True)
class Column:
    """One parameter over all trials.

    Attributes:
        values: from 0 to 1, or the number of a choice; NaN where the parameter does not exist.
        choices: how many there are; 0 of a number.
    """

    values: Array
    choices: int = 0

    @property
    def gram(self) -> Array:
        """The kernel between the trials."""
        return centred(self.values, self.values, self.choices)

    @property
    def grid(self) -> Array:
        """The kernel between points spread evenly over the range and the trials."""
        points = np.arange(self.choices, dtype=float) if self.choices else _GRID
        return centred(points, self.values, self.choices)


@dataclass(frozen=True)
class Fit:
    """A fitted function: a weight for each parameter's kernel, and one for each trial."""

    weights: Array
    coefficients: Array
    mean: float

    def parts(self, covariances: Sequence[Array]) -> Array:
        """Return the variance that each parameter has a part in, alone and in pairs, over the whole space."""
        alone = [
            weight**2 * self._norm(one) for weight, one in zip(self.weights, covariances, strict=True)
        ]  # fmt: skip
        found = np.asarray(alone)
        for left in range(len(alone)):
            for right in range(left):
                weight = _PAIRS * self.weights[left] * self.weights[right]
                found[[left, right]] += weight**2 * self._norm(covariances[left] * covariances[right])
        return found

    def predict(self, kernels: Sequence[Array]) -> Array:
        """Return the function at new points, given each parameter's kernel between them and the trials."""
        return self.mean + _join(np.asarray(kernels), self.weights) @ self.coefficients

    def _norm(self, covariance: Array) -> float:
        return max(0.0, float(self.coefficients @ covariance @ self.coefficients))


def centred(left: Array, right: Array, choices: int) -> Array:
    """Return one parameter's kernel between values: mean zero over the range, and 0 where one is absent."""
    kernel, left_mean, right_mean, mean = _kernel(left, right, choices)
    centred_kernel = (kernel - np.outer(left_mean, right_mean) / mean) / (1.0 - mean if mean < 1.0 else 1.0)
    return np.where(np.isnan(left)[:, None] | np.isnan(right)[None, :], 0.0, centred_kernel)


def covariance_of(grid: Array) -> Array:
    """Return how the kernel functions of the trials vary together over the range."""
    return np.asarray(grid.T @ grid / len(grid))


def fit(kernels: Array, targets: Array, counts: Array | None = None) -> Fit:
    """Return the function that explains the targets.

    Args:
        kernels: one for each parameter, trials × trials.
        counts: how often each trial was drawn; once, by default.
    """
    drawn = np.ones(len(targets)) if counts is None else counts
    mean = float(np.average(targets, weights=drawn))
    weights = np.full(len(kernels), 1.0 / len(kernels))
    for _ in range(_ROUNDS):
        norms = _norms(kernels, weights, _solve(_join(kernels, weights), targets - mean, drawn))
        weights = norms / max(float(norms.sum()), 1e-300) + _LEAST_WEIGHT
    return Fit(weights, _solve(_join(kernels, weights), targets - mean, drawn), mean)


def _kernel(left: Array, right: Array, choices: int) -> tuple[Array, Array, Array, float]:
    if choices:
        equal = (left[:, None] == right[None, :]).astype(float)
        return equal, np.full(len(left), 1.0 / choices), np.full(len(right), 1.0 / choices), 1.0 / choices
    known_left, known_right = np.nan_to_num(left), np.nan_to_num(right)
    means = [_gauss(one, _GRID).mean(axis=1) for one in (known_left, known_right)]
    return _gauss(known_left, known_right), means[0], means[1], float(_gauss(_GRID, _GRID).mean())


def _gauss(left: Array, right: Array) -> Array:
    return np.asarray(np.exp(-0.5 * ((left[:, None] - right[None, :]) / _LENGTH) ** 2))


def _join(kernels: Array, weights: Array) -> Array:
    """Return one kernel: the weighted sum of all, and of the products of all pairs."""
    weighted = weights[:, None, None] * kernels
    total = weighted.sum(axis=0)
    return np.asarray(total + _PAIRS * 0.5 * (total**2 - (weighted**2).sum(axis=0)))


def _solve(kernel: Array, targets: Array, counts: Array) -> Array:
    """Return each trial's coefficient, with the noise that the marginal likelihood prefers."""
    root = np.sqrt(counts)
    values, vectors = np.linalg.eigh(root[:, None] * kernel * root[None, :])
    values = np.maximum(values, 0.0)
    turned = vectors.T @ (root * targets)
    spread = values[None, :] + _NOISES[:, None]
    likelihood = -0.5 * np.log(spread).sum(axis=1) - 0.5 * len(targets) * np.log(
        np.maximum((turned**2 / spread).mean(axis=1), 1e-300)
    )
    noise = _NOISES[int(np.argmax(likelihood))]
    return np.asarray(root * (vectors @ (turned / (values + noise))))


def _norms(kernels: Array, weights: Array, coefficients: Array) -> Array:
    total = (weights[:, None, None] * kernels).sum(axis=0)

    def norm(weight: Any, kernel: Array) -> float:
        part = kernel * (1.0 + _PAIRS * (total - weight * kernel))
        return float(weight * np.sqrt(max(0.0, coefficients @ part @ coefficients)))

    return np.asarray([norm(weight, kernel) for weight, kernel in zip(weights, kernels, strict=True)])
