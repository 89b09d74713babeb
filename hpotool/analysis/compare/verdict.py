"""Is the new point better than the old one? Decided from measurements of both, and "cannot tell" where they do not
say. Pure.

Promise: one lucky value never wins. A search's best was picked because its value was good, so the value that it
was picked for is left out where others of the same point exist.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Any, Literal

from scipy import stats

from hpotool.study.wording import count_of

Word = Literal["better", "worse", "equal", "cannot tell"]
FEWEST = 2  # measurements of a point whose scatter is to be known


@dataclass(frozen=True)
class Measured:
    """What is known of one point.

    Attributes:
        values: in the order of the trials; the first is the one that the point was picked for.
        where: the study that measured them.
        is_confirmed: they are replicates, and the point was picked for none of them.
    """

    values: tuple[float, ...]
    where: str = ""
    is_confirmed: bool = False

    @property
    def unbiased(self) -> tuple[float, ...]:
        """The values without the one that the point was picked for, where enough others exist."""
        return self.values[1:] if len(self.values) > FEWEST and not self.is_confirmed else self.values


@dataclass(frozen=True)
class Verdict:
    """What follows.

    Attributes:
        difference: the new mean less the old one; None where one is missing.
        interval: of the difference, at ``confidence``; None where the scatter is not known.
    """

    word: Word
    sentence: str
    difference: float | None = None
    interval: tuple[float, float] | None = None
    confidence: float = 0.95
    old: Measured | None = None
    new: Measured | None = None

    @property
    def is_better(self) -> bool:
        """Whether the new point may be shipped."""
        return self.word == "better"

    def as_data(self) -> dict[str, Any]:
        """Return the verdict as JSON data."""
        return {
            "verdict": self.word,
            "sentence": self.sentence,
            "difference": self.difference,
            "interval": None if self.interval is None else list(self.interval),
            "confidence": self.confidence,
            "old": _as_data(self.old),
            "new": _as_data(self.new),
        }


def _as_data(found: Measured | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"values": list(found.values), "study": found.where, "confirmed": found.is_confirmed}


def cannot_tell(reason: str, confidence: float = 0.95) -> Verdict:
    """Return the verdict where nothing can be computed."""
    return Verdict("cannot tell", f"cannot tell: {reason}", confidence=confidence)


def judge(
    old: Measured, new: Measured, *, sign: float, confidence: float = 0.95, is_deterministic: bool = False
) -> Verdict:
    """Return whether the new point is better.

    Args:
        sign: what the metric is multiplied with so that lower is better.
        confidence: of the two-sided interval of the difference (Welch 1947), which must lie on one side of zero.
        is_deterministic: equal points have given equal values, so one value of each is enough.
    """
    if not all(map(math.isfinite, (*old.values, *new.values))):
        return cannot_tell("a value is not finite", confidence)
    if is_deterministic and len(set(old.values)) == len(set(new.values)) == 1:
        return _exact(old, new, sign, confidence)
    few = [name for name, one in (("old", old), ("new", new)) if len(one.values) < FEWEST]
    if few:
        points = " and the ".join(f"{name} best" for name in few)
        verb = "was" if len(few) == 1 else "were each"
        return Verdict(
            "cannot tell",
            f"cannot tell: the {points} {verb} measured once, and one value may be luck",
            fmean(new.values) - fmean(old.values),
            confidence=confidence,
            old=old,
            new=new,
        )
    return _compare(old, new, sign, confidence)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Return the interval of a mean (Student's t); None of fewer than two values, or of infinite ones."""
    if len(values) < FEWEST or not all(map(math.isfinite, values)):
        return None
    reach = _quantile(len(values) - 1, confidence) * math.sqrt(variance(values) / len(values))
    return fmean(values) - reach, fmean(values) + reach


def _exact(old: Measured, new: Measured, sign: float, confidence: float) -> Verdict:
    difference = new.values[0] - old.values[0]
    word: Word = "equal" if difference == 0 else "better" if sign * difference < 0 else "worse"
    sentence = f"{word}: {new.values[0]:.6g} against {old.values[0]:.6g}, and equal points give equal values here"
    return Verdict(word, sentence, difference, (difference, difference), confidence, old, new)


def _compare(old: Measured, new: Measured, sign: float, confidence: float) -> Verdict:
    before, after = old.unbiased, new.unbiased
    difference = fmean(after) - fmean(before)
    low, high = _welch(before, after, confidence)
    word: Word = "cannot tell"
    if low == high == 0:
        word = "equal"
    elif sign * low < 0 and sign * high < 0:
        word = "better"
    elif sign * low > 0 and sign * high > 0:
        word = "worse"
    sentence = (
        f"{word}: {fmean(after):.6g} ({count_of(len(after), 'value')}) "
        f"against {fmean(before):.6g} ({count_of(len(before), 'value')}), "
        f"a difference of {difference:+.4g} [{low:+.4g}, {high:+.4g}] at {confidence:.0%}"
    )
    return Verdict(word, sentence, difference, (low, high), confidence, old, new)


def _welch(before: Sequence[float], after: Sequence[float], confidence: float) -> tuple[float, float]:
    """Return the interval of the difference of two means; the variances may differ."""
    difference = fmean(after) - fmean(before)
    parts = [variance(one) / len(one) for one in (before, after)]
    total = sum(parts)
    if total == 0:
        return difference, difference
    degrees = total**2 / sum(part**2 / (len(one) - 1) for part, one in zip(parts, (before, after), strict=True))
    reach = _quantile(degrees, confidence) * math.sqrt(total)
    return difference - reach, difference + reach


def _quantile(degrees: float, confidence: float) -> float:
    return float(stats.t.ppf(0.5 + confidence / 2, degrees))
