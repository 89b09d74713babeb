"""Who waits out an outage, for how long, and what is said about it. Nobody listens at this database's port."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.database.connection import TransientDatabaseError
from hpotool.storage.database.outage import GaveUpError, Outage, PatientConnection
from hpotool.storage.database.url import DatabaseUrl

AWAY = DatabaseUnreachableError("the database does not answer")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def url() -> Iterator[DatabaseUrl]:
    """A port of this machine at which nobody listens, and nobody begins to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield DatabaseUrl.parse(f"postgresql://u:hunter2@127.0.0.1:{held.getsockname()[1]}/x")


def _patient(url: DatabaseUrl, give_up_after_s: float | None = None) -> PatientConnection:
    limit = None if give_up_after_s is None else timedelta(seconds=give_up_after_s)
    return PatientConnection(url, give_up_after=limit, longest_delay=timedelta(milliseconds=200))


def test_an_outage_is_told_once_then_each_minute_and_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    outage = Outage(clock)
    assert outage.lasted_s == 0
    outage.note_answer()
    assert caplog.records == [], "an answer without an outage is no news"
    for _ in range(1300):  # a try each tenth of a second
        outage.note_failure(AWAY)
        clock.now += 0.1
    assert outage.lasted_s == pytest.approx(130)
    outage.note_answer()
    outage.note_answer()
    assert [record.getMessage() for record in caplog.records] == [
        "the database does not answer; waiting, nothing is lost",
        "the database has been away for 60 s; still waiting",
        "the database has been away for 120 s; still waiting",
        "the database is back after 130 s",
    ]
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    assert outage.lasted_s == 0


def test_a_second_outage_is_told_anew(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    outage = Outage(clock)
    for _ in range(2):
        outage.note_failure(AWAY)
        clock.now += 5
        outage.note_answer()
    assert [record.getMessage() for record in caplog.records].count("the database is back after 5 s") == 2


def test_the_owner_waits_as_long_as_it_may_and_gives_up_with_the_reason(url: DatabaseUrl) -> None:
    connection = _patient(url, 0.5)
    began = time.monotonic()
    with pytest.raises(GaveUpError, match=r"gave up after 0 s|gave up after 1 s") as error:
        connection.run("SELECT 1")
    assert time.monotonic() - began >= 0.5
    assert "hunter2" not in str(error.value)
    assert "127.0.0.1" in str(error.value)


def test_other_threads_and_the_owner_in_a_hurry_get_the_error_at_once(url: DatabaseUrl) -> None:
    connection = _patient(url)
    errors: list[Exception] = []

    def ask() -> None:
        try:
            connection.run("SELECT 1")
        except DatabaseUnreachableError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(20)
    with connection.no_wait():
        with connection.no_wait(), pytest.raises(TransientDatabaseError):
            connection.run("SELECT 1")
        with pytest.raises(TransientDatabaseError):
            connection.run("SELECT 1")
    assert [type(error) for error in errors] == [TransientDatabaseError]
    assert not any(isinstance(error, GaveUpError) for error in errors)


def test_a_wait_is_ended_by_whoever_must_leave(url: DatabaseUrl) -> None:
    connection = _patient(url)
    threading.Timer(0.2, connection.abort_wait.set).start()
    began = time.monotonic()
    with pytest.raises(GaveUpError, match="asked to leave while"):
        connection.run("SELECT 1")
    assert time.monotonic() - began < 15
    with pytest.raises(GaveUpError):
        connection.run("SELECT 1")


def test_what_must_be_safe_is_made_so_at_the_first_failure_and_not_at_each(url: DatabaseUrl) -> None:
    connection = _patient(url, 1.0)
    made_safe: list[float] = []
    connection.on_first_failure = lambda: made_safe.append(connection.outage.lasted_s)
    with pytest.raises(GaveUpError):
        connection.run("SELECT 1")
    assert len(made_safe) == 1
    with pytest.raises(GaveUpError):
        connection.run("SELECT 1")
    assert len(made_safe) == 2, "another statement has other data"


def test_one_that_gave_up_is_an_unreachable_database_to_everyone_else() -> None:
    assert issubclass(GaveUpError, DatabaseUnreachableError)
    assert GaveUpError("x").exit_code == AWAY.exit_code
