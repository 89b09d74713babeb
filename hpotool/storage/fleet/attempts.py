"""Claim, beat, finish, reap: each is one transaction and one round trip, so that no step can be lost in between.

Invariants after each of them, whatever dies and whenever:

* a trial that is RUNNING has an attempt and a heartbeat;
* a trial that failed and is to be retried has exactly one successor;
* an attempt whose trial is no longer RUNNING cannot write to it (it is fenced);
* if a call is repeated because its answer was lost, it answers as if it had been sent once.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, cast

from optuna.trial import TrialState

from hpotool.storage.database.connection import Rows
from hpotool.storage.database.queries import query, to_jsonb
from hpotool.storage.fleet.origins import OriginHashes
from hpotool.storage.fleet.trial_content import TrialContent
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.doors import storable
from hpotool.study.outcome import Outcome
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.retry import Decision, Requeue, Retry

Run = Callable[[str, Mapping[str, Any]], Rows]  # one round trip, one transaction
FollowUp = Literal["none", "retry", "requeue"]
StudyState = Literal["running", "paused", "draining", "stopped", "done"]
Refusal = Literal["wait", "capped", "quota", "paused", "draining", "stopped", "done", "quarantined", "device"]

_OUTPUT_TAIL = 16_384  # characters of an attempt's output kept in the database


@dataclass(frozen=True)
class Attempt:
    """One execution of a trial, claimed by this worker.

    ``root_number`` identifies the lineage (seed, checkpoints, Hyperband bracket) by the number of its first trial.
    ``history`` contains the outcomes of the lineage's earlier attempts, oldest first. ``is_new``: the claim
    created the trial, so it has no stored content yet. ``reevaluation``: set for a trial beside the search.
    """

    attempt_id: str
    study_id: int
    trial_id: int
    number: int
    root_number: int
    started: datetime  # UTC without a zone, as Optuna stores it
    is_new: bool = False
    history: tuple[Outcome, ...] = ()
    reevaluation: Reevaluation | None = None


@dataclass(frozen=True)
class NoTrial:
    """Why there is nothing to claim; ``wait``: the whole budget is reserved, but a trial may still be released.

    ``capped``: as many run as may; ``reason`` is that number. ``quota``: the owner has used its GPU-hours.
    ``quarantined`` and ``device``: the worker's host or GPUs take no trial now, and ``reason`` says why.
    """

    kind: Refusal
    reason: str
    finished: int
    running: int
    waiting: int
    budget: int | None
    running_replicates: int = 0  # replicates, which may have to be tried again


@dataclass(frozen=True)
class Ending:
    """How an attempt ended, and the consequence for its trial. ``gpu`` are measurements as JSON data.

    Every other field is a column of ``hpotool.attempts``, which ``finish.sql`` writes in `end_attempt` and
    `finish_late`.
    """

    outcome: Outcome
    reason: str = ""
    output_tail: str | None = None
    gpu: Mapping[str, Any] | None = None
    follow_up: FollowUp = "none"


@dataclass(frozen=True)
class Orders:
    """The answer to a heartbeat: whether the trial still belongs to this attempt, and people's orders."""

    is_owner: bool
    cancel_reason: str | None
    study_state: StudyState
    study_reason: str
    told_to: Literal["drain", "stop"] | None = None
    yields_to: str | None = None  # the study that needs the attempt's place


def follow_up_of(decision: Decision) -> FollowUp:
    """What to write for a decision of `hpotool.study.rules.retry`."""
    if isinstance(decision, Retry):
        return "retry"
    return "requeue" if isinstance(decision, Requeue) else "none"


def new_attempt_id() -> str:
    """A new attempt's id, chosen before the claim, so that a repeated claim keeps it."""
    return str(uuid.uuid4())


def claim_trial(
    run: Run,
    study_id: int,
    worker: WorkerIdentity,
    attempt_id: str,
    *,
    create_below: int | None = None,
    final_trial_id: int | None = None,
    origin: OriginHashes = OriginHashes(),  # noqa: B008  (frozen)
    in_pool: bool = False,
) -> Attempt | NoTrial:
    """Claim the oldest waiting trial, or a new one, within the budget; includes the first heartbeat.

    The attempt has another id than ``attempt_id`` where that one was claimed before (the answer was lost) and has
    been taken for lost meanwhile. ``create_below``: a new one only while the study has fewer trials, of any state.
    ``final_trial_id``: this trial, a final training, and no other one. ``origin``: what the attempt comes from.
    ``in_pool``: the worker serves others, too.
    """
    rows = run(
        query("claim_in_pool" if in_pool else "claim"),
        {
            "study_id": study_id,
            "attempt_id": attempt_id,
            "worker_id": worker.worker_id,
            "host": worker.host,
            "pid": worker.pid,
            "slot": worker.slot,
            "create_below": create_below,
            "final_trial_id": final_trial_id,
            "code_hash": origin.code,
            "data_hash": origin.data,
        },
    )
    if not rows:
        return NoTrial("stopped", "the study no longer exists", 0, 0, 0, None)
    [(kind, reason, finished, running, waiting, budget, running_replicates, *trial, history)] = rows
    if kind == "spent":
        return claim_trial(
            run,
            study_id,
            worker,
            new_attempt_id(),
            create_below=create_below,
            final_trial_id=final_trial_id,
            origin=origin,
            in_pool=in_pool,
        )
    if kind == "claimed":
        outcomes = tuple(Outcome(outcome) for outcome in history)
        trial_id, number, root_number, started, is_new = trial
        return Attempt(attempt_id, study_id, trial_id, number, root_number, started, is_new, outcomes)
    if kind == "done" and not reason:
        reason = f"{finished} of {budget} trials are finished"
    return NoTrial(kind, reason, finished, running, waiting, budget, running_replicates)


def read_orders(run: Run, worker: WorkerIdentity, attempt: Attempt | None) -> Orders | None:
    """The answer that a heartbeat would get, without sending one; writes nothing."""
    attempt_id = attempt.attempt_id if attempt else None
    rows = run(query("read_orders"), {"worker_id": worker.worker_id, "attempt_id": attempt_id})
    return Orders(*rows[0]) if rows else None


def beat(
    run: Run,
    worker: WorkerIdentity,
    attempt: Attempt | None,
    waits: str | None = None,
    *,
    has_checkpoint: bool = False,
) -> Orders | None:
    """Record that the worker, and its attempt if any, are alive. None: the worker is not registered.

    ``waits``: why the worker starts no trial although there may be one. ``has_checkpoint``: the attempt could go
    on later from where it is.
    """
    attempt_id = attempt.attempt_id if attempt else None
    parameters = {
        "worker_id": worker.worker_id,
        "attempt_id": attempt_id,
        "waits": None if waits is None else storable(waits),
        "has_checkpoint": has_checkpoint,
    }
    rows = run(query("beat"), parameters)
    return Orders(*rows[0]) if rows else None


def finish_attempt(
    run: Run, attempt: Attempt, actor: str, state: TrialState, values: Sequence[float] | None, ending: Ending
) -> datetime | None:
    """End the attempt and its trial; with a follow-up, also queue the trial again.

    Returns the time of the trial's end (naive UTC); None: the trial was taken away before, the attempt is fenced.
    """
    if ending.follow_up != "none":
        return fail_and_queue(
            run, attempt.study_id, attempt.trial_id, actor, ending, attempt_id=attempt.attempt_id
        )
    parameters = (
        _ending_parameters(actor, ending)
        | _value_parameters(values)
        | {
            "trial_id": attempt.trial_id,
            "attempt_id": attempt.attempt_id,
            "state": state.name,
            "event": "finish",
        }
    )
    [(ended,)] = run(query("finish"), parameters)
    return cast("datetime | None", ended)


def fail_and_queue(
    run: Run,
    study_id: int,
    trial_id: int,
    actor: str,
    ending: Ending,
    *,
    attempt_id: str | None = None,
    seen_beat: datetime | None = None,
    event: Literal["finish", "reap"] = "finish",
) -> datetime | None:
    """Fail a RUNNING trial and queue its successor according to ``ending.follow_up``.

    Returns the time of the trial's end; None: it was no longer RUNNING. ``seen_beat`` is the last heartbeat that
    the reaper saw; if there has been another one since, nothing is done.
    """
    parameters = _ending_parameters(actor, ending) | {
        "study_id": study_id,
        "trial_id": trial_id,
        "attempt_id": attempt_id,
        "seen_beat": seen_beat,
        "state": TrialState.FAIL.name,
        "follow_up": ending.follow_up,
        "event": event,
    }
    [(ended,)] = run(query("fail_and_queue"), parameters)
    return cast("datetime | None", ended)


def finish_late(
    run: Run,
    attempt: Attempt,
    actor: str,
    content: TrialContent,
    state: TrialState,
    values: Sequence[float] | None,
    ending: Ending,
) -> bool:
    """Give the result of a fenced attempt to its waiting retry. False: there is none, or it has been claimed.

    ``content`` is the attempt's own record, including parameters and reports that never reached the database.
    """
    parameters = (
        _ending_parameters(actor, ending)
        | _value_parameters(values)
        | _content_parameters(content)
        | {
            "study_id": attempt.study_id,
            "trial_id": attempt.trial_id,
            "attempt_id": attempt.attempt_id,
            "late_attempt_id": str(uuid.uuid5(uuid.UUID(attempt.attempt_id), "late")),
            "state": state.name,
            "started": attempt.started,
            "is_own_trial": False,
        }
    )
    [(is_kept,)] = run(query("finish_late"), parameters)
    return bool(is_kept)


def rescue_content(run: Run, attempt_id: str, content: TrialContent) -> bool:
    """Write another worker's attempt to its trial, as long as it still owns it. False: the attempt is unknown."""
    parameters = _content_parameters(content) | {"attempt_id": attempt_id, "is_own_trial": True}
    [(is_known,)] = run(query("rescue_content"), parameters)
    return bool(is_known)


def stored_value(value: float) -> tuple[float | None, str]:
    """A value as Optuna stores it: a value that is not finite becomes a type without a number."""
    if math.isnan(value):
        return None, "NAN"
    if math.isinf(value):
        return None, "INF_POS" if value > 0 else "INF_NEG"
    return value, "FINITE"


def _value_parameters(values: Sequence[float] | None) -> dict[str, Any]:
    stored = [stored_value(value) for value in values or ()]
    return {
        "objectives": list(range(len(stored))),
        "values": [value for value, _ in stored],
        "value_types": [kind for _, kind in stored],
    }


def _content_parameters(content: TrialContent) -> dict[str, Any]:
    steps = [(step, *stored_value(value)) for step, value in content.steps]
    return {
        "param_names": [name for name, _, _ in content.params],
        "param_values": [value for _, value, _ in content.params],
        "distributions": [distribution for _, _, distribution in content.params],
        "steps": [step for step, _, _ in steps],
        "step_values": [value for _, value, _ in steps],
        "step_types": [kind for _, _, kind in steps],
        "keys": list(content.user_attrs),
        "json_values": list(content.user_attrs.values()),
        "system_keys": list(content.system_attrs),
        "system_json_values": list(content.system_attrs.values()),
    }


def _ending_parameters(actor: str, ending: Ending) -> dict[str, Any]:
    columns = {field.name: getattr(ending, field.name) for field in fields(ending)}
    return columns | {
        "actor": actor,
        "outcome": ending.outcome.value,
        "reason": storable(ending.reason),
        "output_tail": ending.output_tail and storable(ending.output_tail[-_OUTPUT_TAIL:]),
        "gpu": _json_or_none(ending.gpu),
    }


def _json_or_none(data: Mapping[str, Any] | None) -> str | None:
    return None if data is None else to_jsonb(data)
