"""Operations on whole studies: delete, rename, archive, note.

Each is one transaction, and so happens completely or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hpotool.errors import InputError, NotFoundError, paste
from hpotool.storage.control.creation import find_study_id
from hpotool.storage.control.orders import WorkerRecord, adopt_study, list_workers, read_settings
from hpotool.storage.control.studies import has_table, refuse_name_of_another_case
from hpotool.storage.database.connection import Connection, Parameters, RefusedDataError
from hpotool.storage.database.queries import query, to_jsonb
from hpotool.study.doors import storable
from hpotool.study.file.reader import read_study_data
from hpotool.study.file.resolved import spec_hash, to_document
from hpotool.study.labels import TAGS_ATTRIBUTE, join_note, note_prefix, split_note, tags_of

_TAKEN = "23505"  # unique_violation
ARCHIVED = "hpotool:archived"  # set on archived studies, which `hpotool studies` leaves out


@dataclass(frozen=True)
class Contents:
    """The number of a study's trials and attempts, and the ids of all workers it ever had."""

    trials: int
    attempts: int
    workers: frozenset[str]


def read_contents(connection: Connection, study_id: int) -> Contents:
    """Read what is deleted with the study."""
    [(trials, attempts, workers)] = connection.run(query("study_contents"), {"study_id": study_id})
    return Contents(trials, attempts, frozenset(workers))


def living_workers(connection: Connection, study_id: int, grace: timedelta) -> list[WorkerRecord]:
    """The study's workers that sent a heartbeat within the grace period."""
    known = list_workers(connection.run, study_id)
    return [worker for worker in known if worker.silent_s < grace.total_seconds()]


def delete_study(connection: Connection, study_id: int) -> None:
    """Delete a study with all its data; hpotool's own rows are deleted with Optuna's.

    Code, data and environments that other studies share are kept, and so is what was launched for its pool.
    """
    connection.run(query("hand_on_launches"), {"study_id": study_id})
    [(hashes,)] = connection.run(query("origins_of_study"), {"study_id": study_id})
    connection.run(query("delete_study"), {"study_id": study_id})
    connection.run(query("forget_origins"), {"hashes": hashes or []})


def rename_study(connection: Connection, old: str, name: str, actor: str) -> None:
    """Rename the study, including in its settings.

    Raises:
        InputError: another study has that name, or one that differs only in the case of its letters.
        NotFoundError: there is no such study, or it has been deleted or renamed meanwhile.
    """
    adopt_study(connection.run, find_study_id(connection, old))
    while True:
        study_id = find_study_id(connection, old)
        refuse_name_of_another_case(connection, name, paste("rename", "--", old, "NEW_NAME"), instead_of=old)
        settings = read_settings(connection.run, study_id)
        spec = settings.spec if settings else None
        renamed = None if spec is None else replace(read_study_data(spec), name=name)
        parameters = {
            "study_id": study_id,
            "name": name,
            "seen": settings.fingerprint if settings else None,
            "spec": None if renamed is None else to_jsonb(to_document(renamed)),
            "spec_hash": None if renamed is None else spec_hash(renamed),
            "old_origin": _origin(old),
            "new_origin": _origin(name),
            "actor": actor,
            "reason": f"it was {old}",
        }
        try:
            if connection.run(query("rename_study"), parameters):
                return
        except RefusedDataError as error:
            if error.pgcode != _TAKEN:  # by somebody who was faster
                raise
        if connection.run("SELECT 1 FROM studies WHERE study_name = %s", (name,)):
            raise InputError(f"there is already a study {name!r}", paste("show", "--study", name))


def _origin(study: str) -> str:
    """The prefix of `taken_over.TAKEN_FROM` in trials that were copied from the study."""
    return json.dumps({"study": study, "number": 0}).removesuffix("0}")


def set_archived(connection: Connection, study_id: int, *, archived: bool) -> bool:
    """Hide the study from ``hpotool studies``, or show it again. False: nothing changed."""
    known = connection.run(
        "SELECT 1 FROM study_system_attributes WHERE study_id = %s AND key = %s", (study_id, ARCHIVED)
    )
    if archived:
        connection.run_all([_attribute(study_id, ARCHIVED, True)])
    else:
        connection.run(query("delete_study_attributes"), {"study_id": study_id, "keys": [ARCHIVED]})
    return bool(known) != archived


def read_note(connection: Connection, study_id: int, number: int | None = None) -> str:
    """The note on a study or one of its trials, as shown by optuna-dashboard; empty if there is none.

    Raises:
        NotFoundError: there is no such trial.
    """
    return join_note(_read_attributes(connection, study_id), _note_prefix(connection, study_id, number))


def write_note(connection: Connection, study_id: int, text: str, number: int | None = None, *, actor: str) -> None:
    """Replace the note, with an event; an empty text removes it.

    Raises:
        NotFoundError: there is no such trial.
    """
    prefix = _note_prefix(connection, study_id, number)
    attributes = _read_attributes(connection, study_id)
    parts = split_note(storable(text), prefix)
    gone = [key for key in attributes if key.startswith(f"{prefix}note_str:") and key not in parts]
    version = int(attributes.get(f"{prefix}note_ver", 0)) + 1
    statements = [_attribute(study_id, f"{prefix}note_ver", version)]
    statements += [_attribute(study_id, key, part) for key, part in parts.items()]
    statements.append((query("delete_study_attributes"), {"study_id": study_id, "keys": gone}))
    if has_table(connection, "hpotool.events"):
        event = {"study_id": study_id, "number": number, "actor": actor, "to": "written" if text else "removed"}
        statements.append((query("note_event"), event))
    connection.run_all(statements)


def change_trial_tags(
    connection: Connection, study_id: int, number: int, tags: Mapping[str, str]
) -> dict[str, str]:
    """Set tags of a trial, whatever its state; an empty value removes one. Return the tags that it then has.

    Raises:
        NotFoundError: there is no such trial.
    """
    parameters = {
        "study_id": study_id,
        "number": number,
        "set": json.dumps({key: value for key, value in tags.items() if value}),
        "removed": [key for key, value in tags.items() if not value],
    }
    rows = connection.run(query("change_trial_tags" if tags else "read_trial_tags"), parameters)
    if not rows:
        raise _no_trial(connection, study_id, number)
    return tags_of({TAGS_ATTRIBUTE: json.loads(rows[0][0] or "{}")})


def read_study_tags(connection: Connection) -> dict[str, dict[str, str]]:
    """The tags of every study that has a study file, by the study's name."""
    return {name: dict(tags or {}) for name, tags in connection.run(query("tags_of_studies"), {})}


def _no_trial(connection: Connection, study_id: int, number: int) -> NotFoundError:
    [(name,)] = connection.run(
        "SELECT study_name FROM studies WHERE study_id = %(study_id)s", {"study_id": study_id}
    )
    return NotFoundError(f"study {name!r} has no trial {number}", paste("trials", "--study", name))


def _note_prefix(connection: Connection, study_id: int, number: int | None) -> str:
    """The prefix of optuna-dashboard's attributes for a note; a trial's is in the study, with the trial's id."""
    if number is None:
        return note_prefix(None)
    rows = connection.run(query("find_trial"), {"study_id": study_id, "number": number})
    if not rows:
        raise _no_trial(connection, study_id, number)
    return note_prefix(rows[0][0])


def _read_attributes(connection: Connection, study_id: int) -> dict[str, Any]:
    rows = connection.run("SELECT key, value_json FROM study_system_attributes WHERE study_id = %s", (study_id,))
    return {key: json.loads(value) for key, value in rows}


def _attribute(study_id: int, key: str, value: Any) -> tuple[str, Parameters]:
    return query("set_system_attribute"), {"study_id": study_id, "key": key, "value": json.dumps(value)}
