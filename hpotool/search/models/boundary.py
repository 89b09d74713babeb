"""The probability that a point is feasible or does not fail.

Uses a Gaussian process for each constraint, as in Gardner et al. 2014 (section 3.2), and one for failures, which
treats the two labels as measurements: similar to Gelbart, Snoek & Adams 2014, but without their latent process and
its approximations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import log_ndtr

from hpotool.search.models.gaussian_process import GaussianProcess
from hpotool.search.models.unit_cube import Array, Flags, UnitCube

# An infeasible trial has a measurement, while a failed one shows only that it fails. The best points often lie
# along the edge: with the plain probability, nine in ten proposals failed there; with these settings less than
# half as many, without worse values.
_CAUTION = 6.0  # the power to which the probability of success is raised
_MARGIN = 10.0  # standard deviations per unit of the recent failure rate
# How much better, in nats, a model must predict failures than their overall rate before it counts at all, and how
# much more before it counts fully. Labels without a pattern reach 3 to 5, because the model was fitted to them;
# thirty points on two sides of an edge reach 8 to 20.
_LUCK, _ENOUGH_EVIDENCE = 4.0, 4.0
# Below that evidence, no point is less likely to succeed than one in three: Laplace's rule after a single failure.
# One crash would otherwise rule out all points with its choice for good; a second one there proves the pattern.
_UNPROVEN = float(np.log(1 / 3))


class Boundary:
    """Predicts where a quantity is zero or less, from its measurements.

    Args:
        caution: the power to which the probability is raised.
        margin: the number of standard deviations below zero at which the probability is one half.
        needs_evidence: if the model does not predict points that were left out of it, use the plain probability,
            and at least one third.
    """

    def __init__(
        self,
        points: Array,
        quantities: Array,
        is_choice: Flags,
        *,
        caution: float = 1.0,
        margin: float = 0.0,
        needs_evidence: bool = False,
    ) -> None:
        sizes = np.abs(quantities[np.isfinite(quantities) & (quantities != 0)])
        scale = float(np.median(sizes)) if len(sizes) else 1.0
        # Large quantities are compressed, because only the sign matters.
        with np.errstate(over="ignore"):
            compressed = np.arcsinh(np.clip(quantities / scale, -1e9, 1e9))
        mean, deviation = float(compressed.mean()), max(float(compressed.std()), 1e-9)
        self._limit = -mean / deviation
        self._model = GaussianProcess(points, (compressed - mean) / deviation, is_choice)
        trust = self._measure_evidence() if needs_evidence else 1.0
        self._caution, self._margin = 1.0 + (caution - 1.0) * trust, margin * trust
        self._floor = _UNPROVEN / (1.0 - trust) if trust < 1.0 else -np.inf

    def log_probability(self, points: Array) -> Array:
        """Return the logarithm of the probability that the quantity is zero or less."""
        expected, deviation = self._model.predict(points)
        probability: Array = self._caution * log_ndtr((self._limit - expected) / deviation - self._margin)
        return np.maximum(probability, self._floor)

    def _measure_evidence(self) -> float:
        """Return how much better, from 0 to 1, the side of each point is predicted from the other points than by
        the share of points on that side."""
        measured, expected, deviation = self._model.predict_left_out()
        is_beyond = measured > self._limit
        share = is_beyond.mean()
        if not 0 < share < 1:
            return 1.0
        by_share = float(np.log(np.where(is_beyond, share, 1.0 - share)).sum())
        distance = (expected - self._limit) / deviation
        by_model = float(log_ndtr(np.where(is_beyond, distance, -distance)).sum())
        return min(max((by_model - by_share - _LUCK) / _ENOUGH_EVIDENCE, 0.0), 1.0)


def constraint_boundaries(
    cube: UnitCube, points: Array, constraints: Sequence[Mapping[str, float]]
) -> list[Boundary]:
    """Return a boundary for each constraint that some point has violated.

    For a constraint that is only reported when violated (out of memory), the other points count as meeting it.
    """
    names = dict.fromkeys(name for met in constraints for name in met)
    boundaries = []
    for name in names:
        quantities = np.asarray([met.get(name, np.nan) for met in constraints], dtype=float)
        if not (quantities > 0).any():
            continue
        if not (quantities <= 0).any():
            quantities = np.where(np.isnan(quantities), -float(np.nanmedian(quantities)), quantities)
        known = ~np.isnan(quantities)
        boundaries.append(Boundary(points[known], quantities[known], cube.is_choice))
    return boundaries


def failure_boundary(cube: UnitCube, succeeded: Array, failed: Array, recent_failures: float) -> Boundary:
    """Return the boundary of failures, from points at which trials succeeded and failed.

    The higher the recent failure rate, the farther the search stays from the edge; if few trials fail, it
    approaches the edge again. Failures that do not depend on the parameters show no pattern and do not change the
    choice.
    """
    labels = np.append(np.full(len(succeeded), -1.0), np.full(len(failed), 1.0))
    points = np.vstack([succeeded, failed])
    margin = _MARGIN * recent_failures
    return Boundary(points, labels, cube.is_choice, caution=_CAUTION, margin=margin, needs_evidence=True)
