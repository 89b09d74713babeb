"""Where in the search space trials fail: the one condition on one parameter that tells failures best.

Only failures that their parameters caused count: not those that machines, people or a full disk did.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from hpotool.study.outcome import FAILED_ATTRIBUTE
from hpotool.study.wording import plain_cell

MOST_BY_CHANCE = 0.01  # how likely such a condition may be where no parameter matters
_FEWEST_FAILURES = 3
_LOG_SCALE_RATIO = 10.0

Array = np.ndarray[Any, Any]
Comparison = Literal["<=", ">=", "is"]
_Counted = tuple[Comparison, Any, int, int]  # the condition, and of how many that meet it how many failed


@dataclass(frozen=True)
class FailureRegion:
    """The trials that meet ``parameter comparison value`` fail more often than the others.

    Attributes:
        inside, failed_inside: how many trials meet the condition, and how many of these failed.
        outside, failed_outside: the same of the trials that do not.
        by_chance: an upper bound of the probability of such a difference where the parameter does not matter.
    """

    parameter: str
    comparison: Comparison
    value: Any
    failed_inside: int
    inside: int
    failed_outside: int
    outside: int
    by_chance: float

    def as_data(self) -> dict[str, Any]:
        """Return JSON data: the attributes by name."""
        return asdict(self)


def say_region(region: FailureRegion) -> str:
    """Return the condition, and how many trials fail where it holds and where it does not."""
    value = "null" if region.value is None else plain_cell(region.value)
    return (
        f"{region.parameter} {region.comparison} {value}: "
        f"{region.failed_inside} of {region.inside}, elsewhere {region.failed_outside} of {region.outside}"
    )


def find_failure_region(trials: Sequence[FrozenTrial]) -> FailureRegion | None:
    """Return where trials fail, or None where no condition tells failures from successes beyond chance.

    Every threshold of every number, and every choice, is a candidate. The probability of the best one is Fisher's
    exact test's, times the number of candidates (Bonferroni).
    """
    judged = [trial for trial in trials if _has_failed(trial) is not None]
    if sum(_has_failed(trial) is True for trial in judged) < _FEWEST_FAILURES:
        return None
    found, tried = [], 0
    for name in dict.fromkeys(name for trial in judged for name in trial.params):
        having = [trial for trial in judged if name in trial.params]
        failed = np.array([_has_failed(trial) is True for trial in having])
        splits = _splits(name, having, failed)
        tried += len(splits)
        found += [_region(name, split, failed) for split in splits[:1]]
    if not found:
        return None
    best = min(found, key=lambda region: region.by_chance)
    by_chance = best.by_chance * tried
    return replace(best, by_chance=by_chance) if by_chance < MOST_BY_CHANCE else None


class _Split(NamedTuple):
    """A condition and how many trials meet it; sorted, the one that tells failures best comes first."""

    score: float
    comparison: Comparison
    value: Any
    failed_inside: int
    inside: int


def _has_failed(trial: FrozenTrial) -> bool | None:
    """Whether its parameters made it fail; None: they have not been judged."""
    if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
        return False
    return True if trial.state == TrialState.FAIL and FAILED_ATTRIBUTE in trial.system_attrs else None


def _splits(name: str, trials: Sequence[FrozenTrial], failed: Array) -> list[_Split]:
    """The conditions on one parameter under which trials fail more often than else, the clearest first."""
    values = [trial.params[name] for trial in trials]
    distribution = trials[0].distributions[name]
    if isinstance(distribution, CategoricalDistribution):
        counted = _count_choices(values, failed)
    else:
        is_whole = isinstance(distribution, IntDistribution)
        counted = _count_thresholds(np.array(values, dtype=float), failed, is_whole=is_whole)
    n, n_failed = len(failed), int(failed.sum())
    scored = [
        _Split(-_clearness(failed_inside, inside, n_failed, n), comparison, value, failed_inside, inside)
        for comparison, value, failed_inside, inside in counted
        if 0 < inside < n and failed_inside * (n - inside) > (n_failed - failed_inside) * inside
    ]
    return sorted(scored, key=lambda split: split.score)


def _count_choices(values: Sequence[Any], failed: Array) -> Iterator[_Counted]:
    names = [repr(value) for value in values]
    for name in dict.fromkeys(names):
        is_inside = np.array([each == name for each in names])
        yield "is", values[names.index(name)], int(failed[is_inside].sum()), int(is_inside.sum())


def _count_thresholds(values: Array, failed: Array, *, is_whole: bool) -> Iterator[_Counted]:
    order = np.argsort(values, kind="stable")
    values, failures = values[order], np.cumsum(failed[order])
    for last in np.flatnonzero(values[1:] > values[:-1]):
        low, high = float(values[last]), float(values[last + 1])
        below, failed_below = int(last) + 1, int(failures[last])
        between = None if is_whole else _shortest_between(low, high)
        ends = (int(low), int(high)) if is_whole else (low, high) if between is None else (between, between)
        yield "<=", ends[0], failed_below, below
        yield ">=", ends[1], int(failures[-1]) - failed_below, len(values) - below


def _clearness(failed_inside: int, inside: int, failed: int, n: int) -> float:
    """By how much two shares of failures explain what happened better than one: a log likelihood ratio."""
    return (
        _log_likelihood(failed_inside, inside)
        + _log_likelihood(failed - failed_inside, n - inside)
        - _log_likelihood(failed, n)
    )


def _log_likelihood(failed: int, n: int) -> float:
    return sum(count * math.log(count / n) for count in (failed, n - failed) if count)


def _region(name: str, split: _Split, failed: Array) -> FailureRegion:
    n, n_failed = len(failed), int(failed.sum())
    return FailureRegion(
        name,
        split.comparison,
        split.value,
        split.failed_inside,
        split.inside,
        n_failed - split.failed_inside,
        n - split.inside,
        _probability_of_as_many(split.failed_inside, split.inside, n_failed, n),
    )


def _probability_of_as_many(failed_inside: int, inside: int, failed: int, n: int) -> float:
    """Of ``n`` trials, ``failed`` of which fail, that ``inside`` of them at random include so many or more."""
    return min(
        1.0,
        math.fsum(
            math.exp(_log_choose(failed, k) + _log_choose(n - failed, inside - k) - _log_choose(n, inside))
            for k in range(failed_inside, min(inside, failed) + 1)
        ),
    )


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) if 0 <= k <= n else -math.inf


def _shortest_between(low: float, high: float) -> float | None:
    """A number between the two with the fewest digits; None: there is none of up to five."""
    is_wide = low > 0 and high / low > _LOG_SCALE_RATIO
    middle = math.sqrt(low) * math.sqrt(high) if is_wide else low / 2 + high / 2
    rounded = (float(f"{middle:.{digits}g}") for digits in range(1, 6))
    return next((number for number in rounded if low < number < high), None)
