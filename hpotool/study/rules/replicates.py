"""``duplicates: replicate``: the complete trials of a point are its replicates, and points are compared by their
means. This module alone decides which trials are replicates, and how points are compared.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from hpotool.study.space import canonical_point

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# A user attribute that workers set for information. Only the parameters decide which trials are replicates, so
# that this does not depend on which worker was faster.
REPLICATE_OF = "replicate_of"


@dataclass(frozen=True)
class Measurement:
    """The measurements of a point: one complete trial's, or the mean of several.

    Attributes:
        values: in the order of the metrics.
        violations: for each constraint; zero or less is feasible.
    """

    values: tuple[float, ...]
    violations: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_feasible(self) -> bool:
        """Whether it can be the best: every constraint is met, and no value is the mean of both infinities."""
        is_met = all(violation <= 0 for violation in self.violations.values())
        return is_met and not any(math.isnan(value) for value in self.values)


def point_key(params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution] | None = None) -> str:
    """A key that is equal for equal points: those with the same parameters and the same values.

    true and 1 are different values; 0.3 and 0.30000000000000004 are the same if the step is 0.1.
    """
    return json.dumps(canonical_point(distributions or {}, params), sort_keys=True, default=repr)


def average(replicates: Sequence[Measurement]) -> Measurement:
    """The mean over a point's replicates, of each value and of each constraint's violation.

    Feasibility follows the mean like the values: just as one lucky measurement does not make a point the best, one
    unlucky measurement does not rule it out.
    """
    if len(replicates) == 1:
        return replicates[0]
    columns = zip(*(replicate.values for replicate in replicates), strict=True)
    names = dict.fromkeys(name for replicate in replicates for name in replicate.violations)
    violations = {
        name: _mean([replicate.violations[name] for replicate in replicates if name in replicate.violations])
        for name in names
    }
    return Measurement(tuple(map(_mean, columns)), violations)


def standard_errors(replicates: Sequence[Measurement]) -> tuple[float | None, ...]:
    """The standard error of each mean, s / √n with n - 1 degrees of freedom; None if it cannot be computed."""
    columns = zip(*(replicate.values for replicate in replicates), strict=True)
    return tuple(standard_error(column) for column in columns)


def _mean(numbers: Sequence[float]) -> float:
    return mean(numbers)  # exact before it is rounded: equal numbers have no other mean, in whatever order


def standard_error(numbers: Sequence[float]) -> float | None:
    """The standard error of the mean of these numbers; None if it cannot be computed."""
    if len(numbers) < 2 or not all(map(math.isfinite, numbers)):
        return None
    try:
        return stdev(numbers) / math.sqrt(len(numbers))
    except OverflowError:  # they are farther apart than a float can say
        return None
