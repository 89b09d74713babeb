"""The first page: every study, everybody who works on one, and the orders in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpotool.analysis.pace import GONE_AFTER_S, judge_presence
from hpotool.storage.control.overviews import (
    BusyWorker,
    StudyOverview,
    list_all_workers,
    list_open_launches,
    read_ids_and_reasons,
    read_overviews,
)
from hpotool.storage.control.studies import list_studies
from hpotool.study.wording import format_elapsed
from hpotool.web.source import Source

_HELD = ("paused", "draining", "stopped")


@dataclass(frozen=True)
class Order:
    """What people have asked for, and is not done yet."""

    study_id: int
    subject: str
    what: str
    reason: str = ""
    trial: int | None = None


def show_fleet(source: Source) -> dict[str, Any]:
    """Return what the first page shows."""
    connection = source.connection
    summaries = [summary for summary in list_studies(connection) if not summary.is_archived]
    overviews = read_overviews(connection, summaries, GONE_AFTER_S)
    known = read_ids_and_reasons(connection) if summaries else {}
    workers = [(judge_presence(worker.last_beat_s), worker) for worker in list_all_workers(connection)]
    launches = list_open_launches(connection, GONE_AFTER_S)
    return {
        "studies": [(known[one.summary.name][0], one) for one in overviews if one.summary.name in known],
        "workers": [(state, worker) for state, worker in workers if state != "gone"],
        "gone": [worker for state, worker in workers if state == "gone"],
        "slots": _count_slots([worker for state, worker in workers if state != "gone"]),
        "launches": launches,
        "orders": list(_list_orders(overviews, known, [worker for _, worker in workers])),
    }


def _count_slots(workers: Sequence[BusyWorker]) -> dict[str, int]:
    """Return the number of workers here, of their slots, hosts and GPUs, and of those that run a trial."""
    slots = {(worker.host, worker.slot) for worker in workers}
    return {
        "workers": len(workers),
        "with a trial": sum(worker.trial is not None for worker in workers),
        "hosts": len({worker.host for worker in workers}),
        "GPUs": sum(slot not in ("cpu", "none") for _, slot in slots),
    }


def _list_orders(
    overviews: Sequence[StudyOverview], known: Mapping[str, tuple[int, str]], workers: Sequence[BusyWorker]
) -> Iterator[Order]:
    for overview in overviews:
        study_id, reason = known.get(overview.summary.name, (0, ""))
        if overview.state in _HELD and (overview.state != "stopped" or overview.workers):
            yield Order(study_id, overview.summary.name, f"is {overview.state}", reason)
    for worker in workers:
        if worker.told_to is not None:
            silent = f"; last heard of {format_elapsed(worker.last_beat_s)} ago"
            yield Order(worker.study_id, worker.worker, f"is told to {worker.told_to}{silent}")
        if worker.cancel_reason is not None and worker.trial is not None:
            subject = f"trial {worker.trial} of {worker.study}"
            yield Order(worker.study_id, subject, "is told to stop", worker.cancel_reason, worker.trial)
