import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hpotool.storage.tracking.notices import Activity
from hpotool.study.occasion import OCCASIONS
from hpotool.tracking.notify.look import Facts, Noticed, notice
from tests.tracked import exported_study

WORKING = Activity(working=2, last_heard_s=1000.5, silent_s=1.0, last_reason=None, begun_s=7200.0, endings=())
GRACE = timedelta(seconds=30)


def facts(
    study: dict[str, Any] | None = None, best: tuple[int, float] | None = (7, 0.123456789), **fields: Any
) -> Facts:
    is_leaving = fields.pop("is_leaving", False)
    return Facts(
        exported_study(**(study or {})), replace(WORKING, **fields), GRACE, best, timedelta(hours=1), is_leaving
    )


def told(name: str, known: Facts) -> Noticed | None:
    return next(notice(OCCASIONS[name], known), None)


def test_done_is_told_once_for_each_budget() -> None:
    assert told("done", facts()) is None
    first = told("done", facts({"state": "done", "reason": "10 of 10 trials are finished"}))
    assert first is not None
    assert first.body == "10 of 10 trials are finished\nthe best is trial 7: loss 0.123457\nhpotool best digits"
    more = told("done", facts({"state": "done", "reason": "20 of 20 trials are finished", "budget_trials": 20}))
    wall = told("done", facts({"state": "done", "reason": "budget.wall: 1h of wall time used, of 1h"}))
    assert more is not None
    assert wall is not None
    assert len({first.key, more.key, wall.key}) == 3


def test_done_waits_for_what_still_runs_and_needs_no_best() -> None:
    assert told("done", facts({"state": "done", "running": 1})) is None
    without = told("done", facts({"state": "done", "reason": "r"}, best=None))
    assert without is not None
    assert without.body == "r\nhpotool best digits"


@pytest.mark.parametrize(
    ("study", "fields", "is_told"),
    [
        ({}, {}, False),
        ({}, {"working": 0, "silent_s": 29.0}, False),  # one may just be starting
        ({}, {"working": 0, "silent_s": 31.0}, True),
        ({}, {"working": 0, "silent_s": 0.1, "is_leaving": True}, True),  # nobody else will say it
        ({}, {"is_leaving": True}, False),
        ({}, {"working": 0, "silent_s": None, "last_heard_s": None}, False),  # there never was one
        ({"state": "paused"}, {"working": 0, "silent_s": 31.0}, False),
        ({"state": "done"}, {"working": 0, "silent_s": 31.0}, False),
        ({"state": "stopped"}, {"working": 0, "silent_s": 31.0}, False),
    ],
)
def test_nobody_works_where_there_is_work_left(
    study: dict[str, Any], fields: dict[str, Any], is_told: bool
) -> None:
    assert (told("idle", facts(study, **fields)) is not None) == is_told


def test_nobody_works_says_why_and_is_told_once_for_each_time() -> None:
    left = told("idle", facts(working=0, silent_s=40.0, last_reason="told by SIGTERM\nin a line"))
    silent = told("idle", facts(working=0, silent_s=40.0, last_heard_s=2000.0))
    assert left is not None
    assert silent is not None
    assert left.body.splitlines()[0] == "the last worker left: told by SIGTERM in a line"
    assert silent.body.splitlines() == [
        "the last worker fell silent",
        "3 of 10 trials are finished",
        "hpotool worker digits",
    ]
    assert left.key != silent.key


def endings(*outcomes: str) -> tuple[tuple[int, str, str], ...]:
    return tuple((20 - place, outcome, "ValueError: x") for place, outcome in enumerate(outcomes))


@pytest.mark.parametrize(
    ("outcomes", "is_told"),
    [
        ((), False),
        (("error",) * 4, False),
        (("error",) * 5, True),
        (("error",) * 4 + ("complete",) * 6, False),
        (
            ("crash", "complete", "oom", "pruned", "nan", "complete", "timeout", "complete", "lost", "complete"),
            True,
        ),
    ],
)
def test_half_of_the_last_ten_failed(outcomes: tuple[str, ...], is_told: bool) -> None:
    found = told("failures", facts(endings=endings(*outcomes)))
    assert (found is not None) == is_told
    if found is not None:
        assert found.not_within == timedelta(hours=1)
        assert f"the last one was trial 20, {outcomes[0]}: ValueError: x" in found.body


def test_a_new_best_is_told_once_and_not_at_the_start() -> None:
    assert told("best", facts(best=None)) is None
    assert told("best", facts(begun_s=3599.0)) is None
    assert told("best", facts(begun_s=None)) is None
    found = told("best", facts())
    assert found is not None
    assert (found.key, found.not_within) == ("7", timedelta(hours=1))
    assert found.body == "the best is trial 7: loss 0.123457\nhpotool show digits 7"


def test_what_is_an_event_of_the_log_is_not_noticed_here() -> None:
    for name in ("stopped", "breaker", "quarantine", "device", "confirmed", "drift"):
        assert told(name, facts({"state": "stopped"}, best=(1, math.inf))) is None
