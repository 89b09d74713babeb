"""What a study's page says of its place in a fleet."""

from __future__ import annotations

from dataclasses import replace

from hpotool.analysis.best import find_best
from hpotool.analysis.status import StudyStatus
from hpotool.cli.screen.study_parts import place_lines
from hpotool.storage.control.studies import StudyProgress, StudySummary
from hpotool.storage.pools.places import Place
from tests.unit.analysis.studies import make_study

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
