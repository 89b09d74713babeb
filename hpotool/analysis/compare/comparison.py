"""Studies side by side: the first is the old one, and each further one is judged against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpotool.analysis.compare.differences import add_origins, find_differences, say_other_origin
from hpotool.analysis.compare.sides import Side
from hpotool.analysis.compare.verdict import Measured, Verdict, cannot_tell, judge
from hpotool.errors import InputError


@dataclass(frozen=True)
class Comparison:
    """The studies, what differs between them, and a verdict for each but the first."""

    sides: tuple[Side, ...]
    differences: dict[str, list[str | None]]
    verdicts: tuple[Verdict, ...]

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """The studies whose best was not measured again."""
        return tuple(side.name for side in self.sides if side.best is not None and side.replicated is None)

    @property
    def is_better(self) -> bool:
        """Whether the best of the last study beats that of the first."""
        return self.verdicts[-1].is_better

    def as_data(self) -> dict[str, Any]:
        """Return the comparison as JSON data."""
        names = [side.name for side in self.sides]
        return {
            "metric": self.sides[0].metric,
            "studies": [side.as_data() for side in self.sides],
            "differences": {
                key: dict(zip(names, values, strict=True)) for key, values in self.differences.items()
            },
            "verdicts": [
                {"new": side.name, "against": names[0], **verdict.as_data()}
                for side, verdict in zip(self.sides[1:], self.verdicts, strict=True)
            ],
        }


def compare(sides: Sequence[Side], confidence: float = 0.95) -> Comparison:
    """Return the comparison, by confirmed values where all sides have them.

    Raises:
        InputError: the metric is minimized in one study and maximized in another.
    """
    if len({side.sign for side in sides}) > 1:
        raise InputError(
            f"{sides[0].metric} is minimized in one of the studies and maximized in another",
            "choose another --metric",
        )
    old, *others = sides
    return Comparison(
        _by_replicates(sides) or tuple(sides),
        add_origins(
            find_differences([side.document for side in sides], [side.versions for side in sides]),
            [side.origin for side in sides],
        ),
        tuple(_judge(old, new, confidence) for new in others),
    )


def _by_replicates(sides: Sequence[Side]) -> tuple[Side, ...] | None:
    """Return the sides by what was confirmed; None where one of them has nothing confirmed, because values that a
    search picked are too good to be compared with values that it did not pick."""
    found = tuple(side for side in map(Side.as_confirmed, sides) if side is not None)
    return found if len(found) == len(sides) else None


def _judge(old: Side, new: Side, confidence: float) -> Verdict:
    pair = _by_replicates((old, new))
    if pair is not None and (pair[0].best == pair[1].best or _measured_alike(*pair) is not None):
        old, new = pair
    after = new.measured(new.best)
    for side, found in ((old, old.measured(old.best)), (new, after)):
        if found is None:
            return cannot_tell(f"{side.name!r} has no complete trial that meets every constraint", confidence)
    assert after is not None
    before = _measured_alike(old, new)
    if before is None:
        reason = say_other_origin([old.versions, new.versions])
        return cannot_tell(f"{reason}, and {new.name!r} has not tried the best point of {old.name!r}", confidence)
    if old.best == new.best:
        return Verdict("equal", "equal: both found the same point", 0.0, None, confidence, before, after)
    return judge(
        before, after, sign=old.sign, confidence=confidence, is_deterministic=_is_deterministic(old, new, before)
    )


def _measured_alike(old: Side, new: Side) -> Measured | None:
    """Return the measurements of the old best that may be compared with the new one's: those that the new study
    made itself; of the same code and data, the old study's own where it made more of them."""
    again, before = new.measured(old.best), old.measured(old.best)
    if say_other_origin([old.versions, new.versions]) is not None:
        return again
    return max((one for one in (again, before) if one), key=lambda one: len(one.values), default=None)


def _is_deterministic(old: Side, new: Side, before: Measured) -> bool:
    """Whether equal points have given equal values wherever that was tried: within the studies, and between them
    where they ran the same code on the same data."""
    repeated = [side for side in (old, new) if any(len(values) > 1 for values in side.points.values())]
    if any(not side.is_deterministic for side in repeated):
        return False
    if say_other_origin([old.versions, new.versions]) is None:
        shared = [(values, new.points[key]) for key, values in old.points.items() if key in new.points]
        if any(set(one) != set(other) for one, other in shared):
            return False
        return bool(repeated or shared)
    return new.is_deterministic and before.where == new.name
