"""Answers of confirmations whose every number is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpotool.analysis.confirmation.answer import ConfirmationAnswer, answer
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Replicate
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import Measurement

Values = Sequence[float] | Sequence[Sequence[float]]


def confirmed(
    points: Mapping[Point, Values], metrics: Mapping[str, str] | None = None, violation: float | None = None
) -> ConfirmationAnswer:
    """What replicates with these values say; of several metrics, each value is a sequence."""
    violations = {} if violation is None else {"c": violation}
    replicates = [
        Replicate(
            Reevaluation("confirm", point.name, seed),
            100 + seed,
            "COMPLETE",
            Measurement(tuple(value) if isinstance(value, Sequence) else (value,), violations),
            "complete",
        )
        for point, values in points.items()
        for seed, value in enumerate(values)
    ]
    return answer(Order(tuple(points), 3), replicates, metrics or {"loss": "minimize"})


class NamedPoint(Point):
    """A point that can be the key of a mapping: its parameters cannot."""

    def __hash__(self) -> int:
        return hash(self.name)


def point(number: int, drop: float, found: float | None = None, study: str | None = None) -> NamedPoint:
    """The point of a trial."""
    name = f"trial {number}" + ("" if study is None else f" of {study}")
    return NamedPoint(name, {"drop": drop}, number, study, None if found is None else {"loss": found})
