"""Copies a study under another name: its settings, optionally with its points (to run again) or its trials."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from optuna.trial import FrozenTrial

from hpotool.errors import InputError, paste
from hpotool.storage.control.creation import create_or_resume, find_study_id, read_spec
from hpotool.storage.control.orders import adopt_study, read_settings
from hpotool.storage.control.queueing import enqueue_points
from hpotool.storage.control.studies import StudySummary, list_studies, refuse_name_of_another_case
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.moving.notes import write_trial_notes
from hpotool.storage.moving.write import MOST_AT_ONCE, write_trials

_METRIC_NAMES = "study:metric_names"


def clone_settings(
    connection: Connection, source: StudySummary, name: str, actor: str, *, with_warm_start: bool = True
) -> int:
    """Create a study with the settings of another one (or, from plain Optuna, its metrics); return its id.

    Raises:
        InputError: there is already a study of that name.
    """
    ensure_schema(connection.url)
    if list_studies(connection, name):
        raise InputError(f"there is already a study {name!r}", paste("clone", "--", source.name, f"{name}-2"))
    settings = read_settings(connection.run, find_study_id(connection, source.name))
    if settings is not None and settings.spec is not None:
        _, spec = read_spec(connection, source.name)
        warm_start = spec.warm_start if with_warm_start else ()
        create_or_resume(connection, replace(spec, name=name, warm_start=warm_start), actor)
        return find_study_id(connection, name)
    refuse_name_of_another_case(connection, name, paste("clone", "--", source.name, f"{name}-2"))
    directions = [direction.upper() for direction in source.metrics.values()]
    [(study_id,)] = connection.run(query("insert_study"), {"name": name, "directions": directions})
    names = {"study_id": study_id, "key": _METRIC_NAMES, "value": json.dumps(list(source.metrics))}
    connection.run(query("set_system_attribute"), names)
    adopt_study(connection.run, study_id)
    return int(study_id)


def clone_points(connection: Connection, name: str, trials: Sequence[FrozenTrial], actor: str) -> int:
    """Queue the points of finished trials, each once; return their number."""
    points = {
        json.dumps(trial.params, sort_keys=True, default=str): trial.params
        for trial in trials
        if trial.state.is_finished() and trial.params
    }
    if points:
        enqueue_points(connection, name, list(points.values()), actor)
    return len(points)


def clone_trials(
    connection: Connection, study_id: int, trials: Sequence[FrozenTrial], source_id: int | None = None
) -> int:
    """Write the trials with all their data, under their own numbers; return how many there are.

    ``source_id``: the study that they come from; its order to confirm points, its user attributes and the notes on
    it and on its trials are copied too.
    """
    if source_id is not None:
        both = {"study_id": study_id, "source_id": source_id}
        connection.run_all([(query(name), both) for name in ("copy_order", "copy_user_attributes", "copy_note")])
    ids: dict[int, int] = {}
    for start in range(0, len(trials), MOST_AT_ONCE):
        part = trials[start : start + MOST_AT_ONCE]
        written = write_trials(connection, study_id, part)
        ids |= {trial._trial_id: trial_id for trial, trial_id in zip(part, written, strict=True)}
    if source_id is not None:
        rows = connection.run(query("trial_notes"), {"study_id": source_id})
        write_trial_notes(connection, study_id, {key: json.loads(value) for key, value in rows}, ids)
    return len(trials)
