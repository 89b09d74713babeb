"""Studies side by side: the first is the old one, and each further one is judged against it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpotool.analysis.compare.differences import add_origins, find_differences, say_other_origin
from hpotool.analysis.compare.sides import Side
from hpotool.analysis.compare.verdict import Measured, Verdict, cannot_tell, judge
from hpotool.errors import InputError

_CHANCE = 0.01  # that values are taken for exact although they are equal by chance


@dataclass(frozen=True)
class Comparison:
    """The studies, what differs between them, and a verdict for each but the first."""

    sides: tuple[Side, ...]
    differences: dict[str, list[str | None]]
    verdicts: tuple[Verdict, ...]

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """The studies whose best was not measured again, in the study itself or in the new one."""
        _, *others = self.sides
        is_known = all(verdict.old is not None and verdict.old.is_confirmed for verdict in self.verdicts)
        sides = others if is_known else self.sides
        return tuple(side.name for side in sides if side.best is not None and side.replicated is None)

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
    old, new = _find_pair(old, new)
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


def _find_pair(old: Side, new: Side) -> tuple[Side, Side]:
    """Return both sides by what was confirmed, as far as that can be compared.

    That is so if both are confirmed, or if the new study has confirmed the best point of the old one beside its
    own: the same seeds in the same study are the best comparison that there is.
    """
    best, confirmed = old.as_confirmed() or old, new.as_confirmed()
    if confirmed is None:
        return old, new
    if confirmed.measured(best.best) is not None:
        return best, confirmed
    pair = _by_replicates((old, new))
    return (best, confirmed) if pair is not None and _measured_alike(*pair) is not None else (old, new)


def _measured_alike(old: Side, new: Side) -> Measured | None:
    """Return the measurements of the old best that may be compared with the new one's: those that the new study
    made itself; of the same code and data, the old study's own where it made more of them."""
    again, before = new.measured(old.best), old.measured(old.best)
    if say_other_origin([old.versions, new.versions]) is not None or (again is not None and again.is_confirmed):
        return again
    return max((one for one in (again, before) if one), key=lambda one: len(one.values), default=None)


def _is_deterministic(old: Side, new: Side, before: Measured) -> bool:
    """Whether equal points have given equal values wherever that was tried, and too often for chance: within the
    studies, and between them where they ran the same code on the same data."""
    sides = [old, new] if say_other_origin([old.versions, new.versions]) is None else [new]
    if any(side.is_varying for side in (old, new)) or (len(sides) == 1 and before.where != new.name):
        return False
    groups: defaultdict[str, list[float]] = defaultdict(list)
    for side in sides:
        for key, values in side.points.items():
            groups[key] += values
    if any(len(set(values)) > 1 for values in groups.values()):
        return False
    repeated = sum(len(values) - 1 for values in groups.values())
    return repeated > 0 and chance_of_equals([values[0] for values in groups.values()]) ** repeated <= _CHANCE


def chance_of_equals(values: Sequence[float]) -> float:
    """Return how probable it is that two measurements are equal by chance, from those of different points.

    The rule of succession keeps the estimate above zero: of few points, or of a coarse metric like the accuracy on
    twenty examples, one pair of equal values proves nothing.
    """
    pairs = len(values) * (len(values) - 1) // 2
    equal = sum(count * (count - 1) // 2 for count in Counter(values).values())
    return (equal + 1) / (pairs + 2)
