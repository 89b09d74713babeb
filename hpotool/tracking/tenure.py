"""Holding a job while this process lives: taken at the start, kept up by a thread, given back at the end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import FrameType, TracebackType

from hpotool.errors import HpotoolError
from hpotool.storage.fleet.attempts import Run
from hpotool.storage.tracking.jobs import Held, Job, release_job, take_job

_LOOK_FOR_PARENT_S = 0.5


class JobTakenError(HpotoolError):
    """Another process does this job."""


class Tenure:
    """Holds a job for this process, until another one has it: then this one writes nothing more."""

    def __init__(self, run: Run, job: Job, held_for: timedelta) -> None:
        self._run = run
        self._job = job
        self._held_for = held_for
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="hpotool-tenure", daemon=True)
        self._is_lost = False
        self._kept_at = 0.0
        self.held: Held | None = None

    def is_lost(self) -> bool:
        """Whether another process has the job; asked at once where this one may have slept for too long."""
        if time.monotonic() - self._kept_at > self._held_for.total_seconds() / 2:
            self._keep()
        return self._is_lost

    def __enter__(self) -> Tenure:
        """Take the job.

        Raises:
            JobTakenError: another process has it.
        """
        self._kept_at = time.monotonic()
        self.held = take_job(self._run, self._job, self._held_for)
        if self.held is None:
            raise JobTakenError(f"another process does this already: {self._job.name}")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._thread.join()
        if not self._is_lost:
            with suppress(HpotoolError):  # a database that is away frees it by itself, later
                release_job(self._run, self._job)

    def _keep_up(self) -> None:
        while not self._is_lost and not self._leaving.wait(self._held_for.total_seconds() / 4):
            self._keep()

    def _keep(self) -> None:
        began = time.monotonic()
        with suppress(HpotoolError):  # a database that is away or refuses: it is held for as long as was said
            self._is_lost = self._is_lost or take_job(self._run, self._job, self._held_for) is None
            self._kept_at = began


@contextmanager
def leaving_on_signals() -> Iterator[threading.Event]:
    """An event that the first SIGTERM or SIGINT sets; the second one ends the process at once."""
    leaving = threading.Event()

    def hear(number: int, _frame: FrameType | None) -> None:
        if leaving.is_set():
            os._exit(128 + number)
        leaving.set()

    previous = {number: signal.signal(number, hear) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield leaving
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def end_with_parent(parent: int) -> None:
    """End this process at once when its parent is gone, and let trials go first while it lives.

    Whatever it was sending may be sent again.
    """
    os.nice(10)
    threading.Thread(target=_watch_parent, args=(parent,), name="hpotool-parent", daemon=True).start()


def _watch_parent(parent: int) -> None:
    gone = threading.Event()
    while os.getppid() == parent:
        gone.wait(_LOOK_FOR_PARENT_S)
    os._exit(0)
