"""Whether a trial is worth its remaining steps, or a new one is worth more: a decision about curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from hpotool.search.pruning.curve_model import Array, CurveModel
from hpotool.search.pruning.curves import Curve, Knots, LossScale
from hpotool.study.forecast import Forecast

FEWEST_COMPLETE = 3
_CAUTION = 0.25  # a trial is ended where a step of a new one promises four times as much
_RECENT = 20  # finished trials that show what a new one promises


@dataclass(frozen=True)
class Verdict:
    """What a trial is expected to end with, as a loss, against the best so far, and whether to end it now."""

    step: int
    expected: float
    deviation: float
    best: float
    is_hopeless: bool

    def forecast(self, sign: float) -> Forecast:
        """Return it in the metric's own units; ``sign`` is -1 where more is better."""
        return Forecast(self.step, sign * self.expected, self.deviation, sign * self.best)


@dataclass(frozen=True)
class CurveHistory:
    """What the curves of a study tell about its next ones.

    Attributes:
        promise: the improvement, on the scale, that is expected of a trial that has not begun.
    """

    scale: LossScale
    knots: Knots
    model: CurveModel
    best: float
    promise: float

    @classmethod
    def of(
        cls, finished: Sequence[Curve], running: Sequence[Curve] = (), fewest: int = FEWEST_COMPLETE
    ) -> CurveHistory | None:
        """Learn from finished trials, by number, and running ones; None: too few have completed."""
        complete = [curve for curve in finished if np.isfinite(curve.final) and len(curve.steps)]
        finals = np.asarray([curve.final for curve in complete if curve.counts])
        if len(complete) < max(fewest, 2) or not len(finals):
            return None
        scale, knots = LossScale.of(np.asarray([curve.final for curve in complete])), Knots.of(complete)
        vectors = np.stack([knots.vector(curve, scale) for curve in [*finished, *running]])
        model = CurveModel.fit(vectors)
        best = float(scale.scale(finals.min(keepdims=True))[0])
        promise = _promise(model, vectors[: len(finished)][-_RECENT:], best)
        return cls(scale, knots, model, best, promise)

    def judge(self, curve: Curve) -> Verdict | None:
        """Say how a running trial will end; None: it has reported nothing."""
        vector = self.knots.vector(curve, self.scale)
        if np.isnan(vector).all():
            return None
        expected, deviation = self.model.predict(vector[None, :])
        left = self.knots.share_left(curve.last_step)
        gain = float(expected_improvement(expected, deviation, self.best)[0])
        is_hopeless = left > 0 and gain < _CAUTION * left * self.promise
        ends = self.scale.restore(np.asarray([expected[0], expected[0] + deviation[0], self.best]))
        return Verdict(
            int(curve.last_step), float(ends[0]), float(ends[1] - ends[0]), float(ends[2]), bool(is_hopeless)
        )


def expected_improvement(expected: Array, deviation: Array, best: float) -> Array:
    """Return by how much less than ``best`` is expected of Student's distribution: ∫ (best - y)⁺ p(y) dy.

    Curves are not quite normal, and one that is unlike all others must not seem impossible: 4 degrees of freedom.
    """
    deviation = np.maximum(deviation, 1e-9)
    place = (best - expected) / deviation
    density = 0.375 * (1.0 + place**2 / 4.0) ** -2.5
    gain: Array = deviation * (place * stdtr(4.0, place) + (4.0 + place**2) / 3.0 * density)
    return gain


def _promise(model: CurveModel, recent: Array, best: float) -> float:
    expected, deviation = model.predict(recent)
    spread = np.sqrt(expected.var() + np.mean(deviation**2))
    return float(expected_improvement(expected.mean(keepdims=True), spread[None], best)[0])
