"""Side threads repeat their steps; one that dies is noticed by its neighbour."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from hpotool.storage.database.connection import RefusedStatementError
from hpotool.worker.membership.side_threads import SideThreads, Step


@contextmanager
def _running(steps: Mapping[str, Step]) -> Iterator[SideThreads]:
    threads = SideThreads(steps)
    threads.ensure_alive()
    try:
        yield threads
    finally:
        threads.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_started_again_by_its_neighbour() -> None:
    came_back = threading.Event()
    calls = []

    def mortal() -> float:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("once")
        came_back.set()
        return 60.0

    with _running({"mortal": mortal, "neighbour": lambda: 0.01}):
        assert came_back.wait(10)


def test_what_a_database_refuses_is_said_once_and_ends_no_thread(caplog, monkeypatch) -> None:
    monkeypatch.setattr("hpotool.worker.membership.side_threads._AFTER_REFUSAL_S", 0.001)
    seen_by = []
    enough = threading.Event()

    def step() -> float:
        seen_by.append(threading.current_thread())
        if len(seen_by) == 5:
            enough.set()
        raise RefusedStatementError("the database refused: no such table")

    with _running({"stubborn": step}):
        assert enough.wait(10)

    assert len(set(seen_by)) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "the stubborn thread keeps trying: the database refused: no such table"
    ]


def test_nothing_runs_after_the_end() -> None:
    with _running({"quick": lambda: 0.001}) as threads:
        pass
    threads.ensure_alive()

    assert not any(thread.name == "hpotool-quick" for thread in threading.enumerate())
