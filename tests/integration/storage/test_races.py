"""Two connections race for a study's row lock: whoever comes second sees all that the first one has done.

One transaction holds the lock that claims queue for. The calls of the test start meanwhile and wait; then the
transaction changes the study and commits, and each call answers for the study as it is then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from optuna.trial import TrialState

from hpotool.storage.control import orders
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import (
    Attempt,
    Ending,
    NoTrial,
    claim_trial,
    fail_and_queue,
    finish_attempt,
    finish_late,
    new_attempt_id,
)
from hpotool.storage.fleet.trial_content import TrialContent
from hpotool.study.outcome import Outcome
from tests.faults.fleet import wait_until

LOST = Ending(Outcome.LOST, "no heartbeat", follow_up="retry")
DONE = Ending(Outcome.COMPLETE)


class Race:
    """Calls that wait for the lock of a study, each on a connection of its own."""

    def __init__(self, study: Any, count: int) -> None:
        self.study = study
        self.connections = [Connection(study.url) for _ in range(count)]
        self.pool = ThreadPoolExecutor(count)
        for connection in self.connections:
            connection.run("SELECT 1", None)

    def start(self, call: Callable[[Connection], Any], which: int = 0) -> Future[Any]:
        return self.pool.submit(call, self.connections[which])

    @contextmanager
    def locked(self) -> Iterator[Callable[..., None]]:
        """Hold the lock; what is yielded runs a statement in that transaction."""
        holder = psycopg2.connect(self.study.url.libpq)
        try:
            with holder, holder.cursor() as cursor:
                cursor.execute("SELECT 1 FROM studies WHERE study_id = %s FOR UPDATE", (self.study.study_id,))
                yield cursor.execute
        finally:
            holder.close()

    def wait_for_waiting(self, count: int) -> None:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock' AND state = 'active'"
        )
        wait_until(lambda: self.study.connection.run(waiting, None)[0][0] >= count, "calls that wait for the lock")

    def close(self) -> None:
        self.pool.shutdown()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def race(make_study: Callable[..., Any]) -> Iterator[Callable[..., Race]]:
    opened: list[Race] = []

    def make(count: int, budget: int | None = 3) -> Race:
        opened.append(Race(make_study(budget=budget), count))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def _claim(study: Any, connection: Connection, attempt_id: str | None = None) -> Attempt | NoTrial:
    return claim_trial(connection.run, study.study_id, study.workers[0], attempt_id or new_attempt_id())


CHANGES = {
    "stopped": ("UPDATE hpotool.study_settings SET state = 'stopped' WHERE study_id = %s", "stopped"),
    "paused": ("UPDATE hpotool.study_settings SET state = 'paused' WHERE study_id = %s", "paused"),
    "draining": ("UPDATE hpotool.study_settings SET state = 'draining' WHERE study_id = %s", "draining"),
    "the budget was lowered to what runs": (
        "UPDATE hpotool.study_settings SET budget_trials = 1 WHERE study_id = %s", "wait"
    ),
    "the budget was lowered to nothing": (
        "UPDATE hpotool.study_settings SET budget_trials = 0 WHERE study_id = %s", "done"
    ),
    "as many run as may": (
        "UPDATE hpotool.study_settings SET spec = '{\"max_running\": 1}' WHERE study_id = %s", "capped"
    ),
    "the last places were taken": (
        "INSERT INTO trials (study_id, number, state) SELECT %s, n, 'RUNNING' FROM generate_series(1, 2) n", "wait"
    ),
    "others finished the rest": (
        "INSERT INTO trials (study_id, number, state) SELECT %s, n, 'COMPLETE' FROM generate_series(1, 3) n",
        "done",
    ),
    "an owner without a quota": (
        "UPDATE hpotool.study_settings SET spec = '{\"owner\": \"ann\"}' WHERE study_id = %s", None
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_claim_that_waited_for_the_lock_sees_what_was_changed_meanwhile(
    race: Callable[..., Race], change: str
) -> None:
    statement, expected = CHANGES[change]
    racing = race(1)
    study = racing.study
    assert isinstance(study.claim(study.worker()), Attempt)
    with racing.locked() as execute:
        claim = racing.start(lambda connection: _claim(study, connection))
        racing.wait_for_waiting(1)
        execute(statement, (study.study_id,))
    answer = claim.result(30)
    if expected is None:
        assert isinstance(answer, Attempt)
    else:
        assert isinstance(answer, NoTrial)
        assert answer.kind == expected


def test_a_claim_takes_what_was_queued_while_it_waited(race: Callable[..., Race]) -> None:
    racing = race(1)
    study = racing.study
    study.worker()
    with racing.locked() as execute:
        claim = racing.start(lambda connection: _claim(study, connection))
        racing.wait_for_waiting(1)
        execute("INSERT INTO trials (study_id, number, state) VALUES (%s, 0, 'WAITING')", (study.study_id,))
    answer = claim.result(30)
    assert (answer.number, answer.is_new) == (0, False)


def test_a_deleted_study_is_nothing_to_wait_for(race: Callable[..., Race]) -> None:
    racing = race(1)
    study = racing.study
    study.worker()
    with racing.locked() as execute:
        claim = racing.start(lambda connection: _claim(study, connection))
        racing.wait_for_waiting(1)
        execute("DELETE FROM study_directions WHERE study_id = %s", (study.study_id,))
        execute("DELETE FROM studies WHERE study_id = %s", (study.study_id,))
    answer = claim.result(30)
    assert (answer.kind, answer.reason) == ("stopped", "the study no longer exists")


@pytest.mark.parametrize("budget", [None, 1, 4, 8, 20])
def test_claims_that_waited_together_take_each_place_once(race: Callable[..., Race], budget: int | None) -> None:
    racing = race(8, budget)
    study = racing.study
    study.worker()
    with racing.locked():
        claims = [racing.start(lambda connection: _claim(study, connection), each) for each in range(8)]
        racing.wait_for_waiting(8)
    answers = [claim.result(30) for claim in claims]
    numbers = sorted(answer.number for answer in answers if isinstance(answer, Attempt))
    assert numbers == list(range(8 if budget is None else min(8, budget)))
    assert {answer.kind for answer in answers if isinstance(answer, NoTrial)} <= {"wait"}
    [(attempts, beats)] = study.connection.run(
        "SELECT (SELECT count(*) FROM hpotool.attempts), (SELECT count(*) FROM trial_heartbeats)", None
    )
    assert attempts == beats == len(numbers)


def test_one_claim_sent_on_two_connections_at_once_is_one_attempt(race: Callable[..., Race]) -> None:
    racing = race(2)
    study = racing.study
    study.worker()
    attempt_id = new_attempt_id()
    with racing.locked():
        claims = [racing.start(lambda connection: _claim(study, connection, attempt_id), each) for each in (0, 1)]
        racing.wait_for_waiting(2)
    one, other = (claim.result(30) for claim in claims)
    assert one.trial_id == other.trial_id
    assert one.is_new != other.is_new, "one of them was the first"
    assert study.states() == {0: "RUNNING"}


def test_two_claims_of_a_final_training_give_it_once(race: Callable[..., Race]) -> None:
    racing = race(2, budget=0)
    study = racing.study
    study.worker()
    mark = json.dumps({"phase": "final", "point": "trial 0", "replicate": 0})
    parameters = {
        "study_id": study.study_id, "order": None, "seen": None, "points": ["{}"], "confirms": [None],
        "marks": [mark], "actor": "me", "kind": "final", "reason": "",
    }  # fmt: skip
    study.connection.run(query("queue_reevaluations"), parameters)
    [(trial_id,)] = study.connection.run("SELECT trial_id FROM trials", None)
    with racing.locked():
        claims = [
            racing.start(
                lambda connection: claim_trial(
                    connection.run, study.study_id, study.workers[0], new_attempt_id(), final_trial_id=trial_id
                ),
                each,
            )
            for each in (0, 1)
        ]
        racing.wait_for_waiting(2)
    answers = [claim.result(30) for claim in claims]
    assert sorted(isinstance(answer, Attempt) for answer in answers) == [False, True]
    assert [answer.kind for answer in answers if isinstance(answer, NoTrial)] == ["wait"]


@pytest.mark.parametrize("first", ["result", "reaper"])
def test_of_a_result_and_a_reaper_one_has_the_trial(race: Callable[..., Race], first: str) -> None:
    """Whoever writes first has it; the other one is told so, and nothing is done twice."""
    racing = race(1)
    study = racing.study
    attempt = study.claim(study.worker())
    assert isinstance(attempt, Attempt)
    [(seen,)] = study.connection.run("SELECT heartbeat FROM trial_heartbeats", None)

    def reap(connection: Connection) -> Any:
        return fail_and_queue(
            connection.run, study.study_id, attempt.trial_id, "reaper", LOST, seen_beat=seen, event="reap"
        )

    def finish(connection: Connection) -> Any:
        return finish_attempt(connection.run, attempt, "w", TrialState.COMPLETE, [1.0], DONE)

    with racing.locked():
        waiting = racing.start(reap)
        racing.wait_for_waiting(1)
        # A result takes no lock on the study, so it passes the reaper that waits for it.
        if first == "result":
            assert finish(study.connection) is not None
    reaped = waiting.result(30)
    if first == "result":
        assert reaped is None
        assert study.states() == {0: "COMPLETE"}
    else:
        assert reaped is not None
        assert finish(study.connection) is None
        assert study.states() == {0: "FAIL", 1: "WAITING"}


def test_two_reapers_of_one_trial_queue_one_retry(race: Callable[..., Race]) -> None:
    racing = race(4)
    study = racing.study
    attempt = study.claim(study.worker())
    with racing.locked():
        reapers = [
            racing.start(
                lambda connection: fail_and_queue(
                    connection.run, study.study_id, attempt.trial_id, "reaper", LOST, event="reap"
                ),
                each,
            )
            for each in range(4)
        ]
        racing.wait_for_waiting(4)
    assert sum(reaper.result(30) is not None for reaper in reapers) == 1
    assert study.states() == {0: "FAIL", 1: "WAITING"}


def test_a_late_result_and_the_claim_of_its_retry_give_the_trial_to_one(race: Callable[..., Race]) -> None:
    racing = race(2, budget=1)
    study = racing.study
    attempt = study.claim(study.worker())
    fail_and_queue(study.connection.run, study.study_id, attempt.trial_id, "reaper", LOST, event="reap")
    with racing.locked():
        late = racing.start(
            lambda connection: finish_late(
                connection.run, attempt, "w", TrialContent(), TrialState.COMPLETE, [1.0], DONE
            )
        )
        claim = racing.start(lambda connection: _claim(study, connection), 1)
        racing.wait_for_waiting(2)
    is_kept, answer = late.result(30), claim.result(30)
    if is_kept:
        assert (answer.kind, study.states()) == ("done", {0: "FAIL", 1: "COMPLETE"})
    else:
        assert (answer.number, study.states()) == (1, {0: "FAIL", 1: "RUNNING"})


def test_a_trial_that_is_cancelled_while_a_reaper_waits_is_not_queued_again(race: Callable[..., Race]) -> None:
    racing = race(1)
    study = racing.study
    attempt = study.claim(study.worker())
    with racing.locked():
        reaper = racing.start(
            lambda connection: fail_and_queue(
                connection.run, study.study_id, attempt.trial_id, "reaper", LOST, event="reap"
            )
        )
        racing.wait_for_waiting(1)
        assert orders.cancel_trial(study.connection.run, study.study_id, 0, "wrong", "me") == "told"
    assert reaper.result(30) is not None
    assert study.states() == {0: "FAIL"}


def test_two_people_who_retry_a_trial_at_once_queue_it_once(race: Callable[..., Race]) -> None:
    racing = race(2)
    study = racing.study
    attempt = study.claim(study.worker())
    finish_attempt(study.connection.run, attempt, "w", TrialState.FAIL, None, Ending(Outcome.ERROR))
    with racing.locked():
        retries = [
            racing.start(lambda connection: orders.retry_trial(connection.run, study.study_id, 0, "me"), each)
            for each in (0, 1)
        ]
        racing.wait_for_waiting(2)
    errors = [retry.exception(30) for retry in retries]
    assert [str(error) for error in errors if error] == ["trial 0 is already being retried, as trial 1"]
    assert study.states() == {0: "FAIL", 1: "WAITING"}


def test_points_that_are_queued_at_once_have_numbers_without_gaps(race: Callable[..., Race]) -> None:
    racing = race(6, budget=None)
    study = racing.study
    study.worker()

    def enqueue(connection: Connection, count: int) -> list[int]:
        points = [json.dumps({"x": place}) for place in range(count)]
        rows = connection.run(query("enqueue"), {"study_id": study.study_id, "points": points, "actor": "me"})
        return [number for (number,) in rows]

    with racing.locked():
        queued = [racing.start(lambda connection, n=each: enqueue(connection, n + 1), each) for each in range(5)]
        claim = racing.start(lambda connection: _claim(study, connection), 5)
        racing.wait_for_waiting(6)
    given = [future.result(30) for future in queued]
    assert all(numbers == list(range(numbers[0], numbers[0] + len(numbers))) for numbers in given), "together"
    taken = claim.result(30)
    everything = sorted(number for numbers in given for number in numbers)
    if taken.is_new:
        everything.append(taken.number)
    assert sorted(everything) == list(range(len(everything)))
    fixed = study.connection.run(
        "SELECT number, value_json FROM trials JOIN trial_system_attributes USING (trial_id) "
        "WHERE key = 'fixed_params'",
        None,
    )
    places = {number: json.loads(value)["x"] for number, value in fixed}
    assert all([places[number] for number in numbers] == list(range(len(numbers))) for numbers in given), (
        "in order"
    )


def test_a_trial_that_is_cancelled_while_it_is_claimed_is_told_to_stop(race: Callable[..., Race]) -> None:
    """The claim has not committed when the cancellation looks for the trial, and has when it finds it."""
    racing = race(1)
    study = racing.study
    worker = study.worker()
    study.optuna.enqueue_trial({"x": 0.5})
    claim = {
        "study_id": study.study_id, "attempt_id": new_attempt_id(), "worker_id": worker.worker_id, "host": "here",
        "pid": 1, "slot": "cpu", "create_below": None, "final_trial_id": None, "code_hash": None,
        "data_hash": None,
    }  # fmt: skip
    holder = psycopg2.connect(study.url.libpq)
    try:
        with holder, holder.cursor() as cursor:
            cursor.execute(query("claim"), claim)
            cancelled = racing.start(
                lambda connection: orders.cancel_trial(connection.run, study.study_id, 0, "wrong", "me")
            )
            racing.wait_for_waiting(1)
    finally:
        holder.close()
    assert cancelled.result(30) == "told"
    assert study.connection.run("SELECT cancel_reason FROM hpotool.attempts", None) == [("wrong",)]


def test_a_cancellation_that_a_reaper_waits_for_keeps_the_trial_from_being_queued_again(
    race: Callable[..., Race],
) -> None:
    racing = race(1)
    study = racing.study
    attempt = study.claim(study.worker())
    holder = psycopg2.connect(study.url.libpq)
    try:
        with holder, holder.cursor() as cursor:
            cancel = {"study_id": study.study_id, "number": 0, "reason": "wrong", "actor": "me"}
            cursor.execute(query("cancel_trial"), cancel)
            reaper = racing.start(
                lambda connection: fail_and_queue(
                    connection.run, study.study_id, attempt.trial_id, "reaper", LOST, event="reap"
                )
            )
            racing.wait_for_waiting(1)
    finally:
        holder.close()
    assert reaper.result(30) is not None
    assert study.states() == {0: "FAIL"}
