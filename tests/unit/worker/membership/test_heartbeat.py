"""When a worker beats and when it only asks, by a clock that the test moves."""

from datetime import datetime, timedelta
from typing import Any

from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.fleet.attempts import Attempt, Orders
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.worker.membership.heartbeat import ORDERS_WITHIN, Heartbeat

WORKER = WorkerIdentity("w", "host", 1, "space", "0", "cpu")
RUNNING = (True, None, "running", "")


class Harness:
    """A heartbeat of ten seconds whose statements are written down and answered from a list."""

    def __init__(self) -> None:
        self.now = 100.0
        self.attempt: Attempt | None = None
        self.answers: list[Any] = []
        self.sent: list[str] = []
        self.heard: list[tuple[Attempt | None, Orders]] = []
        self.outages = 0
        self.waits: str | None = None
        self.told: list[Any] = []
        self.heartbeat = Heartbeat(
            self.run,
            WORKER,
            timedelta(seconds=10),
            current=lambda: self.attempt,
            hear=lambda attempt, orders: self.heard.append((attempt, orders)),
            on_outage=self.note_outage,
            clock=lambda: self.now,
            waits=lambda: self.waits,
        )

    def run(self, sql: str, parameters: Any) -> Any:
        self.told.append(parameters.get("waits"))
        self.sent.append("beat" if "UPDATE hpotool.workers" in sql else "ask")
        answer = self.answers.pop(0) if self.answers else [RUNNING]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer()
        return answer

    def note_outage(self) -> None:
        self.outages += 1


def an_attempt(name: str) -> Attempt:
    return Attempt(name, 1, 1, 0, 0, datetime(2026, 1, 1))  # noqa: DTZ001 (as Optuna stores it)


def test_it_beats_when_it_is_time_and_asks_in_between() -> None:
    harness = Harness()
    for _ in range(5):
        harness.now += harness.heartbeat.step()
    assert harness.sent == ["beat", "ask", "ask", "beat", "ask"]
    assert len(harness.heard) == 5


def test_orders_are_asked_for_often_enough() -> None:
    harness = Harness()
    assert harness.heartbeat.step() <= ORDERS_WITHIN.total_seconds()


def test_a_beat_that_did_not_get_through_is_sent_again_soon() -> None:
    harness = Harness()
    harness.answers = [DatabaseUnreachableError("away"), DatabaseUnreachableError("away")]
    for _ in range(3):
        harness.now += (delay := harness.heartbeat.step())
        assert delay <= ORDERS_WITHIN.total_seconds()
    assert harness.sent == ["beat"] * 3
    assert (harness.outages, len(harness.heard)) == (2, 1)


def test_orders_for_an_attempt_that_ended_meanwhile_are_not_heard() -> None:
    harness = Harness()
    harness.attempt = an_attempt("first")

    def answer_late() -> Any:
        harness.attempt = an_attempt("second")
        return [(False, "enough", "running", "")]

    harness.answers = [answer_late]
    harness.heartbeat.step()
    assert harness.heard == []


def test_a_worker_whose_study_is_gone_is_told_to_stop() -> None:
    harness = Harness()
    harness.answers = [[]]
    harness.heartbeat.step()
    [(_, orders)] = harness.heard
    assert (orders.study_state, orders.is_owner) == ("stopped", False)


def test_that_a_worker_waits_is_told_in_place_of_the_next_question() -> None:
    harness = Harness()
    harness.heartbeat.step()
    for waits in ("no memory", "less memory", None, None):
        harness.waits = waits
        harness.now += 1
        harness.heartbeat.step()
    assert harness.sent == ["beat", "beat", "ask", "beat", "ask"]
    assert harness.told == [None, "no memory", None, None, None]
