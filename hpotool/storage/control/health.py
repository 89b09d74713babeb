"""What can be seen of the health of a database and of a study, as plain facts; `hpotool.doctor` judges them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Run

_ASKED = 5  # times, for the round trip


@dataclass(frozen=True)
class DatabaseHealth:
    """The server and this connection to it. ``clock_ahead_s`` is by how much its clock is before ours."""

    round_trip_s: float
    clock_ahead_s: float
    version: int
    is_standby: bool
    encoding: str
    not_durable: Sequence[str]
    is_encrypted: bool
    free_connections: int
    without_vacuum: Sequence[str]
    left_open: Sequence[Mapping[str, Any]]
    missing_rights: Mapping[str, str]


@dataclass(frozen=True)
class StudyHealth:
    """A study's workers, trials that nobody works on, and how its last attempts ended.

    Attributes:
        neighbours: GPUs on which several workers of any study live: host, slot, count.
        lost: numbers of trials that run on workers which are gone.
        foreign: numbers of trials that run without a heartbeat, as plain Optuna's do.
        unfollowed: failed trials that nothing tries again: number, outcome, earlier outcomes.
        recent: the last attempts: host, outcome, reason; the newest first.
        quarantined: hosts and GPUs that take no trials of it.
        pool_workers: how many workers of its pool live, whichever study they serve.
        mismatch: what does not fit between pruner and objective, if that was noted.
    """

    workers: Sequence[Mapping[str, Any]]
    neighbours: Sequence[Mapping[str, Any]]
    lost: Sequence[int]
    foreign: Sequence[int]
    unfollowed: Sequence[Mapping[str, Any]]
    recent: Sequence[Mapping[str, Any]]
    mismatch: str | None
    quarantined: Sequence[str] = ()
    pool_workers: int = 0


def read_database_health(connection: Connection) -> DatabaseHealth:
    """Ask the server, over one connection."""
    connection.run("SELECT 1")  # opens it
    trips = [_time_round_trip(connection) for _ in range(_ASKED)]
    before = time.time()
    [(facts,)] = connection.run(query("database_health"))
    middle = (before + time.time()) / 2
    limit = facts["connection_limit"]
    free = facts["max_connections"] - facts["used_connections"]
    return DatabaseHealth(
        min(trips),
        float(facts["now"]) - middle,
        facts["version"],
        facts["is_standby"],
        facts["encoding"],
        facts["not_durable"],
        facts["is_encrypted"],
        free if limit is None else min(free, limit - facts["here"]),
        facts["without_vacuum"],
        facts["left_open"],
        dict(connection.run(query("missing_rights"))),
    )


def read_study_health(run: Run, study_id: int, *, silent_after_s: float, gone_after_s: float) -> StudyHealth:
    """Ask about one study."""
    parameters = {"study_id": study_id, "silent_after_s": silent_after_s, "gone_after_s": gone_after_s}
    [(facts,)] = run(query("study_health"), parameters)
    return StudyHealth(**facts)


def _time_round_trip(connection: Connection) -> float:
    began = time.monotonic()
    connection.run("SELECT 1")
    return time.monotonic() - began
