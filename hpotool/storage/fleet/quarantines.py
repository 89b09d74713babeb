"""Hosts and devices that take no trials of a study, and what a worker's failures are judged by.

A quarantine, the mark on the attempts that it explains, and the new attempts of their trials are one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Run
from hpotool.study.doors import storable
from hpotool.study.outcome import Outcome
from hpotool.study.rules.quarantine import FAILURES, Place, PlacedAttempt
from hpotool.study.rules.retry import EndedAttempt

LASTS = timedelta(hours=24)
_RECENT = 200  # attempts here, and elsewhere
_OF_EACH_WORKER = 50
_OF_BREAKER = 20


@dataclass(frozen=True)
class FailureEvidence:
    """What is known after a failure of a worker.

    Attributes:
        ended: the attempts on which its breaker decides.
        placed: attempts here and elsewhere, newest first.
        quarantine: why this worker takes no trials already; None: it does.
        host: its host, as it is registered.
    """

    ended: Sequence[EndedAttempt]
    placed: Sequence[PlacedAttempt]
    quarantine: str | None
    host: str


@dataclass(frozen=True)
class Quarantine:
    """One entry of the list. ``device`` is a UUID, or None for the whole host."""

    host: str
    device: str | None
    reason: str
    began_by: str
    began_at: datetime
    until: datetime
    lifted_by: str | None
    lifted_at: datetime | None
    is_open: bool

    @property
    def place(self) -> Place:
        """The host or device that it is about."""
        return Place(self.host, self.device)


def read_failure_evidence(run: Run, study_id: int, worker_id: str) -> FailureEvidence:
    """Read it in one round trip; a worker that is not registered has no host."""
    parameters = {
        "study_id": study_id,
        "worker_id": worker_id,
        "last": _OF_BREAKER,
        "recent": _RECENT,
        "of_each": _OF_EACH_WORKER,
    }
    [(ended, placed, quarantine, host)] = run(query("read_failure_evidence"), parameters)
    return FailureEvidence(
        [EndedAttempt(Outcome(outcome), worker, point) for outcome, worker, point in ended],
        [PlacedAttempt(Outcome(outcome), where, tuple(devices), root) for outcome, where, devices, root in placed],
        quarantine,
        host or "",
    )


def begin_quarantine(
    run: Run,
    study_id: int,
    place: Place,
    reason: str,
    actor: str,
    *,
    lasts: timedelta = LASTS,
    roots: Sequence[int] = (),
    needs_others_within: timedelta | None = None,
) -> int | None:
    """Put a place in quarantine; return how many of the trials ``roots`` were queued again.

    None: it is in quarantine already, or ``needs_others_within`` is given and no other worker has taken trials
    elsewhere for so long: somebody must be left to work.
    """
    parameters = _burn_parameters(study_id, place, roots, actor) | {
        "reason": storable(reason),
        "for_s": lasts.total_seconds(),
        "needs_others": needs_others_within is not None,
        "grace_s": (needs_others_within or timedelta()).total_seconds(),
    }
    [(has_begun, queued)] = run(query("begin_quarantine"), parameters)
    return int(queued) if has_begun else None


def return_burnt(run: Run, study_id: int, place: Place, roots: Sequence[int], actor: str) -> int:
    """Queue trials again that failed where a quarantine holds by now; return how many."""
    [(_, queued)] = run(query("return_burnt"), _burn_parameters(study_id, place, roots, actor))
    return int(queued)


def lift_quarantines(run: Run, study_id: int, place: str | None, actor: str) -> list[str]:
    """Let a host or device take trials again, or all of them; return their names."""
    rows = run(query("lift_quarantines"), {"study_id": study_id, "place": place, "actor": actor})
    return [name for (name,) in rows]


def list_quarantines(run: Run, study_id: int, *, with_past: bool = False) -> list[Quarantine]:
    """The quarantines that hold, the newest first, or all there ever were."""
    rows = run(query("list_quarantines"), {"study_id": study_id, "with_past": with_past})
    return [Quarantine(*row) for row in rows]


def find_host_of_device(run: Run, study_id: int, device: str) -> str | None:
    """The host on which a worker of the study used the device last."""
    rows = run(query("find_host_of_device"), {"study_id": study_id, "device": device})
    return rows[0][0] if rows else None


def note_device(
    run: Run, study_id: int, worker_id: str, to_state: Literal["failed", "recovered"], reason: str
) -> None:
    """Record that a worker leaves its GPU alone, or uses it again."""
    parameters = {"study_id": study_id, "actor": worker_id, "to_state": to_state, "reason": storable(reason)}
    run(query("note_device"), parameters)


def note_device_in_pool(
    run: Run, pool: str, worker_id: str, to_state: Literal["failed", "recovered"], reason: str
) -> None:
    """The same for a worker of a pool, in each of the pool's studies that runs."""
    parameters = {"pool": pool, "actor": worker_id, "to_state": to_state, "reason": storable(reason)}
    run(query("note_device_in_pool"), parameters)


def _burn_parameters(study_id: int, place: Place, roots: Sequence[int], actor: str) -> dict[str, Any]:
    return {
        "study_id": study_id,
        "host": place.host,
        "device": place.device,
        "roots": list(roots),
        "failures": sorted(outcome.value for outcome in FAILURES),
        "actor": actor,
        "follow_up": "requeue",
        "event": "finish",
    }
