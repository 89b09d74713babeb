"""Who works on a study, as the registry and the schedulers see it, in one table.

The registry knows who beats, the scheduler who waits and why. A place of a launch and the worker that registered
from it are one row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from hpotool.errors import HpotoolError, NotFoundError
from hpotool.launch.job import Job, JobState
from hpotool.launch.start import look_at
from hpotool.launch.targets.open import open_target
from hpotool.settings import Pulse, read_pulse
from hpotool.storage.control.launches import FleetWorker, Launch, list_fleet, list_launches
from hpotool.storage.fleet.attempts import Run

State = Literal["alive", "silent", "gone", "starting", "pending", "left", "unknown"]
_WITHOUT_WORKER: dict[JobState, State] = {
    "pending": "pending",
    "running": "starting",
    "ended": "left",
    "lost": "gone",
    "unknown": "unknown",
}
_ORDER: tuple[State, ...] = ("alive", "silent", "starting", "pending", "unknown", "gone", "left")


@dataclass(frozen=True)
class Row:
    """One worker, or one place where one should be.

    Attributes:
        state: alive, silent or gone by its beats; starting where its process is there and has not registered yet;
            pending where the scheduler waits, unknown where nobody can say; left where it ended.
        why: why it does not run, or what the scheduler says beyond the state.
        job: the scheduler's name of the place.
        last_beat_s: how long ago it was heard of; None where it has not registered.
    """

    state: State
    worker: str | None
    trial: int | None
    last_beat_s: float | None
    why: str
    launch: str | None
    job: str | None
    host: str | None
    slot: str | None

    def as_data(self) -> dict[str, Any]:
        """The row as JSON data."""
        return asdict(self)


@dataclass(frozen=True)
class Fleet:
    """A study's workers and launches. ``errors`` says of a launch why its system did not answer."""

    rows: Sequence[Row]
    launches: Sequence[Launch]
    errors: Mapping[str, str]

    def launches_as_data(self) -> list[dict[str, Any]]:
        """Each launch with how many of its workers are here, and how many are to come."""
        return [self._launch_as_data(launch) for launch in self.launches]

    def _launch_as_data(self, launch: Launch) -> dict[str, Any]:
        own = [row for row in self.rows if row.launch == launch.launch_id]
        return {
            "launch": launch.launch_id,
            "target": launch.target,
            "wanted": launch.wanted,
            "here": sum(row.state in ("alive", "silent") for row in own),
            "coming": sum(row.state in ("starting", "pending") for row in own),
            "is_stopped": launch.is_stopped,
            "error": self.errors.get(launch.launch_id),
        }


def read_fleet(run: Run, study_id: int, launch_id: str | None = None) -> Fleet:
    """Who works on the study, of one launch or of all: the registry and every scheduler are asked.

    Raises:
        NotFoundError: there is no launch of that name.
    """
    launches = [each for each in list_launches(run, study_id) if launch_id in (None, each.launch_id)]
    if launch_id is not None and not launches:
        raise NotFoundError(f"the study has no launch {launch_id}", "hpotool workers lists them")
    workers = [worker for worker in list_fleet(run, study_id) if launch_id in (None, worker.launch_id)]
    at_work = {worker.launch_id for worker in workers if not worker.has_ended}
    jobs = {
        launch.launch_id: ask_system(launch)
        for launch in launches
        if not launch.is_stopped or launch.launch_id in at_work  # of others there is nothing to see
    }
    errors = {name: said for name, said in jobs.items() if isinstance(said, str)}
    return Fleet(fleet_rows(workers, launches, jobs, read_pulse()), launches, errors)


def ask_system(launch: Launch) -> list[Job] | str:
    """What the launch's system says; a sentence where it does not answer. That may take a minute."""
    try:
        with open_target(launch.target, launch.request) as target:
            return look_at(target, launch)
    except HpotoolError as error:
        return error.message


def fleet_rows(
    workers: Sequence[FleetWorker],
    launches: Sequence[Launch],
    jobs: Mapping[str, Sequence[Job] | str],
    pulse: Pulse,
) -> list[Row]:
    """One row for each worker and each place.

    Args:
        jobs: of each launch, what its system says; a sentence where it did not answer.
    """
    of_launch: dict[str | None, list[FleetWorker]] = defaultdict(list)
    for worker in workers:
        of_launch[worker.launch_id].append(worker)
    rows = [_alone(worker, "", pulse) for worker in of_launch.pop(None, [])]
    for launch in launches:
        rows += _rows_of(launch, of_launch.pop(launch.launch_id, []), jobs.get(launch.launch_id, ()), pulse)
    rows += [_alone(worker, "", pulse) for others in of_launch.values() for worker in others]
    return sorted(rows, key=lambda row: _ORDER.index(row.state))


def judge_presence(silent_s: float, pulse: Pulse) -> Literal["alive", "silent", "gone"]:
    """Whether a worker heard so long ago is there: silent after two beats, gone after two grace periods."""
    if silent_s <= 2 * pulse.interval.total_seconds():
        return "alive"
    return "silent" if silent_s <= 2 * pulse.grace.total_seconds() else "gone"


def _rows_of(launch: Launch, workers: Sequence[FleetWorker], jobs: Sequence[Job] | str, pulse: Pulse) -> list[Row]:
    if isinstance(jobs, str):
        return [_alone(worker, jobs, pulse) for worker in workers]
    unreachable = {job.where: job for job in jobs if job.state == "unknown"}
    rows, matched = [], set()
    for job in jobs:
        here = [worker for worker in workers if worker.job == job.name]
        matched |= {worker.worker_id for worker in here}
        if job.state == "unknown" and job.name.endswith("/"):  # a whole host, of which its workers are told below
            rows += [] if _is_any_from(job, workers) else [_place(launch, job, "unknown")]
        else:
            rows.append(_together(launch, job, here[-1] if here else None, pulse))
    for worker in workers:
        if worker.worker_id not in matched:
            away = unreachable.get((worker.job or "").rpartition("/")[0])
            rows.append(_alone(worker, away.why if away and not worker.has_ended else "", pulse))
    return rows


def _is_any_from(job: Job, workers: Sequence[FleetWorker]) -> bool:
    return any((worker.job or "").startswith(job.name) for worker in workers)


def _together(launch: Launch, job: Job, worker: FleetWorker | None, pulse: Pulse) -> Row:
    """A place and the worker that registered from it last."""
    is_beating = worker is not None and not worker.has_ended and judge_presence(worker.silent_s, pulse) == "alive"
    if job.state == "pending" and not is_beating:
        return _place(launch, job, "pending")
    if worker is None:
        return _place(launch, job, _WITHOUT_WORKER[job.state])
    if job.state == "running" and worker.has_ended:  # its next attempt comes
        return _place(launch, job, "starting")
    if job.state in ("ended", "lost") and not worker.has_ended:
        # Its own beats outweigh what a scheduler believes: on a lost node a worker may live on.
        state: State = "alive" if is_beating and _may_live(job) else "gone"
        return _worker_row(worker, state, job.why, job.where)
    return _alone(worker, job.why, pulse, job.where)


def _may_live(job: Job) -> bool:
    """Whether who says that it is over only believes so: a scheduler that lost a node, not a process table."""
    return "/" not in job.name


def _alone(worker: FleetWorker, why: str, pulse: Pulse, where: str = "") -> Row:
    if worker.has_ended:
        return _worker_row(worker, "left", worker.end_reason or "", where)
    return _worker_row(worker, judge_presence(worker.silent_s, pulse), why, where)


def _worker_row(worker: FleetWorker, state: State, why: str, where: str) -> Row:
    if not why and not worker.has_ended:
        why = f"told to {worker.told_to}" if worker.told_to else worker.waits or ""
    if worker.differs and not worker.has_ended:
        why = "; ".join(filter(None, (why, f"differs from the study: {worker.differs}")))
    return Row(
        state,
        worker.worker_id,
        worker.trial,
        round(worker.silent_s, 1),
        why,
        worker.launch_id,
        worker.job,
        where or worker.host,
        worker.slot,
    )


def _place(launch: Launch, job: Job, state: State) -> Row:
    return Row(state, None, None, None, job.why, launch.launch_id, job.name, job.where or None, None)
