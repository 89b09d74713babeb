"""What a worker is told, by signals and by people through the database: drain, stop, or stop now.

What was asked for only ever gets stronger. A signal handler may run between any two instructions of the main
thread, so nothing here takes a lock: an attribute is set, and a byte in a pipe wakes whoever waits. What there is
to say about it a thread of its own says, since the log must not be written in a handler.

A worker that has not claimed anything yet has nothing to hand back: `leave_on_signals` ends it on the spot, from
the first moment on (`hpotool.cli.first_moment` holds signals back until then).
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


class Level(IntEnum):
    """How urgently the worker is to leave."""

    STAY = 0
    DRAIN = 1  # finish the current trial, then leave
    STOP = 2  # have the current trial checkpoint, requeue it, leave
    NOW = 3  # the same without waiting for the checkpoint


# SIGUSR1 and SIGUSR2 are what Slurm's --signal sends before the time limit; SIGHUP is a closed terminal.
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
SIGNALS = (*_STOP_SIGNALS, signal.SIGINT)
_WHY = {
    Level.DRAIN: "asked to leave after its trial",
    Level.STOP: "asked to leave",
    Level.NOW: "asked to leave at once",
}


class Stopping:
    """What this worker was told so far, and why.

    ``listener`` hears of every rise, in whatever thread told it; ``announce`` of every rise by a signal, in a
    thread of its own.
    """

    def __init__(self) -> None:
        self.level = Level.STAY
        self.reason = ""
        self.signal: signal.Signals | None = None  # the one that was heard first
        self.listener: Callable[[], None] | None = None
        self.announce: Callable[[Level, str], None] | None = None
        self._heard: queue.SimpleQueue[tuple[Level, str] | None] = queue.SimpleQueue()
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        os.set_blocking(self._read_end, False)

    @property
    def exit_code(self) -> int:
        """With which a worker leaves that still had work: 0 unless a signal told it to."""
        return EXIT_DONE if self.signal is None else exit_code_of_signal(self.signal)

    def describe_reason(self) -> str:
        """Why the worker leaves, for people."""
        return f"{_WHY[self.level]}: {self.reason}"

    def request(self, level: Level, reason: str) -> None:
        """Ask for ``level``; a weaker wish than one before changes nothing."""
        if level <= self.level:
            return
        self.level, self.reason = level, reason
        with suppress(BlockingIOError):  # a pipe full of wake-ups: nobody will sleep through this one
            os.write(self._write_end, b"!")
        if self.listener is not None:
            self.listener()

    def is_requested(self) -> bool:
        """Whether it was told anything."""
        return self.level > Level.STAY

    def wait(self, duration: timedelta) -> None:
        """Sleep for ``duration``, or until told something."""
        if self.level == Level.STAY:
            select.select([self._read_end], [], [], duration.total_seconds())

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Hear the process's signals: the first SIGTERM or SIGUSR stops, the second one stops now.

        SIGINT drains at first, then stops, then stops now. In another thread than the main one nothing is heard:
        Python calls handlers in that one only.
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
    """What a worker answers at once to a signal; None: that it leaves is all there is to say."""
    again = "Ctrl-C again" if name == "Ctrl-C" else "a second signal"
    if trial is None or level == Level.STAY:
        return None
    if level == Level.DRAIN:
        return f"finishing trial {trial}, then leaving; {again} hands it back now"
    if level == Level.STOP and grace > timedelta(0):
        seconds = f"{grace.total_seconds():g} s"
        return f"handing trial {trial} back: it has {seconds} for its checkpoint; {again} does not wait for that"
    return f"handing trial {trial} back now"


@contextmanager
def leave_on_signals(say: Callable[[str], None]) -> Iterator[None]:
    """Inside, a signal ends the process with its exit code: for a worker that holds no trial yet."""

    def leave(number: int, _frame: FrameType | None) -> None:
        for each in SIGNALS:  # one is enough: what follows cleans up
            signal.signal(each, signal.SIG_IGN)
        say(f"leaving: {_name(signal.Signals(number))}")
        raise SystemExit(exit_code_of_signal(number))

    with _handling(dict.fromkeys(SIGNALS, leave)):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        yield


def hold_signals() -> None:
    """Keep signals back until `leave_on_signals`: what comes while Python imports is heard then."""
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
