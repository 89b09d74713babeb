"""Jobs beside the workers, each done by one process at a time: the holder of its row, by the database's clock.

A holder that falls silent loses the job, and finds that out with whatever it writes next.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Run


@dataclass(frozen=True)
class Job:
    """One job of one study, as one process does it. ``name`` says which and where to: ``mlflow http://…``."""

    study_id: int
    name: str
    holder: str

    @property
    def parameters(self) -> dict[str, object]:
        """What names the job in a statement."""
        return {"study_id": self.study_id, "job": self.name, "holder": self.holder}


@dataclass(frozen=True)
class Arrived:
    """Which trials have arrived, by number: all below one, and some beyond. ``refused`` are those that cannot."""

    below: int = 0
    beyond: frozenset[int] = frozenset()
    refused: frozenset[int] = frozenset()

    def __contains__(self, number: int) -> bool:
        return number < self.below or number in self.beyond

    def with_more(self, numbers: Iterable[int], refused: Iterable[int] = ()) -> Arrived:
        """The same with more; the numbers that follow each other from below are told as one."""
        refused = frozenset(refused)
        below, beyond = (
            self.below,
            {number for number in self.beyond.union(numbers, refused) if number >= self.below},
        )
        while below in beyond:
            beyond.remove(below)
            below += 1
        return Arrived(below, frozenset(beyond), self.refused.union(refused))


@dataclass(frozen=True)
class Held:
    """A job that this process holds: ``job_id`` names it in the place it sends to, and survives a rename."""

    job_id: str
    arrived: Arrived


@dataclass(frozen=True)
class JobRecord:
    """How far a job is. ``holder`` is None where nobody does it."""

    name: str
    holder: str | None
    arrived: int
    refused: tuple[int, ...]
    missing: int
    trouble: str | None
    trouble_s: float | None  # how long ago


def take_job(run: Run, job: Job, held_for: timedelta) -> Held | None:
    """Take the job, or go on holding it; None where another process has it."""
    rows = run(query("take_job"), {**job.parameters, "for_s": held_for.total_seconds()})
    if not rows:
        return None
    job_id, below, beyond, refused = rows[0]
    return Held(job_id, Arrived(below, frozenset(beyond), frozenset(refused)))


def is_job_free(run: Run, job: Job) -> bool:
    """Whether no other process holds the job."""
    [(is_free,)] = run(query("is_job_free"), job.parameters)
    return bool(is_free)


def release_job(run: Run, job: Job) -> None:
    """Let another process take the job at once."""
    run(query("release_job"), job.parameters)


def advance_job(run: Run, job: Job, arrived: Arrived) -> bool:
    """Note which trials arrived. False: another process holds the job by now, and nothing was noted."""
    numbers = {"beyond": sorted(arrived.beyond), "refused": sorted(arrived.refused)}
    return bool(run(query("advance_job"), {**job.parameters, "below": arrived.below, **numbers}))


def note_trouble(run: Run, job: Job, trouble: str) -> None:
    """Note what keeps the job from going on, for whoever asks how far it is."""
    run(query("note_trouble"), {**job.parameters, "trouble": trouble})


def restart_job(run: Run, job: Job) -> None:
    """Forget which trials arrived, so that all are sent again."""
    run(query("restart_job"), job.parameters)


def list_jobs(run: Run, study_id: int) -> list[JobRecord]:
    """The jobs of a study, the first one first."""
    rows = run(query("list_jobs"), {"study_id": study_id})
    return [
        JobRecord(name, holder, arrived, tuple(refused), missing, trouble, trouble_s)
        for name, holder, arrived, refused, missing, trouble, trouble_s in rows
    ]
