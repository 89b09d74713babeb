"""A study's side of a comparison, read from the database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hpotool.analysis.compare.sides import Side, make_side
from hpotool.analysis.confirmation.ranking import read_confirmed
from hpotool.analysis.origins.lineage import flat_origin, read_lineage
from hpotool.analysis.results import metric_names
from hpotool.errors import InputError, paste
from hpotool.storage.control.creation import find_study_id, read_spec_if_any
from hpotool.storage.control.orders import StudySettings, read_settings
from hpotool.storage.control.studies import has_table, list_attempts
from hpotool.storage.database.connection import Connection
from hpotool.storage.fleet.origins import KINDS, SharedOrigin, read_contents, read_trial_hashes
from hpotool.study.file.resolved import to_document
from hpotool.study.origins.differences import Flat, flatten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optuna import Study


def read_sides(connection: Connection, studies: Sequence[Study], metric: str | None = None) -> list[Side]:
    """Return the studies as sides, by one metric: the only one, where none is named.

    Raises:
        NotFoundError: a study has no such metric.
        InputError: none is named, and there are several.
    """
    chosen = metric
    for study in studies if metric is None else ():
        known = metric_names(study)
        if len(known) > 1:
            raise InputError(
                f"study {study.study_name!r} has several metrics, and no single best: {', '.join(known)}",
                paste("compare", "--metric", known[0], "--", *(one.study_name for one in studies)),
            )
        chosen = chosen or known[0]
    return [_read_side(connection, study, chosen or "") for study in studies]


def read_stored(connection: Connection, study_name: str) -> StudySettings | None:
    """Return what is stored with a study; None where hpotool never touched it."""
    if not has_table(connection, "hpotool.study_settings"):
        return None
    return read_settings(connection.run, find_study_id(connection, study_name))


def _read_side(connection: Connection, study: Study, metric: str) -> Side:
    name = study.study_name
    stored, spec = read_stored(connection, name), read_spec_if_any(connection, name)
    side = make_side(
        study,
        metric,
        list_attempts(connection, name),
        to_document(spec) if spec else None,
        stored.versions if stored else {},
        spec.budget.prices if spec else {},
        read_confirmed(connection, study),
    )
    return with_origin(connection, side)


def with_origin(connection: Connection, side: Side) -> Side:
    """Return the side with its study's data, and with what the attempt that measured its best point came from."""
    found = read_lineage(connection, side.name, side.number)
    data = found.of_study.hashes.get("data")
    versions = {**side.versions, "data": data} if data else side.versions
    is_known = side.number is not None and found.origins
    side = replace(side, versions=versions, origin=flat_origin(found.origins[0]) if is_known else None)
    if side.replicated is None or not side.replicated.origins.replicates:
        return side
    return replace(side, again=_read_again(connection, side, found.of_study))


def _read_again(
    connection: Connection, side: Side, of_study: SharedOrigin
) -> tuple[Mapping[str, str], Flat | None] | None:
    """Return the versions and the origin of the replicates of the best; None, if it is not known."""
    assert side.replicated is not None
    origins = read_trial_hashes(connection.run, find_study_id(connection, side.name), side.replicated.trials)
    hashes = {kind: list(dict.fromkeys(filter(None, (one.hashes[kind] for one in origins)))) for kind in KINDS}
    contents = read_contents(connection.run, [each for own in hashes.values() for each in own])
    known = [
        (kind, contents[kind, each]) for kind, own in hashes.items() for each in own if (kind, each) in contents
    ]
    if not known:
        return None
    versions = dict(side.versions)
    if hashes["data"]:
        versions["data"] = " and ".join(hashes["data"])
    files = (of_study.contents.get("code") or {}).get("files")
    if files is not None and any(content.get("files") != files for kind, content in known if kind == "code"):
        versions["code"] = " and ".join(hashes["code"])
    flats = [flatten(kind, content) for kind, content in known]
    names = dict.fromkeys(name for flat in flats for name in flat)
    joined = {name: dict.fromkeys(flat[name] for flat in flats if name in flat) for name in names}
    return versions, {name: " and ".join(values) for name, values in joined.items()}
