"""Learning curves as vectors of equal length, on a scale on which the good ones differ and the bad ones do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpotool.search.pruning.curve_model import Array

_MOST_KNOTS = 12
_WORST, _BEST = 6.0, -6.0  # of scaled losses
_FARTHEST = 1e290  # of losses: what is beyond would overflow


@dataclass(frozen=True)
class Curve:
    """What a trial reported, by step, as losses; ``final`` is the loss that it ended with, NaN: there is none yet.

    ``counts`` says whether it may be the best: it completed, and meets every constraint.
    """

    steps: Array
    losses: Array
    final: float = np.nan
    counts: bool = False

    @classmethod
    def of(
        cls, reports: Mapping[int, float], sign: float, final: float | None = None, *, counts: bool = False
    ) -> Curve:
        """Sort the reports of a trial; ``sign`` is -1 where more is better. What is not finite was not seen, but
        for an infinite loss, which is as bad as can be."""
        ordered = sorted(reports.items())
        steps = np.asarray([step for step, _ in ordered], dtype=float)
        losses = np.asarray([value for _, value in ordered], dtype=float) * sign
        losses[np.isneginf(losses)] = np.nan
        return cls(steps, losses, np.nan if final is None else final * sign, counts)

    @property
    def last_step(self) -> float:
        """The highest step; NaN without a report."""
        return float(self.steps[-1]) if len(self.steps) else np.nan


@dataclass(frozen=True)
class LossScale:
    """Loss ↔ scaled loss: 0 at the median of the final ones, 1 below it the best tenth. Above 0 it is a logarithm:
    how bad something is hardly matters."""

    middle: float
    width: float

    @classmethod
    def of(cls, finals: Array) -> LossScale:
        """Scale by final losses, of which one is finite."""
        finite = np.clip(finals[np.isfinite(finals)], -_FARTHEST, _FARTHEST)
        middle, good = float(np.median(finite)), float(np.quantile(finite, 0.1))
        smallest = max(float(np.abs(finite).max()) * 1e-9, 1e-300)
        spread = float(np.abs(finite - middle).mean())
        return cls(middle, max(middle - good, 0.05 * spread, smallest))

    def scale(self, losses: Array) -> Array:
        """Return the scaled losses."""
        distance = (np.clip(losses, -_FARTHEST, _FARTHEST) - self.middle) / self.width
        scaled = np.where(distance > 0, np.log1p(np.maximum(distance, 0.0)), distance)
        clipped: Array = np.clip(scaled, _BEST, _WORST)
        return clipped

    def restore(self, scaled: Array) -> Array:
        """Return the losses."""
        distance = np.where(scaled > 0, np.expm1(np.maximum(scaled, 0.0)), scaled)
        losses: Array = self.middle + distance * self.width
        return losses


@dataclass(frozen=True)
class Knots:
    """The ends of a few intervals of steps, which grow from the first step on.

    Attributes:
        ends: of the intervals.
        first: the first step that there is.
        length: how many steps a whole trial has.
    """

    ends: Array
    first: float
    length: float

    @classmethod
    def of(cls, complete: Sequence[Curve]) -> Knots:
        """Lay them where whole trials reported."""
        firsts = [curve.steps[0] for curve in complete if len(curve.steps)]
        lasts = [curve.last_step for curve in complete if len(curve.steps)]
        first, last = float(min(firsts)), float(max(lasts))
        length = float(np.median(lasts)) - first + 1.0
        seen = np.unique(np.concatenate([curve.steps for curve in complete]))
        ends = np.unique(np.round(np.geomspace(1.0, last - first + 1.0, _MOST_KNOTS)) + first - 1.0)
        # An interval in which nobody reports would be a column without a number.
        kept = np.unique(np.searchsorted(ends, seen))
        return cls(ends[kept], first, length)

    def share_left(self, step: float) -> float:
        """Return which share of a whole trial is ahead after a step; 0 where none is."""
        return max(0.0, 1.0 - (step - self.first + 1.0) / self.length)

    def vector(self, curve: Curve, scale: LossScale) -> Array:
        """Return the mean of what was reported in each interval, and the final value."""
        vector = np.full(len(self.ends) + 1, np.nan)
        seen = ~np.isnan(curve.losses)
        places = np.searchsorted(self.ends, curve.steps[seen])
        inside = places < len(self.ends)  # a longer trial than any whole one
        sums = np.bincount(places[inside], scale.scale(curve.losses[seen][inside]), len(self.ends))
        counts = np.bincount(places[inside], minlength=len(self.ends))
        reached = counts > 0
        vector[:-1][reached] = sums[reached] / counts[reached]
        if not np.isnan(curve.final):
            vector[-1] = scale.scale(np.asarray([curve.final]))[0]
        return vector
