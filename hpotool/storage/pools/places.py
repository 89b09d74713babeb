"""The pools as people see them: their studies with what was asked for and what runs, and their workers."""

from __future__ import annotations

from dataclasses import dataclass

from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Run, StudyState


@dataclass(frozen=True)
class Place:
    """A study in its pool, "" if it is in none. ``closed_because`` is why it gets no trial now; None: it gets one.

    ``quota`` says that its owner has used one up, ``day_s`` is worker time of the last day.
    """

    pool: str
    study: str
    priority: int
    weight: float
    max_running: int | None
    owner: str | None
    preempts: bool
    state: StudyState
    closed_because: str | None
    quota: str | None
    running: int
    workers: int
    day_s: float


@dataclass(frozen=True)
class PoolWorkers:
    """How many workers of a pool are alive, and how many of them have a trial."""

    pool: str
    alive: int
    busy: int


def list_places(
    run: Run, gone_after_s: float, *, pool: str | None = None, study: str | None = None
) -> list[Place]:
    """The studies of all pools, of one, or one study; by pool, and in it the highest priority first."""
    parameters = {"pool": pool, "study_name": study, "gone_after_s": gone_after_s}
    return [Place(*row) for row in run(query("list_places"), parameters)]


def read_place(run: Run, gone_after_s: float, study: str) -> Place | None:
    """The place of one study; None if it has no settings, or the tables are of an earlier release."""
    if not run("SELECT to_regclass('hpotool.pool_places') IS NOT NULL", {})[0][0]:
        return None
    found = run(query("list_places"), {"pool": None, "study_name": study, "gone_after_s": gone_after_s})
    return Place(*found[0]) if found else None


def count_pool_workers(run: Run, gone_after_s: float) -> list[PoolWorkers]:
    """The pools that have workers."""
    return [PoolWorkers(*row) for row in run(query("count_pool_workers"), {"gone_after_s": gone_after_s})]
