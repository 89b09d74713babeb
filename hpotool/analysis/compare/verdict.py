"""Is the new point better than the old one? Decided from measurements of both, and "cannot tell" where they do not
say. Pure.

Promise: one lucky value never wins. A search's best was picked because its value was good, so the value that it
was picked for is left out where others of the same point exist. The best of several confirmed points was picked by
its replicates; the interval is wider by as much (Bonferroni). Values that happen to be equal prove no certainty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean, variance
from typing import Any, Literal

from scipy import stats

from hpotool.analysis.results import json_data
from hpotool.study.wording import count_of

Word = Literal["better", "worse", "equal", "cannot tell"]
FEWEST = 2  # measurements of a point whose scatter is to be known
_FEWEST_PAIRS = 3
_FEWEST_EQUAL = 4  # equal values of each point, from which on that is no chance


@dataclass(frozen=True)
class Measured:
    """What is known of one point.

    Attributes:
        values: in the order of the trials; the first is the one that the point was picked for.
        where: the study that measured them.
        is_confirmed: they are replicates, and the point was not picked for a single one of them.
        seeds: of replicates, the seed's number of each; those of one study are paired by it.
        picked_from: of how many confirmed points this is the best.
    """

    values: tuple[float, ...]
    where: str = ""
    is_confirmed: bool = False
    seeds: tuple[int, ...] = ()
    picked_from: int = 1

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
            "difference": json_data(self.difference),
            "interval": json_data(self.interval),
            "confidence": self.confidence,
            "old": _as_data(self.old),
            "new": _as_data(self.new),
        }


def _as_data(found: Measured | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"values": json_data(found.values), "study": found.where, "confirmed": found.is_confirmed}


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
            _mean(new.values) - _mean(old.values),
            confidence=confidence,
            old=old,
            new=new,
        )
    return _compare(old, new, sign, confidence)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Return the interval of a mean (Student's t); None of fewer than two values, or without a finite one."""
    if len(values) < FEWEST or not all(map(math.isfinite, values)):
        return None
    reach = _quantile(len(values) - 1, confidence) * _deviation(values) / math.sqrt(len(values))
    return _if_finite(_mean(values) - reach, _mean(values) + reach)


def _exact(old: Measured, new: Measured, sign: float, confidence: float) -> Verdict:
    difference = new.values[0] - old.values[0]
    word: Word = "equal" if difference == 0 else "better" if sign * difference < 0 else "worse"
    sentence = f"{word}: {new.values[0]:.6g} against {old.values[0]:.6g}, and equal points give equal values here"
    return Verdict(word, sentence, difference, (difference, difference), confidence, old, new)


def _compare(old: Measured, new: Measured, sign: float, confidence: float) -> Verdict:
    before, after = old.unbiased, new.unbiased
    pairs = _pair(old, new)
    if pairs:
        before, after = (tuple(column) for column in zip(*pairs, strict=True))
    difference = _mean(after) - _mean(before)
    if _vary_too_little(before, after) and difference:
        reason = "all values of each point are equal, and so few do not say how much they vary"
        return replace(cannot_tell(reason, confidence), difference=difference, old=old, new=new)
    level = 1 - (1 - confidence) / new.picked_from
    reach = (_reach_of_pairs if pairs else _reach_of_welch)(before, after, level)
    low, high = difference - reach, difference + reach
    word: Word = "cannot tell"
    if low == high == 0:
        word = "equal"
    elif sign * low < 0 and sign * high < 0:
        word = "better"
    elif sign * low > 0 and sign * high > 0:
        word = "worse"
    how = (", seed by seed" if pairs else "") + (
        f", as the best of {new.picked_from}" if new.picked_from > 1 else ""
    )
    sentence = (
        f"{word}: {_mean(after):.6g} ({count_of(len(after), 'value')}) "
        f"against {_mean(before):.6g} ({count_of(len(before), 'value')}), "
        f"a difference of {difference:+.4g} [{low:+.4g}, {high:+.4g}] at {100 * confidence:g}%{how}"
    )
    finite = difference if math.isfinite(difference) else None
    return Verdict(word, sentence, finite, _if_finite(low, high), confidence, old, new)


def _if_finite(low: float, high: float) -> tuple[float, float] | None:
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _pair(old: Measured, new: Measured) -> list[tuple[float, float]]:
    """Return the values of the same seeds in the same study; none where there are too few."""
    if old.where != new.where:
        return []
    before: Mapping[int, float] = dict(zip(old.seeds, old.values, strict=False))
    after: Mapping[int, float] = dict(zip(new.seeds, new.values, strict=False))
    common = sorted(before.keys() & after.keys())
    return [(before[seed], after[seed]) for seed in common] if len(common) >= _FEWEST_PAIRS else []


def _vary_too_little(before: Sequence[float], after: Sequence[float]) -> bool:
    return len(set(before)) == len(set(after)) == 1 and min(len(before), len(after)) < _FEWEST_EQUAL


def _reach_of_pairs(before: Sequence[float], after: Sequence[float], confidence: float) -> float:
    """Return half the interval of the mean difference of pairs (Student's t)."""
    differences = [new - old for old, new in zip(before, after, strict=True)]
    return _quantile(len(differences) - 1, confidence) * _deviation(differences) / math.sqrt(len(differences))


def _reach_of_welch(before: Sequence[float], after: Sequence[float], confidence: float) -> float:
    """Return half the interval of the difference of two means; the variances may differ."""
    errors = [_deviation(one) / math.sqrt(len(one)) for one in (before, after)]
    largest = max(errors)
    if largest == 0 or math.isinf(largest):
        return largest
    parts = [(error / largest) ** 2 for error in errors]
    degrees = sum(parts) ** 2 / sum(
        part**2 / (len(one) - 1) for part, one in zip(parts, (before, after), strict=True)
    )
    return _quantile(degrees, confidence) * math.sqrt(sum(parts)) * largest


def _mean(values: Sequence[float]) -> float:
    """Return the mean, of the largest floats too."""
    return mean(values)  # exact before it is rounded


def _deviation(values: Sequence[float]) -> float:
    """Return the standard deviation; infinite where it is larger than any float."""
    largest = max(map(abs, values)) or 1.0
    return math.sqrt(variance([value / largest for value in values])) * largest


def _quantile(degrees: float, confidence: float) -> float:
    return float(stats.t.ppf(0.5 + confidence / 2, degrees))
