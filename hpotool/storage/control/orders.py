"""What people say to a study and hear from it: its settings and state, its workers, its events.

Workers see a change of state with their next beat; a claim sees it at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from hpotool import __version__
from hpotool.errors import InputError, NotFoundError, paste
from hpotool.storage.database.connection import Rows
from hpotool.storage.database.queries import query, to_jsonb
from hpotool.storage.fleet.attempts import Run, StudyState
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.file.reader import read_study_data
from hpotool.study.outcome import Outcome
from hpotool.study.rules.retry import EndedAttempt
from hpotool.study.spec import RetrySpec


@dataclass(frozen=True)
class StudySettings:
    """What is stored with a study. ``spec`` is None for a study that plain Optuna made and nobody described.

    ``fingerprint`` changes whenever ``spec`` does; `write_settings` compares it.
    """

    study_id: int
    spec: Mapping[str, Any] | None
    spec_hash: str | None
    versions: Mapping[str, str]
    budget_trials: int | None
    state: StudyState
    reason: str
    fingerprint: str | None


@dataclass(frozen=True)
class Places:
    """How the places of a budget are taken, counted as a claim counts them.

    ``open_apart``: how many replicates run or wait; they take no place.
    """

    finished: int
    running: int
    waiting: int
    failed: int
    open_apart: int = 0


@dataclass(frozen=True)
class WorkerRecord:
    """A worker that has registered and not ended. ``silent_s`` is by the database's clock."""

    worker_id: str
    host: str
    pid: int
    process_space: str
    process_start: str
    slot: str
    silent_s: float
    trial_number: int | None


@dataclass(frozen=True)
class Event:
    """One line of the event log."""

    event_id: int
    at: datetime
    kind: str
    number: int | None
    actor: str
    from_state: str | None
    to_state: str | None
    reason: str


def write_settings(
    run: Run,
    study_id: int,
    *,
    spec: Mapping[str, Any] | None,
    spec_hash: str | None,
    versions: Mapping[str, str],
    budget_trials: int | None,
    branch_places: int = 0,
    actor: str,
    seen: str | None = None,
) -> bool:
    """Store what the study is. A study that was done goes on when its budget has room again.

    ``branch_places`` of the budget's trials go on from other trials; `queue_branch` queues them. ``seen`` is the
    fingerprint of the settings that are to be replaced. False: there are others by now, and nothing was written.
    """
    [(is_written,)] = run(
        query("write_settings"),
        {
            "study_id": study_id,
            "spec": None if spec is None else to_jsonb(spec),
            "spec_hash": spec_hash,
            "versions": to_jsonb(versions),
            "budget_trials": budget_trials,
            "branch_places": branch_places,
            "actor": actor,
            "seen": seen,
        },
    )
    return bool(is_written)


def adopt_study(run: Run, study_id: int) -> None:
    """Give a study of plain Optuna its settings row: no budget, running. One that has it keeps it."""
    run(query("adopt_study"), {"study_id": study_id})


def read_settings(run: Run, study_id: int) -> StudySettings | None:
    """What is stored with the study, or None when it is plain Optuna's."""
    rows = run(query("read_settings"), {"study_id": study_id})
    return StudySettings(*rows[0]) if rows else None


def read_retry_spec(run: Run, study_id: int) -> RetrySpec:
    """How often the study's trials are tried again; the defaults for a study of plain Optuna."""
    settings = read_settings(run, study_id)
    if settings is None or settings.spec is None:
        return RetrySpec()
    return read_study_data(settings.spec).retry


def count_places(run: Run, study_id: int) -> Places:
    """Count the study's trials, at a cost that does not grow with them."""
    rows = run(query("count_places"), {"study_id": study_id})
    return Places(*rows[0])


def set_state(run: Run, study_id: int, state: StudyState, reason: str, actor: str) -> bool:
    """Move the study to ``state``. False: it was there already, and nothing was written.

    Raises:
        NotFoundError: the study has no settings.
    """
    rows = run(
        query("set_state"),
        {"study_id": study_id, "state": state, "reason": reason, "actor": actor, "only_from": None},
    )
    if not rows:
        raise NotFoundError("the study is unknown to hpotool", "hpotool studies")
    return bool(rows[0][0])


def finish_study(run: Run, study_id: int, reason: str, actor: str) -> bool:
    """Mark a running study as done. False: it was not running, and stays what it is."""
    return change_running_study(run, study_id, "done", reason, actor)


def change_running_study(run: Run, study_id: int, state: StudyState, reason: str, actor: str) -> bool:
    """Move a running study to ``state``. False: it was not running, and stays what it is."""
    rows = run(
        query("set_state"),
        {"study_id": study_id, "state": state, "reason": reason, "actor": actor, "only_from": "running"},
    )
    return bool(rows and rows[0][0])


def note_pruner_mismatch(run: Run, study_id: int, mismatch: str, actor: str) -> None:
    """Note with the study that its pruner does not fit what the objective reports; what is noted first stays."""
    parameters = {"study_id": study_id, "reason": mismatch, "mismatch": json.dumps(mismatch), "actor": actor}
    run(query("note_pruner_mismatch"), parameters)


def cancel_trial(run: Run, study_id: int, number: int, reason: str, actor: str) -> Literal["told", "failed"]:
    """End one trial for good: ``failed`` when it still waited, ``told`` when its attempt will hear of it.

    Raises:
        NotFoundError: there is no such trial.
        InputError: it has ended already, or a plain Optuna worker runs it, which hears nothing.
    """
    rows = run(query("cancel_trial"), {"study_id": study_id, "number": number, "reason": reason, "actor": actor})
    state, is_told = _only_trial(run, study_id, rows, number)
    if state == "WAITING":
        return "failed"
    if is_told:
        return "told"
    if state == "RUNNING":
        raise InputError(f"trial {number} runs in a plain Optuna worker, which cannot be told to stop")
    raise InputError(f"trial {number} has ended already: {state}")


def retry_trial(run: Run, study_id: int, number: int, actor: str) -> int:
    """Queue a failed trial again, uncounted; the number of the new trial.

    Raises:
        NotFoundError: there is no such trial.
        InputError: it has not failed, or is tried again already.
    """
    parameters = {"study_id": study_id, "number": number, "actor": actor, "follow_up": "requeue", "event": "retry"}
    rows = run(query("retry_trial"), parameters)
    state, existing, queued = _only_trial(run, study_id, rows, number)
    if existing is not None:
        raise InputError(
            f"trial {number} is tried again as trial {existing}", _command(run, study_id, "retry", str(existing))
        )
    if queued is None:
        raise InputError(
            f"trial {number} is {state}; only failed trials can be tried again",
            f"{_command(run, study_id, 'trials')} --state fail",
        )
    return int(queued)


def _only_trial(run: Run, study_id: int, rows: Rows, number: int) -> tuple[Any, ...]:
    if not rows:
        raise NotFoundError(f"the study has no trial {number}", _command(run, study_id, "trials"))
    return rows[0]


def _command(run: Run, study_id: int, *words: str) -> str:
    """The command for this study, which is named: the database may hold several."""
    [(name,)] = run("SELECT study_name FROM studies WHERE study_id = %(study_id)s", {"study_id": study_id})
    return paste(*words, "--study", name)


def read_ended_attempts(run: Run, study_id: int, worker_id: str, last: int = 20) -> list[EndedAttempt]:
    """How the worker's last attempts ended, its last success, and what others ended: what its breaker judges."""
    rows = run(query("read_ended_attempts"), {"study_id": study_id, "worker_id": worker_id, "last": last})
    return [EndedAttempt(Outcome(outcome), worker, point) for outcome, worker, point in rows]


def register_worker(run: Run, study_id: int, worker: WorkerIdentity) -> None:
    """Enter the worker in the registry; sent twice it is entered once."""
    run(query("register_worker"), _identity_parameters(worker) | {"study_id": study_id, "version": __version__})


def end_worker(run: Run, worker_id: str, reason: str) -> None:
    """Note why the worker ended; the first reason stays."""
    run(query("end_worker"), {"worker_id": worker_id, "reason": reason})


def list_workers(run: Run, study_id: int) -> list[WorkerRecord]:
    """The workers that have not ended, the longest registered first; dead ones show by their silence."""
    rows = run(query("list_workers"), {"study_id": study_id})
    return [WorkerRecord(*row) for row in rows]


def read_events(
    run: Run, study_id: int, *, after: int = 0, number: int | None = None, last: int | None = None
) -> list[Event]:
    """Events after the id ``after``, oldest first; of one trial; only the ``last`` so many."""
    parameters = {"study_id": study_id, "after": after, "number": number, "last": last}
    return [Event(*row) for row in run(query("read_events"), parameters)]


def _identity_parameters(worker: WorkerIdentity) -> dict[str, Any]:
    return {
        "worker_id": worker.worker_id,
        "host": worker.host,
        "pid": worker.pid,
        "process_space": worker.process_space,
        "process_start": worker.process_start,
        "slot": worker.slot,
    }
