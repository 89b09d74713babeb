import math
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hpotool.storage.control.confirmations import Confirmation
from hpotool.storage.tracking.notices import Activity
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Replicate
from hpotool.study.occasion import OCCASIONS
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import Measurement
from hpotool.tracking.notify.look import Facts, Noticed, notice
from tests.tracked import exported_study

WORKING = Activity(working=2, last_heard_s=1000.5, silent_s=1.0, last_reason=None, begun_s=7200.0, endings=())
GRACE = timedelta(seconds=30)


def facts(
    study: dict[str, Any] | None = None, best: tuple[int, float] | None = (7, 0.123456789), **fields: Any
) -> Facts:
    is_leaving, confirmation = fields.pop("is_leaving", False), fields.pop("confirmation", None)
    activity = replace(WORKING, **fields)
    return Facts(
        exported_study(**(study or {})), activity, GRACE, best, timedelta(hours=1), is_leaving, confirmation
    )


def told(name: str, known: Facts) -> Noticed | None:
    return next(notice(OCCASIONS[name], known), None)


def test_done_is_told_once_for_each_budget() -> None:
    assert told("done", facts()) is None
    first = told("done", facts({"state": "done", "reason": "10 of 10 trials are finished"}))
    assert first is not None
    assert (
        first.body
        == "10 of 10 trials are finished\nthe best is trial 7: loss 0.123457\nhpotool best --study digits"
    )
    more = told("done", facts({"state": "done", "reason": "20 of 20 trials are finished", "budget_trials": 20}))
    wall = told("done", facts({"state": "done", "reason": "budget.wall: 1h of wall time used, of 1h"}))
    assert more is not None
    assert wall is not None
    assert len({first.key, more.key, wall.key}) == 3


def test_done_waits_for_what_still_runs_and_needs_no_best() -> None:
    assert told("done", facts({"state": "done", "running": 1})) is None
    without = told("done", facts({"state": "done", "reason": "r"}, best=None))
    assert without is not None
    assert without.body == "r\nhpotool best --study digits"


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
        "hpotool worker --study digits",
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
    assert found.body == "the best is trial 7: loss 0.123457\nhpotool show --study digits 7"


def test_what_is_an_event_of_the_log_is_not_noticed_here() -> None:
    for name in ("stopped", "breaker", "quarantine", "device", "drift"):
        assert told(name, facts({"state": "stopped"}, best=(1, math.inf))) is None


def confirmation(*values: tuple[str, float | None], confidence: float | None = None) -> Confirmation:
    """Replicates of two points as they were measured, one after the other; None: one that waits."""
    points = tuple(Point(name, {"x": place}) for place, name in enumerate(("trial 1", "trial 2")))
    seen: dict[str, int] = {}
    replicates = []
    for number, (name, value) in enumerate(values):
        reevaluation = Reevaluation("confirm", name, seen.setdefault(name, 0))
        seen[name] += 1
        measured = None if value is None else Measurement((value,), {})
        replicates.append(Replicate(reevaluation, number, "WAITING" if value is None else "COMPLETE", measured))
    return Confirmation(Order(points, 3, confidence), tuple(replicates), "f")


CLEAR = [("trial 1", 1.0), ("trial 2", 9.0), ("trial 1", 1.01), ("trial 2", 9.01), ("trial 1", 1.02)]


def test_an_answer_is_told_once_all_of_it_was_measured() -> None:
    assert told("confirmed", facts()) is None
    assert told("confirmed", facts(confirmation=confirmation())) is None
    assert told("confirmed", facts(confirmation=confirmation(*CLEAR, ("trial 2", None)))) is None
    found = told("confirmed", facts(confirmation=confirmation(*CLEAR, ("trial 2", 9.02))))
    assert found is not None
    assert found.key == "5"
    assert re.match(r"trial 1 is best with probability (0\.9\d|above 0\.99) \(3 seeds\)\ntrial 2 is", found.body)
    assert found.body.endswith("hpotool best --study digits")
    more = told("confirmed", facts(confirmation=confirmation(*CLEAR, ("trial 2", 9.02), ("trial 1", 1.0))))
    assert more is not None
    assert more.key != found.key


def test_an_answer_that_needs_more_is_not_told() -> None:
    near = [("trial 1", 1.0), ("trial 2", 1.1), ("trial 1", 1.2), ("trial 2", 0.9)]
    assert told("confirmed", facts(confirmation=confirmation(*near, confidence=0.99))) is None
    assert told("confirmed", facts(confirmation=confirmation(*near))) is not None


def test_the_larger_value_is_the_better_one_where_the_study_says_so() -> None:
    known = facts({"metrics": {"score": "maximize"}}, confirmation=confirmation(*CLEAR, ("trial 2", 9.02)))
    found = told("confirmed", known)
    assert found is not None
    assert found.body.startswith("trial 2 is best")
