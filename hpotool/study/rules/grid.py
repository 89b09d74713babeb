"""The grid of a search space: the values that each parameter takes in a grid search."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import prod
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hpotool.study.space import canonical_value

LARGEST_GRID = 1_000_000  # points; Optuna's GridSampler keeps them all in memory


def grid_values(distribution: BaseDistribution, points: Sequence[Any] | None = None) -> tuple[Any, ...] | None:
    """The values of one parameter: ``points`` if given, else all possible values; None if these are infinite."""
    if points is not None:
        return tuple(dict.fromkeys(canonical_value(distribution, point) for point in points))
    if isinstance(distribution, CategoricalDistribution):
        return tuple(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return tuple(range(distribution.low, distribution.high + 1, distribution.step))
    assert isinstance(distribution, FloatDistribution)
    if distribution.step is None:
        return None
    low, step = Decimal(str(distribution.low)), Decimal(str(distribution.step))
    count = int((Decimal(str(distribution.high)) - low) / step)
    return tuple(float(low + step * index) for index in range(count + 1))


def count_points(distributions: Sequence[BaseDistribution]) -> int | None:
    """The number of points in the space of these parameters, without listing them; None if infinite."""
    counts = [count_values(distribution) for distribution in distributions]
    finite = [count for count in counts if count is not None]
    return prod(finite) if len(finite) == len(counts) else None


def count_values(distribution: BaseDistribution, points: Sequence[Any] | None = None) -> int | None:
    """How many values `grid_values` would list, without listing them; None where they are endless."""
    if points is not None:
        return len({canonical_value(distribution, point) for point in points})
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    if distribution.step is None:
        return None
    low, high, step = (Decimal(str(number)) for number in (distribution.low, distribution.high, distribution.step))
    return int((high - low) / step) + 1
