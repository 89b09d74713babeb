"""The answer of a confirmation: which point is the best, how sure that is, and what it is worth.

The mean and its standard error are those of the replicates alone: the value that the search saw is left out,
because it was picked for being good. Differences to the baseline are taken seed by seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from hpotool.analysis.confirmation.origins import ConfirmedOrigins
from hpotool.analysis.results import json_data
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Judgement, Replicate, by_point, is_decided, judge
from hpotool.study.rules.replicates import Measurement, average, standard_error, standard_errors

CONFIDENCE = 0.95  # where the order names none


@dataclass(frozen=True)
class Difference:
    """How far a point is from the baseline in one metric; negative may be good or bad, as the metric says.

    ``seeds``: how many seeds both were measured with. ``probability_better``: that its true mean is better.
    """

    mean: float
    standard_error: float | None
    seeds: int
    probability_better: float | None

    def as_data(self) -> dict[str, Any]:
        """Return the difference as JSON data."""
        return dict(json_data(vars(self)))


@dataclass(frozen=True)
class ConfirmedPoint:
    """What was measured of a point.

    Attributes:
        measured: how many of its replicates have a value.
        failed: how many ended without one, for good.
        open: how many run or wait.
        probability_best: that it is the best; of several metrics, that it is on the Pareto front.
        is_feasible: whether it meets every constraint on average.
    """

    point: Point
    measured: int
    failed: int
    open: int
    mean: Mapping[str, float] = field(default_factory=dict)
    standard_error: Mapping[str, float | None] = field(default_factory=dict)
    difference: Mapping[str, Difference] = field(default_factory=dict)
    probability_best: float = 0.0
    is_feasible: bool = True
    trials: tuple[int, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return the point as JSON data."""
        return {
            "point": self.point.name,
            "trial": self.point.trial,
            "study": self.point.study,
            "is_baseline": self.point.is_baseline,
            "params": json_data(self.point.params),
            "search": json_data(self.point.found),
            "replicates": {
                "measured": self.measured,
                "failed": self.failed,
                "open": self.open,
                "trials": list(self.trials),
            },
            "mean": json_data(self.mean),
            "standard_error": json_data(self.standard_error),
            "difference": {name: one.as_data() for name, one in self.difference.items()},
            "probability_best": self.probability_best,
            "is_feasible": self.is_feasible,
        }

    def as_row(self) -> dict[str, Any]:
        """Return the point as one line of a table."""
        row: dict[str, Any] = {"point": self.point.name, "p_best": round(self.probability_best, 3)}
        for name, value in self.mean.items():
            row |= {name: value, f"{name}_se": self.standard_error[name]}
        row["n"] = self.measured
        for name, one in self.difference.items():
            row |= {f"{name}_diff": one.mean, f"{name}_diff_se": one.standard_error}
        for name, seen in (self.point.found or {}).items():
            row[f"{name}_search"] = seen
        row |= {"failed": self.failed} if self.failed else {}
        row |= {"open": self.open} if self.open else {}
        return row


@dataclass(frozen=True)
class ConfirmationAnswer:
    """The answer, its points with the best first.

    Attributes:
        origins: what the replicates came from, and where that is not what the search's trials came from.
    """

    order: Order
    metrics: Mapping[str, str]  # metric -> direction
    points: tuple[ConfirmedPoint, ...]
    replicates: tuple[Replicate, ...]
    judgement: Judgement
    origins: ConfirmedOrigins = field(default_factory=ConfirmedOrigins)

    @property
    def is_open(self) -> bool:
        """Whether replicates run or wait."""
        return any(one.is_open for one in self.replicates)

    @property
    def confidence(self) -> float:
        """How sure the answer has to be."""
        return self.order.confidence or CONFIDENCE

    @property
    def is_decided(self) -> bool:
        """Whether the answer is as sure as it has to be, and everything that was asked for is measured."""
        several = len(self.metrics) > 1
        return (
            not self.is_open
            and bool(self.judgement.names)
            and is_decided(self.judgement, self.confidence, several=several)
        )

    @property
    def is_sound(self) -> bool:
        """Whether it is decided, and everything came from the same code, data and environment."""
        return self.is_decided and not self.origins.differs

    @property
    def state(self) -> str:
        """``open``, ``decided`` or ``undecided``."""
        return "open" if self.is_open else "decided" if self.is_decided else "undecided"

    def count(self, *states: str) -> int:
        """How many replicates are in one of Optuna's states."""
        return sum(one.state in states for one in self.replicates)


def answer(
    order: Order,
    replicates: Sequence[Replicate],
    metrics: Mapping[str, str],
    origins: ConfirmedOrigins | None = None,
) -> ConfirmationAnswer:
    """What the replicates say; ``metrics`` are the study's, with their directions."""
    signs = [1.0 if direction == "minimize" else -1.0 for direction in metrics.values()]
    judgement = judge(order, replicates, signs)
    measured = by_point(order, replicates)
    names = tuple(metrics)
    baseline = next((point for point in order.points if point.is_baseline), None)
    points = []
    for point in order.points:
        own = [one for one in replicates if one.reevaluation.point == point.name]
        values = list(measured[point.name].values())
        whole = average(values) if values else None
        differences: dict[str, Difference] = {}
        if baseline is not None and point is not baseline:
            pairs = _pairs(measured[point.name], measured[baseline.name])
            for index, name in enumerate(names):
                better = judgement.probability_better(point.name, baseline.name, index, signs[index])
                if pairs:
                    differences[name] = _difference([one[index] - two[index] for one, two in pairs], better)
        points.append(
            ConfirmedPoint(
                point,
                len(values),
                sum(one.state in ("FAIL", "PRUNED") for one in own),
                sum(one.is_open for one in own),
                dict(zip(names, whole.values if whole else (), strict=False)),
                dict(zip(names, standard_errors(values) if values else (), strict=False)),
                differences,
                judgement.probability(point.name),
                whole is None or whole.is_feasible,
                tuple(one.number for one in own),
            )
        )
    points.sort(key=lambda one: _rank(one, signs))
    return ConfirmationAnswer(
        order, dict(metrics), tuple(points), tuple(replicates), judgement, origins or ConfirmedOrigins()
    )


def _pairs(
    one: Mapping[int, Measurement], two: Mapping[int, Measurement]
) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    return [(one[seed].values, two[seed].values) for seed in sorted(one.keys() & two.keys())]


def _difference(differences: Sequence[float], better: float | None) -> Difference:
    return Difference(mean(differences), standard_error(differences), len(differences), better)


def _rank(one: ConfirmedPoint, signs: Sequence[float]) -> tuple[bool, float, float]:
    """The most probable first, then the better mean; what has none, and what is infeasible, at the end."""
    loss = signs[0] * next(iter(one.mean.values())) if one.mean else math.inf
    return (not one.mean or not one.is_feasible, -one.probability_best, loss)
