"""Values of one metric as losses for a model, and back: a predicted difference has the metric's units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpotool.search.losses import centre_and_spread
from hpotool.search.models.unit_cube import Array

_FARTHEST = 1e12
_LARGEST_LOG = 40.0  # what no value was ever as bad as has no need of a larger number


@dataclass(frozen=True)
class LossScale:
    """Straight on the good side of the median, logarithmic on the bad one: how bad a value is hardly matters.

    `compressed_losses`, which the sampler uses, also compresses what is far better than the rest. That cannot be
    undone without making a small error of the model a large one, so it is left out here.
    """

    median: float
    spread: float
    mean: float
    deviation: float

    @staticmethod
    def of(halved: Array) -> LossScale:
        """Return the scale on which these values, which `halved_values` gives, have mean 0 and deviation 1."""
        median, spread = centre_and_spread(halved)
        bent = _bend((halved - median) / spread)
        return LossScale(median, spread, float(bent.mean()), max(float(bent.std()), 1e-12))

    def to_losses(self, halved: Array) -> Array:
        """Return the values as losses."""
        losses: Array = (_bend((halved - self.median) / self.spread) - self.mean) / self.deviation
        return losses

    def difference(self, worse: Array, better: Array) -> Array:
        """Return how far apart two losses are in the metric's units, twice the halves; never infinite."""
        with np.errstate(over="ignore"):
            apart = (self._straighten(worse) - self._straighten(better)) * self.spread * 2.0
        held: Array = np.clip(apart, -np.finfo(float).max, np.finfo(float).max)
        return held

    def _straighten(self, losses: Array) -> Array:
        bent = losses * self.deviation + self.mean
        return np.where(bent > 0, np.expm1(np.clip(bent, 0.0, _LARGEST_LOG)), bent)


def _bend(scaled: Array) -> Array:
    with np.errstate(over="ignore"):
        held = np.clip(scaled, -_FARTHEST, _FARTHEST)
    return np.where(held > 0, np.log1p(np.maximum(held, 0.0)), held)
