"""Finds parameters of a good trial that are at the edge of their range, beyond which better values may lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_MARGIN = 0.01  # fraction of the range, on its own scale
_FEWEST_STEPS = 5  # in a range with fewer, every second value is an edge


@dataclass(frozen=True)
class Edge:
    """A parameter whose value is at the edge of its range."""

    name: str
    value: float
    side: Literal["lower", "upper"]
    low: float
    high: float


def find_edges(trial: FrozenTrial) -> tuple[Edge, ...]:
    """Return the trial's numeric parameters that lie within a hundredth of an end of their range."""
    found = []
    for name, value in trial.params.items():
        side = _side(value, trial.distributions[name])
        if side is not None:
            distribution = trial.distributions[name]
            found.append(Edge(name, value, side, distribution.low, distribution.high))  # type: ignore[attr-defined]
    return tuple(found)


def _side(value: object, distribution: BaseDistribution) -> Literal["lower", "upper"] | None:
    from optuna.distributions import FloatDistribution, IntDistribution

    if not isinstance(distribution, (FloatDistribution, IntDistribution)) or not isinstance(value, (int, float)):
        return None
    low, high = distribution.low, distribution.high
    if not low < high or (distribution.step and (high - low) / distribution.step < _FEWEST_STEPS):
        return None
    if isinstance(distribution, IntDistribution):
        return "lower" if value == low else "upper" if value == high else None
    share = _share(float(value), low, high, is_log=distribution.log)
    return "lower" if share <= _MARGIN else "upper" if share >= 1 - _MARGIN else None


def _share(value: float, low: float, high: float, *, is_log: bool) -> float:
    if is_log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value / 2 - low / 2) / (high / 2 - low / 2)
