"""Where code, data or environment are not the same in what a confirmation measured and in what it confirms.

Compared are the trials of the search whose points were measured again, and the replicates with a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpotool.errors import NotFoundError
from hpotool.storage.control.creation import find_study_id
from hpotool.storage.control.studies import has_table
from hpotool.storage.fleet.origins import KINDS, SharedOrigin, read_contents, read_trial_hashes
from hpotool.study.origins.content import Kind
from hpotool.study.origins.differences import Flat, flatten, name_different

if TYPE_CHECKING:
    from hpotool.storage.database.connection import Connection
    from hpotool.study.confirmation.order import Order
    from hpotool.study.confirmation.rounds import Replicate

_MOST_NAMED, _MOST_VALUES, _LONGEST = 3, 3, 60
# What decides most comes first.
_ORDER = (
    "code",
    "other files",
    "commit",
    "uncommitted",
    "data",
    "image",
    "python",
    "package",
    "gpus",
    "driver",
    "cpu",
)


@dataclass(frozen=True)
class OtherOrigin:
    """Something that is not the same everywhere: its values in the search's trials, and in the replicates.

    None is the value of what an origin has not; empty is ``search`` where nothing of it is known.
    """

    name: str
    search: tuple[str | None, ...]
    replicates: tuple[str | None, ...]

    @property
    def is_between(self) -> bool:
        """Whether the replicates had something that the search had not, or the other way round."""
        return bool(self.search) and set(self.search) != set(self.replicates)

    def as_data(self) -> dict[str, list[str | None]]:
        """Return both as JSON data."""
        return {"search": list(self.search), "replicates": list(self.replicates)}


@dataclass(frozen=True)
class ConfirmedOrigins:
    """What replicates came from: their hashes by kind, and what is not the same in them and in the search."""

    replicates: Mapping[Kind, tuple[str, ...]] = field(default_factory=dict)
    differs: tuple[OtherOrigin, ...] = ()


def read_confirmed_origins(
    connection: Connection, study_id: int, order: Order, replicates: Sequence[Replicate]
) -> ConfirmedOrigins:
    """Return what is known of both. Contents are only read where hashes differ."""
    numbers = {one.number for one in replicates if one.measured is not None}
    if not numbers or not has_table(connection, "hpotool.origins"):
        return ConfirmedOrigins()
    names = {one.reevaluation.point for one in replicates if one.measured is not None}
    points = [
        (point.study, point.trial) for point in order.points if point.name in names and point.trial is not None
    ]
    own = {trial for study, trial in points if study is None}
    found = read_trial_hashes(connection.run, study_id, sorted(numbers | own))
    measured = [one for one in found if numbers.intersection(one.numbers)]
    search = [one for one in found if own.intersection(one.numbers)]
    for study, trial in points:
        search += [] if study is None else _of_other_study(connection, study, trial)
    hashes = {kind: _hashes(measured, kind) for kind in KINDS}
    different = [kind for kind in KINDS if len({*hashes[kind], *_hashes(search, kind)}) > 1]
    wanted = {each for kind in different for each in (*hashes[kind], *_hashes(search, kind))}
    contents = read_contents(connection.run, wanted)
    return ConfirmedOrigins(
        hashes,
        tuple(
            one
            for kind in different
            for one in find_other_origins(*(_flats(some, kind, contents) for some in (search, measured)))
        ),
    )


def find_other_origins(search: Sequence[Flat], replicates: Sequence[Flat]) -> Iterator[OtherOrigin]:
    """Yield what is not the same in all of these."""
    for name in name_different([*search, *replicates]):
        before, after = (tuple(dict.fromkeys(flat.get(name) for flat in flats)) for flats in (search, replicates))
        yield OtherOrigin(name, before, after)


def say_other_origins(differs: Sequence[OtherOrigin]) -> str:
    """Return what differs in one sentence; empty where nothing does."""
    ranked = sorted(differs, key=_rank)
    between = [one for one in ranked if one.is_between]
    among = [one for one in ranked if not one.is_between]
    parts = [
        f"from the search's trials in {_name_some(between)}" if between else "",
        f"among themselves in {_name_some(among)}" if among else "",
    ]
    return f"The replicates differ {', and '.join(filter(None, parts))}." if differs else ""


def differs_data(differs: Sequence[OtherOrigin]) -> dict[str, Any]:
    """Return what differs as JSON data, by name."""
    return {one.name: one.as_data() for one in differs}


def _of_other_study(connection: Connection, study: str, trial: int | None) -> list[SharedOrigin]:
    """What the trial of another study came from; nothing, if that study is gone."""
    try:
        study_id = find_study_id(connection, study)
    except NotFoundError:
        return []
    return read_trial_hashes(connection.run, study_id, [] if trial is None else [trial])


def _hashes(origins: Sequence[SharedOrigin], kind: Kind) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for one in origins if (value := one.hashes.get(kind)) is not None))


def _flats(
    origins: Sequence[SharedOrigin], kind: Kind, contents: Mapping[tuple[Kind, str], Mapping[str, Any]]
) -> list[Flat]:
    known = [contents.get((kind, value)) for value in _hashes(origins, kind)]
    return [flatten(kind, content) for content in known if content is not None]


def _rank(one: OtherOrigin) -> int:
    return next((place for place, word in enumerate(_ORDER) if one.name.startswith(word)), len(_ORDER))


def _name_some(found: Sequence[OtherOrigin]) -> str:
    named = [_name(one) for one in found[:_MOST_NAMED]]
    if len(found) > _MOST_NAMED:
        named.append(f"{len(found) - _MOST_NAMED} more")
    return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))


def _name(one: OtherOrigin) -> str:
    values = f"{_values(one.search)} -> {_values(one.replicates)}" if one.is_between else _values(one.replicates)
    return f"{one.name} ({values})"


def _values(values: Sequence[str | None]) -> str:
    shown = ["none" if value is None else value[:_LONGEST] for value in values[:_MOST_VALUES]]
    return ", ".join(shown) + (", …" if len(values) > _MOST_VALUES else "")
