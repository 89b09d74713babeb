"""Why studies wait, in words."""

from __future__ import annotations

from typing import Any

import pytest

from hpotool.storage.pools.places import Place
from hpotool.storage.pools.waiting import describe_place, describe_waiting, is_waiting


def place(study: str = "a", closed_because: str | None = None, **more: Any) -> Place:
    facts: dict[str, Any] = {
        "priority": 0, "weight": 1.0, "max_running": None, "owner": None, "preempts": False, "state": "running",
        "quota": None, "running": 3, "workers": 0, "day_s": 0.0,
    }  # fmt: skip
    return Place("p", study, closed_because=closed_because, **{**facts, **more})


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (place(), ""),
        (place(closed_because="capped", max_running=3), "has 3 running, as many as max_running allows"),
        (place(closed_because="wait"), "has the rest of its budget in use (3 running)"),
        (place(closed_because="quota", quota="ann has used 2 of 1"), "is over quota: ann has used 2 of 1"),
        (place(closed_because="quota"), "is over quota: its owner has used it up"),
        (place(closed_because="paused"), "is paused"),
        (place(closed_because="done"), "is done"),
    ],
)
def test_a_study_says_why_it_gets_no_trial(found: Place, said: str) -> None:
    assert describe_place(found) == said


def test_what_is_over_waits_for_nothing() -> None:
    waiting = ("capped", "wait", "quota", "paused")
    over = (None, "done", "stopped", "draining")
    assert all(is_waiting(place(closed_because=each)) for each in waiting)
    assert not any(is_waiting(place(closed_because=each)) for each in over)


def test_a_worker_names_three_studies_and_counts_the_others() -> None:
    places = [place("over", "done"), *(place(name, "paused") for name in "abcde")]
    assert describe_waiting(places) == "a is paused; b is paused; c is paused; 2 more studies wait"
    assert describe_waiting(places[:2], ["no torch"]) == "a is paused; one cannot run here (no torch)"
    assert describe_waiting([]) == "no study of the pool has anything to do"
