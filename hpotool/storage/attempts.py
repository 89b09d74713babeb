"""Claim, beat, finish, reap: each is one transaction and one round trip, so that nothing can fall between two.

What holds after any of them, whatever dies when:

* a trial that is RUNNING has an attempt and a heartbeat;
* a trial that failed and is to be tried again has exactly one successor;
* an attempt whose trial is not RUNNING any more can write nothing to it (it is fenced);
* sent again because the answer was lost, each of them answers as if it had been sent once.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from optuna.trial import FrozenTrial, TrialState

from hpotool.storage.connection import Rows
from hpotool.storage.queries import query
from hpotool.storage.worker_identity import WorkerIdentity
from hpotool.study.outcome import Outcome

Run = Callable[[str, Mapping[str, Any]], Rows]  # one round trip, one transaction
FollowUp = Literal["none", "retry", "requeue"]
StudyState = Literal["running", "paused", "draining", "stopped", "done"]

_OUTPUT_TAIL = 16_384  # characters of an attempt's output that the database keeps


@dataclass(frozen=True)
class Attempt:
    """One execution of a trial that this worker has claimed.

    ``root_number`` names the lineage (seed, checkpoints, Hyperband bracket): the number of the trial that was
    tried first. ``history`` holds the outcomes of the earlier attempts of that lineage, oldest first.
    """

    attempt_id: str
    study_id: int
    trial_id: int
    number: int
    root_number: int
    history: tuple[Outcome, ...] = ()


@dataclass(frozen=True)
class NoTrial:
    """Why there is nothing to claim: ``wait`` means that all places are held, and one may come free again."""

    kind: Literal["wait", "paused", "draining", "stopped", "done"]
    reason: str
    finished: int
    running: int
    waiting: int
    budget: int | None


@dataclass(frozen=True)
class Ending:
    """How an attempt ended, and what follows for its trial. ``gpu`` are figures as JSON data."""

    outcome: Outcome
    reason: str = ""
    output_tail: str | None = None
    gpu: Mapping[str, Any] | None = None
    follow_up: FollowUp = "none"


@dataclass(frozen=True)
class Orders:
    """What a beat brings back: whether the trial is still this attempt's, and what people want."""

    is_owner: bool
    cancel_reason: str | None
    study_state: StudyState
    study_reason: str
    told_to: Literal["drain", "stop"] | None


def new_attempt_id() -> str:
    """The identity of an attempt that is about to be claimed; a claim sent again keeps it."""
    return str(uuid.uuid4())


def claim_trial(run: Run, study_id: int, worker: WorkerIdentity, attempt_id: str) -> Attempt | NoTrial:
    """Claim the oldest waiting trial, or a new one, within the budget; the first heartbeat is part of it."""
    [(kind, reason, finished, running, waiting, budget, trial_id, number, root_number, history)] = run(
        query("claim"),
        {
            "study_id": study_id,
            "attempt_id": attempt_id,
            "worker_id": worker.worker_id,
            "host": worker.host,
            "pid": worker.pid,
            "slot": worker.slot,
            "now": datetime.now(),  # noqa: DTZ005  (Optuna's columns hold local time without a zone)
        },
    )
    if kind == "claimed":
        outcomes = tuple(Outcome(outcome) for outcome in history)
        return Attempt(attempt_id, study_id, trial_id, number, root_number, outcomes)
    if kind == "done" and not reason:
        reason = f"{finished} of {budget} trials are finished"
    return NoTrial(kind, reason, finished, running, waiting, budget)


def beat(
    run: Run,
    worker: WorkerIdentity,
    attempt: Attempt | None,
    *,
    since_progress: timedelta | None = None,
    gpu: Mapping[str, Any] | None = None,
) -> Orders | None:
    """Say that the worker, and its attempt if it has one, are alive. None: the worker is not registered.

    ``since_progress`` is how long ago the attempt last reported something; a duration, because only the database's
    clock is believed.
    """
    rows = run(
        query("beat"),
        {
            "worker_id": worker.worker_id,
            "attempt_id": attempt.attempt_id if attempt else None,
            "progress_age": since_progress,
            "gpu": _json_or_none(gpu),
        },
    )
    return Orders(*rows[0]) if rows else None


def finish_attempt(
    run: Run, attempt: Attempt, actor: str, state: TrialState, values: Sequence[float] | None, ending: Ending
) -> bool:
    """End the attempt and its trial; with a follow-up, queue the trial again. False: the attempt was fenced."""
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
    [(answer, _)] = run(query("finish"), parameters)
    return bool(answer != "fenced")


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
) -> bool:
    """Fail a RUNNING trial and queue its successor as ``ending.follow_up`` says. False: it was not RUNNING.

    ``seen_beat`` is the last beat that a reaper saw: if there was another one since, nothing is done.
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
    [(answer, _)] = run(query("fail_and_queue"), parameters)
    return bool(answer != "fenced")


def finish_late(
    run: Run,
    attempt: Attempt,
    actor: str,
    trial: FrozenTrial,
    state: TrialState,
    values: Sequence[float] | None,
    ending: Ending,
) -> bool:
    """Give the result of a fenced attempt to its waiting retry. False: there is none, or somebody has claimed it.

    ``trial`` is what the attempt itself knows: parameters and reports that never reached the database go along.
    """
    steps = [(step, *stored_intermediate_value(value)) for step, value in trial.intermediate_values.items()]
    inner = {name: trial.distributions[name].to_internal_repr(value) for name, value in trial.params.items()}
    lineage = ("failed_trial", "retry_history")
    system = {key: value for key, value in trial.system_attrs.items() if key not in lineage}
    parameters = (
        _ending_parameters(actor, ending)
        | _value_parameters(values)
        | {
            "study_id": attempt.study_id,
            "trial_id": attempt.trial_id,
            "attempt_id": attempt.attempt_id,
            "late_attempt_id": str(uuid.uuid5(uuid.UUID(attempt.attempt_id), "late")),
            "state": state.name,
            "started": trial.datetime_start,
            "param_names": list(inner),
            "param_values": list(inner.values()),
            "distributions": [_distribution_json(trial.distributions[name]) for name in inner],
            "steps": [step for step, _, _ in steps],
            "step_values": [value for _, value, _ in steps],
            "step_types": [kind for _, _, kind in steps],
            "keys": list(trial.user_attrs),
            "json_values": [json.dumps(value) for value in trial.user_attrs.values()],
            "system_keys": list(system),
            "system_json_values": [json.dumps(value) for value in system.values()],
        }
    )
    [(is_kept,)] = run(query("finish_late"), parameters)
    return bool(is_kept)


def stored_intermediate_value(value: float) -> tuple[float | None, str]:
    """A reported value as Optuna stores it: what is not finite is a type without a number."""
    if math.isnan(value):
        return None, "NAN"
    return stored_value(value)


def stored_value(value: float) -> tuple[float | None, str]:
    """A value as Optuna stores it: infinities are a type without a number."""
    if math.isinf(value):
        return None, "INF_POS" if value > 0 else "INF_NEG"
    return value, "FINITE"


def _distribution_json(distribution: Any) -> str:
    from optuna.distributions import distribution_to_json

    return distribution_to_json(distribution)


def _value_parameters(values: Sequence[float] | None) -> dict[str, Any]:
    stored = [stored_value(value) for value in values or ()]
    return {
        "objectives": list(range(len(stored))),
        "values": [value for value, _ in stored],
        "value_types": [kind for _, kind in stored],
    }


def _ending_parameters(actor: str, ending: Ending) -> dict[str, Any]:
    return {
        "actor": actor,
        "outcome": ending.outcome.value,
        # Postgres refuses NUL in text, and a program may print anything.
        "reason": ending.reason.replace("\0", "�"),
        "output_tail": ending.output_tail and ending.output_tail[-_OUTPUT_TAIL:].replace("\0", "�"),
        "gpu": _json_or_none(ending.gpu),
        "now": datetime.now(),  # noqa: DTZ005  (as above)
    }


def _json_or_none(data: Mapping[str, Any] | None) -> str | None:
    return None if data is None else json.dumps(data)
