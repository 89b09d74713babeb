"""Where something is allowed, or does not fail: a probability for each point.

A Gaussian process for each constraint, as in Gardner et al. 2014 (section 3.2), and one for failures, whose two
labels it takes for measurements: what Gelbart, Snoek & Adams 2014 do with a latent process, without its
approximations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import log_ndtr

from hpotool.search.models.gaussian_process import GaussianProcess
from hpotool.search.models.unit_cube import Array, Flags, UnitCube

# An infeasible trial has measured something, a failed one nothing but that it fails. The best points often lie
# along the edge: with the plain probability nine in ten proposals failed there, with these less than half as
# many, at no loss of value.
_CAUTION = 6.0  # the power that the probability of success is raised to
_MARGIN = 10.0  # standard deviations for each failure among the recent trials, as a share
# In nats, how much better a model must foretell failures than their share does before it counts at all, and how
# much more before it counts in full. Labels without a pattern reach 3 to 5, as the model was fitted to them;
# thirty points on two sides of an edge 8 to 20.
_LUCK, _ENOUGH_EVIDENCE = 4.0, 4.0


class Boundary:
    """Where a quantity is zero or less, from what was measured of it.

    Args:
        caution: the power that the probability is raised to.
        margin: how many standard deviations it must be below zero to be half as likely to be so.
        needs_evidence: the plain probability is taken where the model does not foretell what was left out of it.
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
        # How far beyond is compressed: whether it is beyond matters.
        with np.errstate(over="ignore"):
            compressed = np.arcsinh(np.clip(quantities / scale, -1e9, 1e9))
        mean, deviation = float(compressed.mean()), max(float(compressed.std()), 1e-9)
        self._limit = -mean / deviation
        self._model = GaussianProcess(points, (compressed - mean) / deviation, is_choice)
        trust = self._measure_evidence() if needs_evidence else 1.0
        self._caution, self._margin = 1.0 + (caution - 1.0) * trust, margin * trust

    def log_probability(self, points: Array) -> Array:
        """Return the logarithm of the probability that the quantity is zero or less."""
        expected, deviation = self._model.predict(points)
        probability: Array = self._caution * log_ndtr((self._limit - expected) / deviation - self._margin)
        return probability

    def _measure_evidence(self) -> float:
        """Return how much better, from 0 to 1, the side of each point is foretold from the others than by the
        share of points on that side."""
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
    """Return a boundary for each constraint that some point has not met.

    Of a constraint that is told only where it is violated (memory that ran out), the other points count as met.
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
    """Return where trials do not fail, from points at which they have not and at which they have.

    The more of the recent ones failed, as a share, the farther from the edge it stays: where few do, it is
    approached again. Failures that do not depend on the parameters show no pattern, and change no choice.
    """
    labels = np.append(np.full(len(succeeded), -1.0), np.full(len(failed), 1.0))
    points = np.vstack([succeeded, failed])
    margin = _MARGIN * recent_failures
    return Boundary(points, labels, cube.is_choice, caution=_CAUTION, margin=margin, needs_evidence=True)
