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
        difference: the new mean less the old one; None where one is missing, or no float can hold it.
        interval: of the difference, at ``confidence``; None where the scatter is not known, or likewise.
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
            _if_finite(_mean(new.values) - _mean(old.values)),
            confidence=confidence,
            old=old,
            new=new,
        )
    return _compare(old, new, sign, confidence)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Return the interval of a mean (Student's t); None of fewer than two values, or of infinite ones."""
    if len(values) < FEWEST or not all(map(math.isfinite, values)):
        return None
    power = _power(values)
    small = _shifted(values, -power)
    reach = _quantile(len(values) - 1, confidence) * math.sqrt(variance(small) / len(small))
    low, high = _shifted((fmean(small) - reach, fmean(small) + reach), power)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _exact(old: Measured, new: Measured, sign: float, confidence: float) -> Verdict:
    difference = new.values[0] - old.values[0]
    word: Word = "equal" if difference == 0 else "better" if sign * difference < 0 else "worse"
    sentence = f"{word}: {new.values[0]:.6g} against {old.values[0]:.6g}, and equal points give equal values here"
    interval = (difference, difference) if math.isfinite(difference) else None
    return Verdict(word, sentence, _if_finite(difference), interval, confidence, old, new)


def _compare(old: Measured, new: Measured, sign: float, confidence: float) -> Verdict:
    before, after = old.unbiased, new.unbiased
    power = _power((*before, *after))
    bounds = _welch(_shifted(before, -power), _shifted(after, -power), confidence)
    difference, low, high = _shifted(bounds, power)
    _, lowest, highest = bounds
    word: Word = "cannot tell"
    if lowest == highest == 0:
        word = "equal"
    elif sign * lowest < 0 and sign * highest < 0:
        word = "better"
    elif sign * lowest > 0 and sign * highest > 0:
        word = "worse"
    sentence = (
        f"{word}: {_mean(after):.6g} ({len(after)} values) against {_mean(before):.6g} ({len(before)} values), "
        f"a difference of {difference:+.4g} [{low:+.4g}, {high:+.4g}] at {confidence:.0%}"
    )
    interval = (low, high) if math.isfinite(low) and math.isfinite(high) else None
    return Verdict(word, sentence, _if_finite(difference), interval, confidence, old, new)


def _welch(before: Sequence[float], after: Sequence[float], confidence: float) -> tuple[float, float, float]:
    """Return the difference of two means, and its interval; the variances may differ."""
    difference = fmean(after) - fmean(before)
    parts = [variance(one) / len(one) for one in (before, after)]
    total = sum(parts)
    if total == 0:
        return difference, difference, difference
    shares = [part / total for part in parts]
    degrees = 1 / sum(share**2 / (len(one) - 1) for share, one in zip(shares, (before, after), strict=True))
    reach = _quantile(degrees, confidence) * math.sqrt(total)
    return difference, difference - reach, difference + reach


def _power(values: Sequence[float]) -> int:
    """Return the power of two above the largest one: divided by it, no square is too large or too small."""
    return math.frexp(max(map(abs, values)))[1]


def _shifted(values: Sequence[float], power: int) -> tuple[float, ...]:
    """Return the values times a power of two, which is exact; infinite where no float holds them."""
    return tuple(_shift(value, power) for value in values)


def _shift(value: float, power: int) -> float:
    try:
        return math.ldexp(value, power)
    except OverflowError:
        return math.copysign(math.inf, value)


def _mean(values: Sequence[float]) -> float:
    power = _power(values)
    return _shift(fmean(_shifted(values, -power)), power)


def _if_finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _quantile(degrees: float, confidence: float) -> float:
    return float(stats.t.ppf(0.5 + confidence / 2, degrees))
