"""A worker's turns in its pool: the choice of its next study, and the places that a study takes from others.

Invariants:

* a choice is one transaction in one round trip, which also settles the worker's last turn;
* no two workers of a pool choose at the same time, so each sees what the others were given;
* a choice promises nothing: the claim that follows it decides alone on budget, `max_running` and quota.

A choice that is sent twice because its answer was lost charges a study twice. That moves its share by one trial.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpotool import __version__
from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Refusal, Run
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.doors import storable


@dataclass(frozen=True)
class Turn:
    """One study's turn on a worker. ``charged_s`` is what it was charged; ``version`` of its place in the pool."""

    study_id: int
    charged_s: float
    version: int


@dataclass(frozen=True)
class NoTurn:
    """No study of the pool has a place now. ``may_come``: one may have later, without anybody changing a study."""

    may_come: bool


@dataclass(frozen=True)
class EndedTurn:
    """How a turn ended: it took so long, or, with ``refusal``, there was nothing to claim.

    Without either, the worker cannot run the study: what the turn was charged is given back.
    """

    turn: Turn
    took_s: float = 0.0
    refusal: Refusal | None = None


@dataclass(frozen=True)
class PoolStudy:
    """The stored settings of a study that a worker is to serve."""

    name: str
    spec: Mapping[str, Any]
    versions: Mapping[str, str]


def choose_study(run: Run, pool: str, last: EndedTurn | None = None, unfit: Collection[int] = ()) -> Turn | NoTurn:
    """Settle the worker's last turn and decide on its next one; ``unfit`` are studies that it cannot run."""
    settled = {
        "served": last.turn.study_id if last else None,
        "took_s": last.took_s if last else None,
        "charged_s": last.turn.charged_s if last else None,
        "refused_because": last.refusal if last else None,
        "seen_version": last.turn.version if last else None,
    }
    parameters = {"pool": pool, "unfit": list(unfit), **settled}
    [(study_id, charged_s, version, may_come)] = run(query("choose_study"), parameters)
    return NoTurn(bool(may_come)) if study_id is None else Turn(study_id, charged_s, version)


def register_pool_worker(
    run: Run,
    pool: str,
    worker: WorkerIdentity,
    launch_id: str | None = None,
    job: str | None = None,
    devices: Sequence[str] = (),
) -> None:
    """Register a worker of the pool; registering it again has no effect. ``devices`` as in `register_worker`."""
    known = {
        "pool": pool,
        "version": __version__,
        "launch_id": launch_id,
        "job": job,
        "devices": list(devices),
    }
    run(query("register_pool_worker"), vars(worker) | known)


def leave_study(run: Run, study_id: int, worker_id: str, reason: str) -> None:
    """Tell the study that a worker of its pool gives up on it, and works for the others."""
    run(query("leave_study"), {"study_id": study_id, "worker_id": worker_id, "reason": storable(reason)})


def is_pool_over(run: Run, pool: str) -> bool:
    """Whether every study of the pool is done, stopped or draining."""
    [(is_over,)] = run(query("is_pool_over"), {"pool": pool})
    return bool(is_over)


def read_pool_study(run: Run, study_id: int) -> PoolStudy | None:
    """The study as its workers need it; None: it was deleted meanwhile."""
    rows = run(query("read_pool_study"), {"study_id": study_id})
    return PoolStudy(*rows[0]) if rows else None


def ask_for_places(run: Run, pool: str, actor: str, gone_after_s: float) -> list[tuple[int, str]]:
    """If a study of the pool may take places and needs some: ask for them; return trials and their studies.

    One round trip if there is nothing to ask for, else one more for each study that wants a place, up to the first
    that can use one. Workers hear it with their next heartbeat.
    """
    place = {"pool": pool, "gone_after_s": gone_after_s}
    for (study_id,) in run(query("find_wanting_studies"), place):
        rows = run(query("ask_for_places"), {**place, "study_id": study_id, "actor": actor})
        if rows:
            return [(number, study) for number, study in rows]
    return []
