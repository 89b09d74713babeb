"""What a worker is told, by signals and by people through the database: drain, stop, or stop now.

What was asked for only ever gets stronger. A signal handler may run between any two instructions of the main
thread, so nothing here takes a lock: an attribute is set, and a byte in a pipe wakes whoever waits.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import IntEnum
from types import FrameType


class Level(IntEnum):
    """How urgently the worker is to leave."""

    STAY = 0
    DRAIN = 1  # finish the current trial, then leave
    STOP = 2  # have the current trial checkpoint, requeue it, leave
    NOW = 3  # the same without waiting for the checkpoint


# SIGUSR1 and SIGUSR2 are what Slurm's --signal sends before the time limit; SIGHUP is a closed terminal.
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)


class Stopping:
    """What this worker was told so far, and why. ``listener`` hears of every rise, in whatever thread told it."""

    def __init__(self) -> None:
        self.level = Level.STAY
        self.reason = ""
        self.listener: Callable[[], None] | None = None
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        os.set_blocking(self._read_end, False)

    def tell(self, level: Level, reason: str) -> None:
        """Ask for ``level``; a weaker wish than one before changes nothing."""
        if level <= self.level:
            return
        self.level, self.reason = level, reason
        with suppress(BlockingIOError):  # a pipe full of wake-ups: nobody will sleep through this one
            os.write(self._write_end, b"!")
        if self.listener is not None:
            self.listener()

    def wait(self, duration: timedelta) -> None:
        """Sleep for ``duration``, or until told something."""
        if self.level == Level.STAY:
            select.select([self._read_end], [], [], duration.total_seconds())

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Hear the process's signals: the first SIGTERM or SIGUSR stops, the second one stops now.

        SIGINT drains at first, then stops, then stops now.
        """
        handled = {**dict.fromkeys(_STOP_SIGNALS, self._hear_stop), signal.SIGINT: self._hear_interrupt}
        previous = {number: signal.signal(number, handler) for number, handler in handled.items()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _hear_stop(self, number: int, _frame: FrameType | None) -> None:
        level = Level.STOP if self.level < Level.STOP else Level.NOW
        self.tell(level, signal.Signals(number).name)

    def _hear_interrupt(self, number: int, _frame: FrameType | None) -> None:
        self.tell(Level(min(self.level + 1, Level.NOW)), signal.Signals(number).name)
