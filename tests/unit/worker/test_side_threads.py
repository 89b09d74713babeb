"""Side threads repeat their steps; one that dies is noticed by its neighbour."""

from __future__ import annotations

import threading

import pytest

from hpotool.worker.side_threads import SideThreads


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

    with SideThreads({"mortal": mortal, "neighbour": lambda: 0.01}):
        assert came_back.wait(10)


def test_a_woken_thread_does_not_wait_for_its_time() -> None:
    called = threading.Semaphore(0)

    def step() -> float:
        called.release()
        return 600.0

    with SideThreads({"sleeper": step}) as threads:
        assert called.acquire(timeout=10)
        threads.wake("sleeper")
        assert called.acquire(timeout=10)


def test_nothing_runs_after_the_end() -> None:
    with SideThreads({"quick": lambda: 0.001}) as threads:
        pass
    threads.ensure_alive()

    assert not any(thread.name == "hpotool-quick" for thread in threading.enumerate())
