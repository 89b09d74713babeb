"""What was launched for a study, and the workers that came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hpotool.storage.database.queries import query, to_jsonb
from hpotool.storage.fleet.attempts import Run


@dataclass(frozen=True)
class Launch:
    """Some workers that one command started. ``request`` is what was asked for, ``jobs`` the scheduler's names."""

    launch_id: str
    target: str
    wanted: int
    request: Mapping[str, Any]
    jobs: tuple[str, ...]
    launched_by: str
    ago_s: float
    is_stopped: bool


@dataclass(frozen=True)
class FleetWorker:
    """A worker as the registry knows it. ``job`` is its place in its launch; ``silent_s`` by the database's clock.

    ``has_ended``: it said goodbye, and why. ``waits``: why it starts no trial although there may be one.
    """

    worker_id: str
    host: str
    pid: int
    slot: str
    version: str
    launch_id: str | None
    job: str | None
    silent_s: float
    told_to: str | None
    has_ended: bool
    end_reason: str | None
    trial: int | None
    waits: str | None = None


def record_launch(
    run: Run,
    study_id: int,
    launch_id: str,
    target: str,
    wanted: int,
    request: Mapping[str, Any],
    actor: str,
    reason: str,
) -> None:
    """Enter a launch and its event; sent twice it is entered once."""
    run(
        query("record_launch"),
        {
            "launch_id": launch_id,
            "study_id": study_id,
            "target": target,
            "wanted": wanted,
            "request": to_jsonb(request),
            "actor": actor,
            "reason": reason,
        },
    )


def change_launch(run: Run, launch_id: str, wanted: int, jobs: Sequence[str], actor: str, reason: str) -> None:
    """Note another number of workers, and the jobs that came on top; with the event."""
    parameters = {"launch_id": launch_id, "wanted": wanted, "jobs": list(jobs), "actor": actor, "reason": reason}
    run(query("change_launch"), parameters)


def stop_launch(run: Run, launch_id: str, actor: str, reason: str) -> None:
    """Tell every worker of the launch, those that are still to come included, to hand its trial back and leave."""
    run(query("stop_launch"), {"launch_id": launch_id, "actor": actor, "reason": reason})


def tell_workers(
    run: Run, study_id: int, worker_ids: Sequence[str], told_to: Literal["drain", "stop"] = "stop"
) -> list[str]:
    """Tell some workers to leave; those that had not ended."""
    parameters = {"study_id": study_id, "worker_ids": list(worker_ids), "told_to": told_to}
    return [worker_id for (worker_id,) in run(query("tell_workers"), parameters)]


def list_launches(run: Run, study_id: int) -> list[Launch]:
    """The launches of a study, the first one first."""
    rows = run(query("list_launches"), {"study_id": study_id})
    return [
        Launch(launch_id, target, wanted, request, tuple(jobs), by, ago_s, is_stopped)
        for launch_id, target, wanted, request, jobs, by, ago_s, is_stopped in rows
    ]


def list_fleet(run: Run, study_id: int) -> list[FleetWorker]:
    """The workers that have not ended, and the launched ones that ended within the last hour."""
    return [FleetWorker(*row) for row in run(query("list_fleet"), {"study_id": study_id})]
