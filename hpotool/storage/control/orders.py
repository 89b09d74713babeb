"""A study's settings and state, its workers and its events; and orders to it.

Workers see a change of state at their next heartbeat; a claim sees it at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
    """The stored settings of a study. ``spec`` is None for a study of plain Optuna without settings.

    ``fingerprint`` changes with ``spec``; `write_settings` compares it.
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
class BudgetCounts:
    """The used and reserved part of a budget, counted as in a claim.

    ``open_replicates``: how many replicates run or wait; they take no place.
    """

    finished: int
    running: int
    waiting: int
    failed: int
    open_replicates: int = 0


@dataclass(frozen=True)
class WorkerRecord(WorkerIdentity):
    """A registered worker that has not ended. ``silent_s`` is by the database's clock."""

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
    reason: str = "",
    seen: str | None = None,
) -> bool:
    """Store the settings of a study. A study that was done continues if its budget has room again.

    ``branch_places`` of the budget's trials continue other trials; `queue_branch` queues them. ``reason`` says in
    the event log what has changed. ``seen`` is the fingerprint of the settings to replace. False: the settings
    have changed since, and nothing was written.
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
            "reason": reason,
            "seen": seen,
        },
    )
    return bool(is_written)


def adopt_study(run: Run, study_id: int) -> None:
    """Give a study of plain Optuna a settings row (no budget, running), unless it has one."""
    run(query("adopt_study"), {"study_id": study_id})


def read_settings(run: Run, study_id: int) -> StudySettings | None:
    """The stored settings of the study; None for a study of plain Optuna."""
    rows = run(query("read_settings"), {"study_id": study_id})
    return StudySettings(*rows[0]) if rows else None


def read_retry_spec(run: Run, study_id: int) -> RetrySpec:
    """The study's numbers of retries; the defaults for a study of plain Optuna."""
    settings = read_settings(run, study_id)
    if settings is None or settings.spec is None:
        return RetrySpec()
    return read_study_data(settings.spec).retry


def count_budget(run: Run, study_id: int) -> BudgetCounts:
    """Count the study's trials, at a cost that does not grow with their number."""
    rows = run(query("count_budget"), {"study_id": study_id})
    return BudgetCounts(*rows[0])


def set_state(run: Run, study_id: int, state: StudyState, reason: str, actor: str) -> StudyState | None:
    """Set the study's state. Otherwise the one that it keeps: this one already, or ``done`` with nothing open.

    Raises:
        NotFoundError: the study has no settings.
    """
    rows = run(
        query("set_state"),
        {"study_id": study_id, "state": state, "reason": reason, "actor": actor, "only_from": None},
    )
    if not rows:
        raise NotFoundError("the study is unknown to hpotool", "hpotool studies")
    changed, before = rows[0]
    return None if changed else before


def finish_study(run: Run, study_id: int, reason: str, actor: str) -> bool:
    """Mark a running study as done. False: it was not running, and is unchanged."""
    return change_running_study(run, study_id, "done", reason, actor)


def change_running_study(run: Run, study_id: int, state: StudyState, reason: str, actor: str) -> bool:
    """Set the state of a running study. False: it was not running, and is unchanged."""
    rows = run(
        query("set_state"),
        {"study_id": study_id, "state": state, "reason": reason, "actor": actor, "only_from": "running"},
    )
    return bool(rows and rows[0][0])


def note_pruner_mismatch(run: Run, study_id: int, mismatch: str, actor: str) -> None:
    """Record with the study that its pruner does not match the objective's reports; the first warning is kept."""
    parameters = {"study_id": study_id, "reason": mismatch, "mismatch": json.dumps(mismatch), "actor": actor}
    run(query("note_pruner_mismatch"), parameters)


def cancel_trial(run: Run, study_id: int, number: int, reason: str, actor: str) -> Literal["told", "failed"]:
    """End one trial for good: ``failed`` if it was waiting, ``told`` if its attempt will be asked to stop.

    Raises:
        NotFoundError: there is no such trial.
        InputError: it has already ended, or a plain Optuna worker runs it, which receives no orders.
    """
    rows = run(query("cancel_trial"), {"study_id": study_id, "number": number, "reason": reason, "actor": actor})
    state, is_told = _only_trial(run, study_id, rows, number)
    if state == "WAITING":
        return "failed"
    if is_told:
        return "told"
    if state == "RUNNING":
        raise InputError(
            f"trial {number} runs in a plain Optuna worker, which cannot be asked to stop",
            "end that process itself, with Ctrl-C where it runs",
        )
    raise InputError(
        f"trial {number} has already ended: {state.lower()}", _command(run, study_id, "show", str(number))
    )


def retry_trial(run: Run, study_id: int, number: int, actor: str) -> int:
    """Queue a failed trial again, uncounted; return the number of the new trial.

    Raises:
        NotFoundError: there is no such trial.
        InputError: it has not failed, or is already being retried.
    """
    parameters = {"study_id": study_id, "number": number, "actor": actor, "follow_up": "requeue", "event": "retry"}
    rows = run(query("retry_trial"), parameters)
    state, existing, queued = _only_trial(run, study_id, rows, number)
    if existing is not None:
        raise InputError(
            f"trial {number} is already being retried, as trial {existing}",
            _command(run, study_id, "retry", str(existing)),
        )
    if queued is None:
        raise InputError(
            f"trial {number} is {state}; only failed trials can be retried",
            f"{_command(run, study_id, 'trials')} --state fail",
        )
    return int(queued)


def _only_trial(run: Run, study_id: int, rows: Rows, number: int) -> tuple[Any, ...]:
    if not rows:
        raise NotFoundError(f"the study has no trial {number}", _command(run, study_id, "trials"))
    return rows[0]


def _command(run: Run, study_id: int, *words: str) -> str:
    """The command, with the study's name, because the database may contain several studies."""
    [(name,)] = run("SELECT study_name FROM studies WHERE study_id = %(study_id)s", {"study_id": study_id})
    return paste(*words, "--study", name)


def read_ended_attempts(run: Run, study_id: int, worker_id: str, last: int = 20) -> list[EndedAttempt]:
    """The attempts on which the worker's breaker decides: its latest, its last success, and those of others."""
    rows = run(query("read_ended_attempts"), {"study_id": study_id, "worker_id": worker_id, "last": last})
    return [EndedAttempt(Outcome(outcome), worker, point) for outcome, worker, point in rows]


def register_worker(
    run: Run,
    study_id: int,
    worker: WorkerIdentity,
    launch_id: str | None = None,
    job: str | None = None,
    devices: Sequence[str] = (),
) -> None:
    """Register the worker; registering it again has no effect.

    ``job`` is its job in its launch, ``devices`` are the UUIDs of its GPUs.
    """
    known = {
        "study_id": study_id,
        "version": __version__,
        "launch_id": launch_id,
        "job": job,
        "devices": list(devices),
    }
    run(query("register_worker"), _identity_parameters(worker) | known)


def end_worker(run: Run, worker_id: str, reason: str) -> None:
    """Record why the worker ended; the first reason is kept."""
    run(query("end_worker"), {"worker_id": worker_id, "reason": reason})


def list_workers(run: Run, study_id: int) -> list[WorkerRecord]:
    """The workers that have not ended, the longest registered first; dead ones are recognized by their silence."""
    rows = run(query("list_workers"), {"study_id": study_id})
    return [WorkerRecord(*row) for row in rows]


def read_events(
    run: Run, study_id: int, *, after: int = 0, number: int | None = None, last: int | None = None
) -> list[Event]:
    """Events after the id ``after``, oldest first; optionally of one trial, or only the ``last`` ones."""
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
