"""A Gaussian process over points of a unit cube: predicts a metric, with its uncertainty.

The covariance is Matérn 5/2 (Rasmussen & Williams 2006, eq. 4.17) with a length scale per column; two different
choices are one unit apart. Length scales and noise maximise the marginal likelihood (eq. 2.30) times a prior whose
length scales grow with the number of columns (Hvarfner, Hellsten & Nardi 2024, arXiv 2402.02229, eq. 3).
"""

from __future__ import annotations

import copy

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from hpotool.search.models.unit_cube import Array, Flags

_ROOT_5 = 5.0**0.5
_JITTER = 1e-8  # keeps the covariance of two equal points invertible
_ITERATIONS = 15  # iterations of L-BFGS; the gain from more was within the noise of the benchmark

# The prior: normal distributions of the logarithm of a length scale, and of the noise's share of the variance. The
# paper's mean is higher by √2 + 0.7, which suits a cube that is searched more sparsely. Under noise, a longer
# prior makes the fit mistake signal for noise.
_LOG_LENGTH_OFFSET = -0.7
_LOG_LENGTH_DEVIATION = 1.2
_LOG_NOISE_MEAN, _LOG_NOISE_DEVIATION = -6.0, 2.0


class GaussianProcess:
    """A Gaussian process fitted to standardised losses at some points.

    Everything is in units of the given losses; the prior expects mean 0 and deviation 1. Equal points are
    replicates: their mean, which has less noise, is used, and their scatter informs the noise.
    """

    def __init__(self, points: Array, losses: Array, is_choice: Flags) -> None:
        self._is_choice = is_choice
        self._points, self._losses, self._counts, self._scatter = merge_replicates(points, losses)
        self._weights, self._noise = _fit(
            squared_distances(self._points, self._points, is_choice), self._losses, self._counts, self._scatter
        )
        self._solve()
        self._variance = self._best_variance()

    @property
    def noise_share(self) -> float:
        """The share of the variance of one measurement that is noise."""
        return self._noise / (1.0 + self._noise)

    def believe(self, points: Array) -> None:
        """Continue as if the predicted losses had been measured at ``points``.

        The "kriging believer" of Ginsbourger, Le Riche & Carraro (2010): predictions do not change, but the model
        is certain at points that are being measured, so that no other worker is sent there.
        """
        if len(points):
            expected = self._covariance(points) @ self._solution
            self._points = np.vstack([self._points, points])
            self._losses = np.append(self._losses, expected)
            self._counts = np.append(self._counts, np.ones(len(points)))
            self._solve()

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Return the expected loss at each point, and its standard deviation (eq. 2.25 and 2.26)."""
        covariance = self._covariance(points)
        half = solve_triangular(self._factor, covariance.T, lower=True, check_finite=False)
        variance = self._variance * (1.0 - np.einsum("ij,ij->j", half, half))
        return covariance @ self._solution, np.sqrt(np.maximum(variance, 1e-14))

    def draw(self, points: Array, count: int, rng: np.random.RandomState) -> Array:
        """Return joint draws of the loss, without the noise of a measurement: (count, points)."""
        covariance = self._covariance(points)
        half = solve_triangular(self._factor, covariance.T, lower=True, check_finite=False)
        joint = self._covariance(points, points) - half.T @ half
        factor = _root(joint) * np.sqrt(self._variance)
        drawn: Array = covariance @ self._solution + rng.normal(size=(count, len(points))) @ factor.T
        return drawn

    def refitted(self, share: float, rng: np.random.RandomState) -> GaussianProcess:
        """Return a model of the same measurements whose length scales and noise are those of some of them.

        Several of these show how far the length scales are known.
        """
        count = len(self._points)
        rows = rng.permutation(count)[: max(2, round(count * share))]
        kept = self._counts[rows]
        scatter = self._scatter * float((kept - 1).sum() / max((self._counts - 1).sum(), 1.0))
        other = copy.copy(self)
        distances = squared_distances(self._points[rows], self._points[rows], self._is_choice)
        other._weights, other._noise = _fit(distances, self._losses[rows], kept, scatter)
        other._solve()
        other._variance = other._best_variance()
        return other

    def predict_left_out(self) -> tuple[Array, Array, Array]:
        """Return each distinct point's loss, leave-one-out prediction and its standard deviation (eq. 5.12)."""
        inverse = cho_solve((self._factor, True), np.eye(len(self._points)), check_finite=False)
        precision = np.diag(inverse)
        return self._losses, self._losses - self._solution / precision, np.sqrt(self._variance / precision)

    def _solve(self) -> None:
        covariance = self._covariance(self._points)
        covariance.flat[:: len(covariance) + 1] += self._noise / self._counts + _JITTER
        self._factor = cholesky(covariance, lower=True, check_finite=False)
        self._solution = cho_solve((self._factor, True), self._losses, check_finite=False)

    def _best_variance(self) -> float:
        """The best signal variance given the other parameters (Rasmussen & Williams, section 5.4.1, solved)."""
        explained = float(self._losses @ self._solution) + self._scatter / self._noise
        return max(explained / float(self._counts.sum()), 1e-12)

    def _covariance(self, points: Array, others: Array | None = None) -> Array:
        distances = squared_distances(points, self._points if others is None else others, self._is_choice)
        return _matern(np.tensordot(self._weights, distances, 1))[0]


def merge_replicates(points: Array, losses: Array) -> tuple[Array, Array, Array, float]:
    """Return the distinct points in order, the mean loss and the count of each, and the sum of the squared
    deviations from those means."""
    _, first, inverse = np.unique(points, axis=0, return_index=True, return_inverse=True)
    if len(first) == len(points):
        return points, losses, np.ones(len(points)), 0.0
    order = np.argsort(first)
    inverse = np.argsort(order)[inverse.ravel()]
    counts = np.bincount(inverse).astype(float)
    means = np.bincount(inverse, losses) / counts
    return points[first[order]], means, counts, float(((losses - means[inverse]) ** 2).sum())


def squared_distances(left: Array, right: Array, is_choice: Flags) -> Array:
    """Return, per column, the distance of each left point from each right point: (columns, left, right)."""
    squared: Array = left.T[:, :, None] - right.T[:, None, :]
    np.multiply(squared, squared, out=squared)
    squared[is_choice] = squared[is_choice] != 0
    return squared


def _root(covariance: Array) -> Array:
    """Return a triangular root; close points make a covariance singular but for rounding, so a little is added."""
    for jitter in np.geomspace(_JITTER, 1.0, 9):
        try:
            root: Array = cholesky(covariance + jitter * np.eye(len(covariance)), lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            continue
        return root
    raise AssertionError("a covariance has a root, but for rounding")


def _matern(squared: Array) -> tuple[Array, Array]:
    """Return the correlation at a squared distance, and its derivative with respect to it."""
    distance = np.sqrt(np.maximum(squared, 1e-20))
    decay = np.exp(-_ROOT_5 * distance)
    return (1 + _ROOT_5 * distance + 5 / 3 * squared) * decay, -5 / 6 * (1 + _ROOT_5 * distance) * decay


def _fit(distances: Array, losses: Array, counts: Array, scatter: float) -> tuple[Array, float]:
    """Return the weight of each column (its length scale to the power of -2) and the noise.

    ``losses`` are means of ``counts`` measurements, whose squared deviations from them sum to ``scatter``.
    """
    columns, count, total = len(distances), len(losses), float(counts.sum())
    mean = -2.0 * (_LOG_LENGTH_OFFSET + 0.5 * np.log(columns))
    deviation = 2.0 * _LOG_LENGTH_DEVIATION

    def negative_log_posterior(logs: Array) -> tuple[float, Array]:
        weights, noise = np.exp(logs[:-1]), np.exp(logs[-1])
        correlation, slope = _matern(np.tensordot(weights, distances, 1))
        correlation.flat[:: count + 1] += noise / counts + _JITTER
        try:
            factor = cholesky(correlation, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(logs)
        inverse = cho_solve((factor, True), np.eye(count), check_finite=False)
        solution = inverse @ losses
        variance = max((float(losses @ solution) + scatter / noise) / total, 1e-12)
        value = 0.5 * total * np.log(variance) + np.log(np.diag(factor)).sum() + 0.5 * (total - count) * logs[-1]
        value += 0.5 * np.sum(((logs[:-1] - mean) / deviation) ** 2)
        value += 0.5 * ((logs[-1] - _LOG_NOISE_MEAN) / _LOG_NOISE_DEVIATION) ** 2
        # Eq. 5.9, with the best variance substituted.
        sensitivity = inverse - np.outer(solution, solution) / variance
        by_weight = 0.5 * np.tensordot(distances, sensitivity * slope, 2) * weights
        by_weight += (logs[:-1] - mean) / deviation**2
        by_noise = 0.5 * noise * float(np.diag(sensitivity) @ (1.0 / counts)) + 0.5 * (total - count)
        by_noise -= 0.5 * scatter / (noise * variance)
        by_noise += (logs[-1] - _LOG_NOISE_MEAN) / _LOG_NOISE_DEVIATION**2
        return float(value), np.append(by_weight, by_noise)

    found = minimize(
        negative_log_posterior,
        np.append(np.full(columns, mean), _LOG_NOISE_MEAN),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-8.0, 8.0)] * columns + [(-14.0, 1.0)],
        options={"maxiter": _ITERATIONS},
    )
    return np.exp(found.x[:-1]), float(np.exp(found.x[-1]))
