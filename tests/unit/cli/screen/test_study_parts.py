"""What a study's page says of its place in a fleet, and of workers that wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hpotool.analysis.best import find_best
from hpotool.analysis.status import StudyStatus
from hpotool.cli.screen.study_parts import place_lines, warning_lines
from hpotool.storage.control.studies import StudyProgress, StudySummary
from hpotool.storage.pools.places import Place
from tests.unit.analysis.studies import make_study
from tests.unit.cli.screen.test_watch_screen import FOUND

PLACE = Place("gpus", "s", 10, 2.5, 4, "ann", True, "running", None, None, 3, 3, 60.0)
OVER = "ann has used 100.00 of 100 GPU-hours of this month"


def said(place: Place | None) -> list[str]:
    progress = StudyProgress(StudySummary("s", {"loss": "minimize"}, {}), "running", "", None, ())
    found = replace(StudyStatus(progress, find_best(make_study("loss"))), place=place)
    return [line.plain for line in place_lines(found)]


def test_a_study_that_shares_nothing_says_nothing() -> None:
    assert said(None) == []


def test_its_share_its_limit_and_its_owner_are_one_line() -> None:
    assert said(PLACE) == ["pool gpus · priority 10 · weight 2.5 · at most 4 running · owner ann"]
    assert said(replace(PLACE, pool="", owner=None)) == ["at most 4 running"]
    assert said(replace(PLACE, max_running=None, owner=None)) == ["pool gpus · priority 10 · weight 2.5"]


def test_why_it_waits_is_another_line() -> None:
    assert said(replace(PLACE, closed_because="quota", quota=OVER))[1:] == [f"the study is over quota: {OVER}"]
    capped = replace(PLACE, closed_because="capped", running=4)
    assert said(capped)[1:] == ["the study has 4 running, as many as max_running allows"]
    assert said(replace(PLACE, closed_because="done"))[1:] == []


def test_the_data_of_the_status_has_the_same() -> None:
    progress = StudyProgress(StudySummary("s", {"loss": "minimize"}, {}), "running", "", None, ())
    found = StudyStatus(progress, find_best(make_study("loss")))
    assert "place" not in found.as_data(), "as before, for those who share nothing"
    data = replace(found, place=replace(PLACE, closed_because="paused")).as_data()["place"]
    assert data == {
        "pool": "gpus",
        "priority": 10,
        "weight": 2.5,
        "max_running": 4,
        "owner": "ann",
        "waits": "is paused",
    }


def worker(name: str, waits: str | None, trial: int | None = None, beat_s: float = 1.0) -> dict[str, Any]:
    return {"id": name, "host": "h", "slot": "gpu 0", "trial": trial, "waits": waits, "last_beat_s": beat_s}


def lines(*workers: dict[str, Any], state: str = "running") -> list[str]:
    found = replace(FOUND, progress=replace(FOUND.progress, workers=workers, state=state, warning=None), risk=None)
    return [line.plain for line in warning_lines(found)]


@pytest.mark.parametrize(
    ("workers", "says"),
    [
        ([worker("a", None, 3), worker("b", None)], []),
        ([worker("a", None, 3), worker("b", "gpu 0: no\n room")], ["b waits: gpu 0: no room"]),
        ([worker("a", "hot", 3), worker("b", "hot")], ["b waits: hot"]),  # a is at work
        ([worker("a", "hot")], ["no worker can start a trial", "a waits: hot"]),
        (
            [worker(name, "hot") for name in "abcde"],
            [
                "no worker can start a trial",
                "a waits: hot",
                "b waits: hot",
                "c waits: hot",
                "2 more workers wait",
            ],
        ),
    ],
)
def test_workers_that_wait_say_why(workers: list[dict[str, Any]], says: list[str]) -> None:
    assert lines(*workers) == says


def test_who_is_gone_or_has_nothing_to_do_does_not_wait() -> None:
    [gone] = lines(worker("a", "hot", beat_s=3600.0), worker("b", None, 4))
    assert gone.startswith("a is gone")
    assert lines(worker("a", "hot"), state="paused") == []
