"""What a worker decides between two trials."""

import signal
from datetime import datetime, timezone
from typing import Any

import pytest

from hpotool.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_TOLD_TO_LEAVE
from hpotool.storage.fleet.attempts import Attempt, NoTrial
from hpotool.storage.fleet.worker_storage import TellResult
from hpotool.study.outcome import Outcome
from hpotool.study.rules.retry import GiveUp, Retry
from hpotool.worker.attempt.running_attempt import AttemptResult
from hpotool.worker.loop import (
    BROKEN_LIMIT,
    Departure,
    depart_as_asked,
    describe_fate,
    describe_wait,
    is_failure,
    judge_broken,
    judge_idleness,
)
from hpotool.worker.one_trial import TrialEnd
from hpotool.worker.signals import Level, Stopping

GO_ON = "to continue: hpotool resume --study 'my model'"


def nothing(kind: Any, reason: str = "", budget: int | None = 9) -> NoTrial:
    return NoTrial(kind, reason, finished=4, running=2, waiting=0, budget=budget)


@pytest.mark.parametrize(
    ("answer", "departure"),
    [
        (
            nothing("done", "9 of 9 trials are finished"),
            Departure("the study is done: 9 of 9 trials are finished"),
        ),
        (nothing("stopped"), Departure(f"the study is stopped; {GO_ON}")),
        (nothing("draining", "night"), Departure(f"the study is draining: night; {GO_ON}")),
        (nothing("wait"), None),
        (nothing("paused"), None),
        (nothing("capped", "2"), None),
        (nothing("quota", "ann has used up"), None),
        (nothing("device", "gpu 0: no room"), None),
        (nothing("quarantined", "everything fails here"), None),
    ],
)
def test_a_worker_waits_for_a_place_and_leaves_what_is_over(answer: NoTrial, departure: Departure | None) -> None:
    assert judge_idleness(answer, "my model") == departure


def test_a_worker_that_waits_says_why() -> None:
    assert describe_wait(nothing("paused")) == "the study is paused"
    assert describe_wait(nothing("capped", "2")) == "as many trials run as max_running allows: 2"
    assert describe_wait(nothing("quota", "ann has used up")) == "ann has used up"
    assert describe_wait(nothing("device", "gpu 0: no room")) == "gpu 0: no room"
    assert describe_wait(nothing("quarantined", "everything fails here")) == "everything fails here"
    assert describe_wait(nothing("wait")) == "the rest of the budget is in use (2 running, 4 of 9 finished)"
    assert (
        describe_wait(nothing("wait", budget=None)) == "the rest of the budget is in use (2 running, 4 finished)"
    )


def test_errors_of_the_worker_itself_end_it_when_there_is_nothing_else() -> None:
    assert [judge_broken(count, "X") for count in range(1, BROKEN_LIMIT)] == [None] * (BROKEN_LIMIT - 1)
    left = judge_broken(BROKEN_LIMIT, "RuntimeError: no")
    assert left is not None
    assert left.exit_code == 1
    assert left.reason.endswith("most recently RuntimeError: no")


ATTEMPT = Attempt("an id", 1, 7, 3, 3, datetime(2026, 1, 1, tzinfo=timezone.utc))
GIVEN_ON = "the trial was given to another worker in the meantime"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            TellResult(ATTEMPT, Outcome.CRASH, False, True, Retry("crash; retry 1 of 1", 1, 1)),
            "(crash; retry 1 of 1)",
        ),
        (TellResult(ATTEMPT, Outcome.ERROR, False, True, GiveUp("error; not retried")), ""),
        (TellResult(ATTEMPT, Outcome.COMPLETE, False, True, None), ""),
        (TellResult(ATTEMPT, Outcome.COMPLETE, True, False, None), f"(result dropped: {GIVEN_ON})"),
        (TellResult(ATTEMPT, Outcome.COMPLETE, True, True, None), f"({GIVEN_ON}; the result is kept)"),
        (TellResult(ATTEMPT, Outcome.ERROR, True, True, None), f"({GIVEN_ON})"),
    ],
)
def test_what_became_of_a_trial_is_said_where_the_outcome_does_not(told: TellResult, said: str) -> None:
    assert describe_fate(told) == said


@pytest.mark.parametrize("has_work_left", [True, False])
@pytest.mark.parametrize(
    ("by", "exit_code"),
    [(signal.SIGTERM, EXIT_TOLD_TO_LEAVE), (signal.SIGINT, EXIT_INTERRUPTED), (None, EXIT_DONE)],
)
def test_only_a_worker_with_work_left_asks_to_be_started_again(
    has_work_left: bool, by: signal.Signals | None, exit_code: int
) -> None:
    stopping = Stopping()
    stopping.request(Level.STOP, "SIGTERM")
    stopping.signal = by
    asked: list[bool] = []

    def ask() -> bool:
        asked.append(True)
        return has_work_left

    left = depart_as_asked(stopping, ask)
    assert left.reason == stopping.describe_reason()
    assert left.exit_code == (exit_code if has_work_left else EXIT_DONE)
    assert bool(asked) == (exit_code != EXIT_DONE), "an order of hpotool needs no question to the database"


@pytest.mark.parametrize(
    ("attempt", "result", "expected"),
    [
        (ATTEMPT, AttemptResult(Outcome.CRASH), True),
        (ATTEMPT, AttemptResult(Outcome.COMPLETE, values=(1.0,)), False),
        (ATTEMPT, AttemptResult(Outcome.PRUNED), False),
        (ATTEMPT, AttemptResult(Outcome.OOM, is_infeasible=True), False),
        (ATTEMPT, None, False),
        (None, AttemptResult(Outcome.CRASH), False),
    ],
)
def test_the_breaker_is_asked_about_what_failed_here(
    attempt: Attempt | None, result: AttemptResult | None, expected: bool
) -> None:
    assert is_failure(TrialEnd(attempt, result, None)) is expected
