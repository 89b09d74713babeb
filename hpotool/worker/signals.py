"""Requests to a worker, from signals and from people through the database: drain, stop, or stop now.

A request can only become stronger. A signal handler may run between any two instructions of the main thread, so
nothing here takes a lock: the handler sets an attribute and writes a byte to a pipe, which wakes waiting threads.
A separate thread writes the log messages, because a handler must not write to the log.

A worker that has not claimed a trial yet has nothing to hand back: `leave_on_signals` ends it immediately, from
the start on (`hpotool.cli.first_moment` holds signals back until then).
"""

from __future__ import annotations

import os
import queue
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import IntEnum
from types import FrameType

from hpotool.errors import EXIT_DONE, exit_code_of_signal
from hpotool.study.wording import format_limit


class Level(IntEnum):
    """How urgently the worker must leave."""

    STAY = 0
    DRAIN = 1  # the worker finishes its trial, then leaves
    STOP = 2  # its trial saves a checkpoint and is requeued, then the worker leaves
    NOW = 3  # the same, without waiting for the checkpoint


# SIGUSR1 and SIGUSR2 are what Slurm's --signal sends before the time limit; SIGHUP is a closed terminal.
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
SIGNALS = (*_STOP_SIGNALS, signal.SIGINT)
_WHY = {
    Level.DRAIN: "asked to leave after its trial",
    Level.STOP: "asked to leave",
    Level.NOW: "asked to leave at once",
}


class Stopping:
    """The strongest request so far, and its reason.

    ``listener`` is called for every increase, in the requesting thread; ``announce`` for every increase by a
    signal, in a separate thread.
    """

    def __init__(self) -> None:
        self.level = Level.STAY
        self.reason = ""
        self.signal: signal.Signals | None = None  # the first signal received
        self.listener: Callable[[], None] | None = None
        self.announce: Callable[[Level, str], None] | None = None
        self._heard: queue.SimpleQueue[tuple[Level, str] | None] = queue.SimpleQueue()
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        os.set_blocking(self._read_end, False)

    @property
    def exit_code(self) -> int:
        """The exit code of a worker that leaves with work left: 0 unless a signal caused it."""
        return EXIT_DONE if self.signal is None else exit_code_of_signal(self.signal)

    def describe_reason(self) -> str:
        """Why the worker leaves, in words."""
        return f"{_WHY[self.level]}: {self.reason}"

    def request(self, level: Level, reason: str) -> None:
        """Request ``level``; a request weaker than an earlier one has no effect."""
        if level <= self.level:
            return
        self.level, self.reason = level, reason
        with suppress(BlockingIOError):  # the pipe is already full of wake-ups
            os.write(self._write_end, b"!")
        if self.listener is not None:
            self.listener()

    def is_requested(self) -> bool:
        """Whether there was any request."""
        return self.level > Level.STAY

    def wait(self, duration: timedelta) -> None:
        """Sleep for ``duration``, or until a request arrives."""
        if self.level == Level.STAY:
            select.select([self._read_end], [], [], duration.total_seconds())

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Handle the process's signals: the first SIGTERM or SIGUSR stops, the second one stops now.

        SIGINT first drains, then stops, then stops now. Outside the main thread, no signals are handled, because
        Python only calls handlers there.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        speaker = threading.Thread(target=self._speak, name="hpotool-signals", daemon=True)
        speaker.start()
        try:
            with _handling({**dict.fromkeys(_STOP_SIGNALS, self._hear_stop), signal.SIGINT: self._hear_interrupt}):
                yield
        finally:
            self._heard.put(None)
            speaker.join()

    def _hear_stop(self, number: int, _frame: FrameType | None) -> None:
        self._hear(Level.STOP if self.level < Level.STOP else Level.NOW, signal.Signals(number))

    def _hear_interrupt(self, number: int, _frame: FrameType | None) -> None:
        self._hear(Level(min(self.level + 1, Level.NOW)), signal.Signals(number))

    def _hear(self, level: Level, number: signal.Signals) -> None:
        is_news = level > self.level
        self.signal = self.signal or number
        self.request(level, _name(number))
        if is_news:
            self._heard.put((level, _name(number)))

    def _speak(self) -> None:
        while (heard := self._heard.get()) is not None:
            if self.announce is not None:
                self.announce(*heard)


def describe_level(level: Level, name: str, trial: int | None, grace: timedelta) -> str | None:
    """A worker's immediate message after a signal; None if there is nothing to say besides its leaving."""
    again = "Ctrl-C again" if name == "Ctrl-C" else "a second signal"
    if trial is None or level == Level.STAY:
        return None
    if level == Level.DRAIN:
        return f"finishing trial {trial}, then leaving; {again} hands it back now"
    if level == Level.STOP and grace > timedelta(0):
        seconds = format_limit(grace.total_seconds())
        return f"handing trial {trial} back: it has {seconds} to save a checkpoint; {again} does not wait for that"
    return f"handing trial {trial} back now"


@contextmanager
def leave_on_signals(say: Callable[[str], None]) -> Iterator[None]:
    """A context in which a signal ends the process with its exit code, for a worker without a trial."""

    def leave(number: int, _frame: FrameType | None) -> None:
        for each in SIGNALS:  # one signal is enough, because the process then cleans up
            signal.signal(each, signal.SIG_IGN)
        say(f"leaving: {_name(signal.Signals(number))}")
        raise SystemExit(exit_code_of_signal(number))

    with _handling(dict.fromkeys(SIGNALS, leave)):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        yield


def hold_signals() -> None:
    """Hold signals back until `leave_on_signals`, which then handles signals that arrived during imports."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


@contextmanager
def _handling(handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]]) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _name(number: signal.Signals) -> str:
    return "Ctrl-C" if number == signal.SIGINT else number.name
