"""Imports whole studies into this database; trials that are already here are not added again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import TrialState

from hpotool.errors import InputError, paste
from hpotool.storage.control.orders import adopt_study
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query
from hpotool.storage.moving.notes import is_on_trial, write_trial_notes
from hpotool.storage.moving.sources import SourceStudy
from hpotool.storage.moving.write import MARK, MOST_AT_ONCE, write_trials
from hpotool.study.draft.write import name_like
from hpotool.study.file.grammar.values import check_study_name
from hpotool.study.phase import is_reevaluation

_MARKED = """
SELECT a.value_json, s.study_id, s.study_name FROM study_system_attributes a JOIN studies s USING (study_id)
WHERE a.key = %s
"""


@dataclass(frozen=True)
class Imported:
    """The result for a study: its name here; how many trials were added, already here, and still running there."""

    source_name: str
    name: str
    added: int
    known: int
    interrupted: int


@dataclass(frozen=True)
class _Plan:
    """A study to import; ``study_id`` is None if it must be created."""

    study: SourceStudy
    name: str
    study_id: int | None
    known: int


def import_studies(
    connection: Connection, studies: Sequence[SourceStudy], name: str | None = None
) -> list[Imported]:
    """Import the studies; if ``name`` is given, the only study gets that name.

    Raises:
        InputError: a name is taken by a study with another origin; nothing was written.
    """
    plans = _plan(connection, studies, name)
    return [_carry_out(connection, plan) for plan in plans]


def _plan(connection: Connection, studies: Sequence[SourceStudy], name: str | None) -> list[_Plan]:
    marked = {}
    for text, study_id, study_name in connection.run(_MARKED, (MARK,)):
        mark = json.loads(text)
        marked[mark["source"], mark["study"]] = (study_id, study_name, mark["trials"])
    taken = {study_name for (study_name,) in connection.run("SELECT study_name FROM studies")}
    plans = []
    for study in studies:
        if (study.source, study.name) in marked:
            study_id, here, known = marked[study.source, study.name]
            _refuse_second_name(study, here, name)
            plans.append(_Plan(study, here, study_id, known))
        else:
            chosen = name or valid_name(study.name, taken)
            alike = [other for other in taken if other.lower() == chosen.lower()]  # as a folder may take them
            if alike:
                raise InputError(
                    f"there is already a study {alike[0]!r}, which did not come from {study.source}",
                    paste("import", "--study", study.name, "--as", f"{chosen}-2", "--", study.source),
                )
            taken.add(chosen)
            plans.append(_Plan(study, chosen, None, 0))
    return plans


def _refuse_second_name(study: SourceStudy, here: str, name: str | None) -> None:
    if name not in (None, here):
        raise InputError(
            f"study {study.name!r} of {study.source} is already here, as {here!r}",
            paste("clone", "--with", "trials", "--", here, str(name)),
        )


def valid_name(name: str, taken: set[str]) -> str:
    """``name`` if it is allowed in a study file, else a similar unused name."""
    try:
        return check_study_name(name)
    except ValueError:
        like = name_like(name)
    chosen, count = like, 1
    while chosen.lower() in {other.lower() for other in taken}:
        count += 1
        chosen = f"{like}-{count}"
    return chosen


def _carry_out(connection: Connection, plan: _Plan) -> Imported:
    study = plan.study
    study_id = _create(connection, plan) if plan.study_id is None else plan.study_id
    new = study.trials[plan.known :]
    if any(is_reevaluation(trial.system_attrs) for trial in new):
        adopt_study(connection.run, study_id)  # so that claims know of trials apart from the search
    ids: dict[int, int] = {}
    for start in range(0, len(new), MOST_AT_ONCE):
        part = new[start : start + MOST_AT_ONCE]
        seen = _mark(study, plan.known + start)
        mark = _mark(study, plan.known + start + len(part))
        written = write_trials(connection, study_id, part, seen, mark)
        if not written:
            raise InputError(
                f"another process is importing {study.name!r} at the moment", "wait, then run the command again"
            )
        ids |= {trial._trial_id: trial_id for trial, trial_id in zip(part, written, strict=True)}
    write_trial_notes(connection, study_id, study.system_attrs, ids)
    interrupted = sum(trial.state is TrialState.RUNNING for trial in new)
    return Imported(study.name, plan.name, len(new), plan.known, interrupted)


def _create(connection: Connection, plan: _Plan) -> int:
    """Create the study with its attributes and a record of its origin."""
    study = plan.study
    rows = connection.run(query("insert_study"), {"name": plan.name, "directions": list(study.directions)})
    if not rows:
        raise InputError(
            f"a study {plan.name!r} was created in the meantime", "run the command again with --as ANOTHER_NAME"
        )
    study_id = int(rows[0][0])
    own = {key: value for key, value in study.system_attrs.items() if not is_on_trial(key) and key != MARK}
    system = {key: json.dumps(value) for key, value in own.items()} | {MARK: _mark(study, 0)}
    user = {key: json.dumps(value) for key, value in study.user_attrs.items()}
    connection.run_all(
        [
            (query(query_name), {"study_id": study_id, "key": key, "value": value})
            for query_name, attributes in (("set_user_attribute", user), ("set_system_attribute", system))
            for key, value in attributes.items()
        ]
    )
    return study_id


def _mark(study: SourceStudy, trials: int) -> str:
    return json.dumps({"source": study.source, "study": study.name, "trials": trials})
