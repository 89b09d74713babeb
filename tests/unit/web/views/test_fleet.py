"""The first page: who works, and which orders are in force."""

from __future__ import annotations

from hpotool.storage.control.overviews import BusyWorker, StudyOverview
from hpotool.storage.control.studies import StudySummary
from hpotool.web.views.fleet import Order, _count_slots, _list_orders


def busy(
    worker: str = "w", host: str = "h", slot: str = "cpu", trial: int | None = None, **orders: str | None
) -> BusyWorker:
    told, cancel = orders.get("told_to"), orders.get("cancel_reason")
    return BusyWorker(1, "s", worker, host, slot, None, 12.0, told, trial, None, None, cancel)


def overview(name: str, state: str, workers: int = 0) -> StudyOverview:
    return StudyOverview(StudySummary(name, {"loss": "minimize"}, {}), state, workers=workers)


def test_slots_hosts_and_gpus_are_counted_once() -> None:
    workers = [
        busy("a", "one", "GPU-1", 3),
        busy("b", "one", "GPU-1"),  # two workers share a GPU
        busy("c", "one", "GPU-2", 4),
        busy("d", "two", "GPU-1"),
        busy("e", "two", "cpu"),
    ]
    assert _count_slots(workers) == {"workers": 5, "with a trial": 2, "hosts": 2, "GPUs": 3}
    assert _count_slots([]) == {"workers": 0, "with a trial": 0, "hosts": 0, "GPUs": 0}


def test_orders_in_force_are_those_to_studies_workers_and_trials() -> None:
    overviews = [
        overview("idle", "running"),
        overview("held", "paused"),
        overview("leaving", "draining"),
        overview("old", "stopped"),  # nobody is left to obey
        overview("stopping", "stopped", workers=2),
        overview("over", "done"),
    ]
    known = {one.summary.name: (place, "lunch") for place, one in enumerate(overviews)}
    workers = [busy("a"), busy("b", told_to="drain"), busy("c", trial=7, cancel_reason="too slow")]
    assert list(_list_orders(overviews, known, workers)) == [
        Order(1, "held", "is paused", "lunch"),
        Order(2, "leaving", "is draining", "lunch"),
        Order(4, "stopping", "is stopped", "lunch"),
        Order(1, "b", "is told to drain; last heard of 12 s ago"),
        Order(1, "trial 7 of s", "is told to stop", "too slow", 7),
    ]
