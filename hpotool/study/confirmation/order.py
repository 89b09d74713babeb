"""What was ordered to be confirmed: points, how many replicates of each, and when to stop asking for more.

A study has one order. Whoever orders more adds to it, and what was asked for once is never asked for again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import point_key

BASELINE = "baseline"


@dataclass(frozen=True)
class Point:
    """A point to be measured again.

    Attributes:
        name: what its replicates bear: ``trial 12``, ``baseline``, ``trial 3 of old-study``.
        trial: the trial that it comes from; None: the study file's baseline, which no trial has to have tried.
        study: the study of that trial, where it is another one.
        found: the values that the search saw there, by metric.
        is_baseline: whether the others are compared with it.
    """

    name: str
    params: Mapping[str, Any]
    trial: int | None = None
    study: str | None = None
    found: Mapping[str, float] | None = None
    is_baseline: bool = False

    @property
    def key(self) -> str:
        """Equal for equal parameters."""
        return point_key(self.params)

    def joined_with(self, other: Point) -> Point:
        """This point under its name, with what is known of it from another order, or as the baseline."""
        joined = replace(self, is_baseline=self.is_baseline or other.is_baseline)
        is_from_search = self.trial is None and other.study is None
        return replace(joined, trial=other.trial, found=other.found) if is_from_search else joined


@dataclass(frozen=True)
class Order:
    """What is to be confirmed.

    Attributes:
        seeds: replicates of each point that the latest order named; the same seeds for all of them.
        confidence: how probable it is to be that the best one is the best, or more replicates are asked for.
        most: replicates of all points together that are not exceeded for the sake of ``confidence``.
    """

    points: tuple[Point, ...]
    seeds: int
    confidence: float | None = None
    most: int | None = None

    def to_data(self) -> dict[str, Any]:
        """The order as JSON data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Order:
        """The inverse of `to_data`."""
        return cls(**{**data, "points": tuple(Point(**point) for point in data["points"])})

    def replicates(self, of: Iterable[Point] | None = None) -> list[Reevaluation]:
        """The replicates that are asked for, seed by seed, so that an answer begins with all points.

        ``of``: only of the points with these parameters, under the names that they bear here.
        """
        keys = {point.key for point in (self.points if of is None else of)}
        return list_replicates([point for point in self.points if point.key in keys], range(self.seeds))

    def including(self, earlier: Order | None) -> Order:
        """This order together with what was ordered before; equal parameters are one point, which keeps its name.

        An order without a confidence leaves the earlier one's: somebody else may rely on it.
        """
        points = {point.key: point for point in (earlier.points if earlier else ())}
        has_baseline = any(point.is_baseline for point in self.points)
        if has_baseline:  # the newest one counts
            points = {key: replace(point, is_baseline=False) for key, point in points.items()}
        for point in self.points:
            known = points.get(point.key)
            points[point.key] = point if known is None else known.joined_with(point)
        named = tuple(_with_names_of_their_own(points.values()))
        if earlier is None or self.confidence is not None or earlier.confidence is None:
            return replace(self, points=named)
        more = self.seeds * (len(named) - len(earlier.points))  # what is added takes nothing from what was allowed
        most = None if earlier.most is None else earlier.most + more
        return replace(self, points=named, confidence=earlier.confidence, most=most)


def list_replicates(points: Iterable[Point], seeds: Iterable[int]) -> list[Reevaluation]:
    """A replicate of each point for each seed."""
    names = [point.name for point in points]
    return [Reevaluation("confirm", name, seed) for seed in seeds for name in names]


def _with_names_of_their_own(points: Iterable[Point]) -> Sequence[Point]:
    """The points, of which no two have one name: a baseline that changed is another point."""
    taken: set[str] = set()
    named = []
    for point in points:
        name, count = point.name, 2
        while name in taken:
            name, count = f"{point.name} ({count})", count + 1
        taken.add(name)
        named.append(replace(point, name=name))
    return named
