"""A study's page: its words, and the sums of its cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from hpotool.analysis.candidates import BestTrials
from hpotool.analysis.status import StudyStatus
from hpotool.storage.control.activity import Spent, StudyActivity
from hpotool.storage.control.studies import StudyProgress, StudySummary
from hpotool.web.views.study import (
    SpentRow,
    count_trials,
    list_confirmed,
    list_limits,
    list_moves,
    list_warnings,
    say_pace,
    sum_spending,
)

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=timezone.utc)


def status(state: str = "running", workers: tuple[dict[str, object], ...] = (), **activity: object) -> StudyStatus:
    counts = {"RUNNING": 1, "COMPLETE": 8, "FAIL": 5}
    progress = StudyProgress(StudySummary("s", {"loss": "minimize"}, counts), state, "", 20, workers)
    return StudyStatus(progress, BestTrials((), 0, 0), activity=StudyActivity(**activity))  # type: ignore[arg-type]


def worker(beat_s: float, trial: int | None = None) -> dict[str, object]:
    return {"id": "w", "host": "h", "pid": 1, "slot": "cpu", "trial": trial, "last_beat_s": beat_s}


def test_failed_trials_are_told_apart_from_retried_ones() -> None:
    counts = dict(count_trials(status(tried_again=3, handed_back=1)))
    assert counts == {
        "running": 1, "complete": 8, "pruned": 0, "waiting": 0, "failed for good": 1, "tried again": 3,
        "handed back": 1,
    }  # fmt: skip
    assert "handed back" not in dict(count_trials(status()))


def test_a_study_that_has_not_begun_has_no_pace() -> None:
    assert list(say_pace(status(), NOW)) == []


def test_the_pace_is_that_of_status() -> None:
    found = status(workers=(worker(1.0),), begun_s=3600.0, trial_s=20.0, cost_s=30.0)
    assert dict(say_pace(found, NOW)) == {
        "elapsed": "60 min", "per trial": "20 s", "trials per hour": "120", "done in about": "6 min (12:06)"
    }  # fmt: skip


def test_a_study_that_is_over_took_its_time() -> None:
    progress = StudyProgress(StudySummary("s", {"loss": "minimize"}, {"COMPLETE": 9}), "stopped", "", 9, ())
    found = StudyStatus(progress, BestTrials((), 0, 0), activity=StudyActivity(begun_s=7200.0, idle_s=3600.0))
    assert dict(say_pace(found, NOW))["took"] == "60 min"


def test_workers_that_are_gone_and_studies_without_any_are_warned_about() -> None:
    said = list(list_warnings(status(workers=(worker(9999.0, 3),))))
    assert said[0] == "w is gone: not heard of for 2 h 46 min, with trial 3"
    assert said[1] == "no workers; to start one: hpotool worker --study s"
    assert list(list_warnings(status(workers=(worker(1.0),)))) == []


def test_of_many_workers_with_the_same_trouble_the_first_are_named() -> None:
    said = list(list_warnings(status(workers=tuple(worker(9999.0, number) for number in range(40)))))
    assert len(said) == 5
    assert said[3] == "and 37 more workers like that"
    waiting = {**worker(1.0), "waits": "the study's quota is used up"}
    assert list(list_warnings(status(workers=(waiting,)))) == ["w waits: the study's quota is used up"]
    drift = replace(status(workers=(worker(1.0),)), different=({"worker": "w", "differs": "other code"},))
    assert list(list_warnings(drift)) == ["w differs from the study: other code"]


def test_cost_is_summed_by_outcome_with_what_reevaluates_last() -> None:
    spent = [
        Spent("complete", "cpu", False, 3, 3600.0),
        Spent("complete", "cuda:0", False, 1, 7200.0),
        Spent("error", "cpu", False, 2, 36.0),
        Spent(None, "cpu", False, 1, 72.0),
        Spent("complete", "cpu", True, 5, 36000.0),
    ]
    rows = sum_spending(spent, {"cpu": 2.0})
    assert [(row.outcome, row.attempts) for row in rows] == [
        ("complete", 4), ("running", 1), ("error", 2), ("confirmations and final trainings", 5), ("all", 12)
    ]  # fmt: skip
    assert rows[0].seconds == 10800.0
    assert rows[0].cost == pytest.approx(2.0)  # a slot without a price costs nothing
    assert rows[-1].cost == pytest.approx(sum(row.cost for row in rows[:-1]))


def test_one_outcome_needs_no_sum_and_no_attempt_no_row() -> None:
    assert sum_spending([Spent("complete", "cpu", False, 1, 1.0)], {}) == [SpentRow("complete", 1, 1.0, 0.0)]
    assert sum_spending([], {}) == []


@pytest.mark.parametrize(
    ("state", "moves"),
    [
        ("running", ["pause", "drain", "stop"]),
        ("paused", ["resume", "drain", "stop"]),
        ("draining", ["resume", "stop"]),
        ("stopped", ["resume"]),
        ("done", []),
    ],
)
def test_only_orders_that_make_sense_have_a_button(state: str, moves: list[str]) -> None:
    assert list_moves(state) == moves


def test_without_a_study_file_there_are_no_limits_and_nothing_is_confirmed() -> None:
    assert list_limits(None) == {}
    assert list_confirmed(status()) is None
