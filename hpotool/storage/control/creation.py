"""Creates or resumes studies. Settings and warm start are written once, by the first process."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpotool.errors import InputError, NotFoundError, paste
from hpotool.storage.control.orders import StudySettings, read_settings, write_settings
from hpotool.storage.control.studies import default_metric_names, list_studies, refuse_name_of_another_case
from hpotool.storage.control.versions import running_versions
from hpotool.storage.database.connection import UNDEFINED_TABLE, Connection, RefusedStatementError
from hpotool.storage.database.queries import query, to_jsonb
from hpotool.storage.database.schema import ensure_schema
from hpotool.study.file.differences import differences, resumed, way_out
from hpotool.study.file.grammar.values import check_study_name
from hpotool.study.file.reader import read_study_data
from hpotool.study.file.resolved import spec_hash, to_document
from hpotool.study.spec import StudySpec


@dataclass(frozen=True)
class Creation:
    """The result. ``changes`` describes, as sentences, the changes that were applied from the file."""

    spec: StudySpec
    is_new: bool
    changes: Sequence[str] = ()


def create_or_resume(connection: Connection, spec: StudySpec, actor: str) -> Creation:
    """Create the study that ``spec`` describes; if it exists, resume it and apply safe changes.

    A study without a seed gets one here, which all workers use.

    Raises:
        InputError: the study exists and differs in settings that cannot change; nothing was written.
        DatabaseUnreachableError: the database does not answer.
    """
    ensure_schema(connection.url)
    _refuse_other_metrics(connection, spec)
    refuse_name_of_another_case(connection, spec.name, "choose another name; hpotool studies lists all studies")
    seeded = spec
    if spec.sampler.seed is None:
        seeded = replace(spec, sampler=replace(spec.sampler, seed=secrets.randbelow(2**31)))
    [(is_new,)] = connection.run(
        query("create_study"),
        {
            "study_name": seeded.name,
            "directions": [metric.direction.upper() for metric in seeded.metrics],
            "metric_names": json.dumps([metric.name for metric in seeded.metrics]),
            "spec": to_jsonb(to_document(seeded)),
            "spec_hash": spec_hash(seeded),
            "versions": to_jsonb(running_versions(seeded.objective)),
            "budget_trials": seeded.budget.trials,
            "branch_places": seeded.branch_places,
            "points": [json.dumps(dict(point)) for point in seeded.warm_start],
            "actor": actor,
        },
    )
    return Creation(seeded, True) if is_new else _resume(connection, spec, actor)


def read_spec(connection: Connection, study_name: str) -> tuple[int, StudySpec]:
    """The id and the settings of a study, as its workers use them.

    Raises:
        NotFoundError: the study does not exist, or was created by plain Optuna and has no settings yet.
    """
    study_id, _, spec = _read(connection, study_name)
    return study_id, spec


def read_spec_if_any(connection: Connection, study_name: str) -> StudySpec | None:
    """The settings of a study; None if it was created by plain Optuna and has no settings yet.

    Raises:
        NotFoundError: the study does not exist.
    """
    study_id = find_study_id(connection, study_name)
    settings = _settings_of(connection, study_id)
    return None if settings is None or settings.spec is None else read_study_data(settings.spec)


def find_study_id(connection: Connection, study_name: str) -> int:
    """The id of a study.

    Raises:
        NotFoundError: it does not exist.
    """
    rows = connection.run("SELECT study_id FROM studies WHERE study_name = %s", (study_name,))
    if not rows:
        raise NotFoundError(f"study {study_name!r} does not exist", "hpotool studies")
    return int(rows[0][0])


def change_spec(
    connection: Connection,
    study_name: str,
    change: Callable[[StudySpec], StudySpec],
    actor: str,
    versions: Callable[[StudySpec], Mapping[str, str]] | None = None,
) -> tuple[StudySpec, StudySpec]:
    """Change a study's stored settings; return them before and after.

    If two people do this at once, the second change is applied to the result of the first: ``change`` is called
    again with it. ``versions``, if given, are stored too.

    Raises:
        InputError: a newer hpotool has stored a setting that would be lost.
        Any error that ``change`` raises; nothing was written.
    """
    while True:
        study_id, settings, stored = _read(connection, study_name)
        changed = change(stored)
        if changed == stored:
            return stored, stored
        _refuse_settings_of_a_newer_hpotool(settings.spec, to_document(stored))
        is_written = write_settings(
            connection.run,
            study_id,
            spec=to_document(changed),
            spec_hash=spec_hash(changed),
            versions=settings.versions if versions is None else versions(changed),
            budget_trials=changed.budget.trials,
            branch_places=changed.branch_places,
            actor=actor,
            reason="; ".join(difference.sentence for difference in differences(stored, changed)),
            seen=settings.fingerprint,
        )
        if is_written:
            return stored, changed


def _read(connection: Connection, study_name: str) -> tuple[int, StudySettings, StudySpec]:
    study_id = find_study_id(connection, study_name)
    settings = _settings_of(connection, study_id)
    if settings is None or settings.spec is None:
        raise NotFoundError(
            f"study {study_name!r} was created by plain Optuna and has no settings",
            _how_to_describe(study_name),
        )
    return study_id, settings, read_study_data(settings.spec)


def _settings_of(connection: Connection, study_id: int) -> StudySettings | None:
    """The settings of a study; None without any, as in a database that only plain Optuna has used."""
    try:
        return read_settings(connection.run, study_id)
    except RefusedStatementError as refused:
        if refused.pgcode != UNDEFINED_TABLE:
            raise
        return None


def _how_to_describe(study_name: str) -> str:
    """The hint for a study of plain Optuna, whose name may not be allowed in a study file."""
    try:
        check_study_name(study_name)
    except ValueError:
        transfer = paste("enqueue", "--study", "NEW_NAME", "--from-study", study_name, "--top", "20")
        return f"start another one with its best points: hpotool create-study FILE, then {transfer}"
    return f"{paste('init', '--from-study', study_name)} writes a study file for it"


def _refuse_settings_of_a_newer_hpotool(stored: Any, known: Any, key: str = "") -> None:
    if isinstance(stored, list) and isinstance(known, list):
        stored, known = ({str(index): value for index, value in enumerate(values)} for values in (stored, known))
    if not isinstance(stored, Mapping) or not isinstance(known, Mapping):
        return
    for name, value in stored.items():
        path = f"{key}.{name}" if key else name
        if name not in known:
            raise InputError(
                f"a newer hpotool has stored {path!r} with the study, which this version would lose",
                "pip install --upgrade hpotool",
            )
        _refuse_settings_of_a_newer_hpotool(value, known[name], path)


def _resume(connection: Connection, spec: StudySpec, actor: str) -> Creation:
    def change(stored: StudySpec) -> StudySpec:
        found = differences(stored, spec)
        refused = [difference.sentence for difference in found if not difference.is_safe]
        if refused:
            raise InputError(
                "\n".join([f"study {spec.name!r} exists, but this file describes a different study", *refused]),
                way_out(spec.name),
            )
        return resumed(stored, spec) if found else stored

    before, after = change_spec(
        connection, spec.name, change, actor, lambda changed: running_versions(changed.objective)
    )
    changes = [difference.sentence for difference in differences(before, spec)] if after != before else ()
    return Creation(after, False, changes)


def _refuse_other_metrics(connection: Connection, spec: StudySpec) -> None:
    """Refuse to adopt a study of plain Optuna with other directions; metrics without names may be named now."""
    for summary in list_studies(connection, spec.name):
        wanted = {metric.name: metric.direction for metric in spec.metrics}
        is_unnamed = list(summary.metrics) == default_metric_names(len(summary.metrics))
        has_same_directions = list(summary.metrics.values()) == list(wanted.values())
        if dict(summary.metrics) != wanted and not (is_unnamed and has_same_directions):
            existing = ", ".join(f"{name} ({direction})" for name, direction in summary.metrics.items())
            raise InputError(f"study {spec.name!r} exists with the metrics {existing}", way_out(spec.name))
