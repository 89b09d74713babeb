"""Watches one attempt from a thread of its own, so that limits hold while the worker waits for its database.

The thread reads what the child sends as soon as it comes (a child never waits for the worker unless it asked
something), holds the attempt against its limits, passes on stop requests, and ends the whole process tree when
one of them says so. The worker's thread takes the child's requests from ``requests()``, in order.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from hpotool.study.outcome import Outcome
from hpotool.study.spec import ObjectiveSpec
from hpotool.worker.channel import Channel, ChannelClosed
from hpotool.worker.ending import Cause
from hpotool.worker.fork_server_handle import ForkServerHandle
from hpotool.worker.gpu import DeviceMeter
from hpotool.worker.log_file import keep_small
from hpotool.worker.process_tree import descendants, identify, kill_all, proportional_memory, resident_memory

_LOOKS_EVERY_S = 1.0
_LOOKS_AT_A_LIMIT_EVERY_S = 0.2
_EXITS_WITHIN_S = 3.0  # from its last message to its end: exit handlers, CUDA's own tear-down
_DUMPS_WITHIN_S = 0.3  # for the traceback that SIGQUIT prints
_IS_KILLED_WITHIN_S = 10.0


class AttemptWatch:
    """The thread that watches one attempt, from its start until nothing of it is left."""

    def __init__(
        self,
        server: ForkServerHandle,
        channel: Channel,
        limits: ObjectiveSpec,
        log: Path,
        meter: DeviceMeter | None,
    ) -> None:
        self.cause: Cause | None = None
        self.end: dict[str, Any] | None = None  # the child's last message
        self.status: int | None = None  # as os.wait has it; None when the fork server itself was lost
        self.left_behind = 0
        self.peak_memory = 0
        self.seen: frozenset[psutil.Process] = frozenset()  # what was below the fork server at the last look
        self._server = server
        self._channel = channel
        self._limits = limits
        self._log = log
        self._meter = meter
        if meter is not None:
            meter.reset()
        self._requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        # A SimpleQueue and a pipe, because stop() may be called from a signal handler in any thread's middle.
        self._stops: queue.SimpleQueue[tuple[Cause, float]] = queue.SimpleQueue()
        self._wake_reading, self._wake_writing = os.pipe()
        self._closing = threading.RLock()
        self._is_closed = False
        self._started = self._last_progress = time.monotonic()
        self._next_look = self._started + _LOOKS_AT_A_LIMIT_EVERY_S
        self._serving_since: float | None = None
        self._served_for = 0.0
        self._kill_at: float | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._watch, name="attempt-watch", daemon=True)

    def __enter__(self) -> AttemptWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the attempt if it has not ended; nothing of it is left afterwards."""
        if self._thread.is_alive():
            self.stop(Outcome.CANCELLED, "the worker gave the attempt up", timedelta(0))
        self._thread.join()
        with self._closing:
            self._is_closed = True
            os.close(self._wake_reading)
            os.close(self._wake_writing)

    def requests(self) -> Iterator[dict[str, Any]]:
        """What the child asks and tells, in order, until the attempt has ended.

        The time that the worker takes over a request is not the attempt's: while the database is away, a child
        that waits for a suggestion is neither stalled nor too slow.
        """
        while (request := self._requests.get()) is not None:
            began = self._serving_since = time.monotonic()
            yield request
            self._last_progress = time.monotonic()
            self._served_for += self._last_progress - began
            self._serving_since = None

    def stop(self, outcome: Outcome, reason: str, grace: timedelta) -> None:
        """Ask the objective to stop, and end it after ``grace``. From any thread, or from a signal handler."""
        self._stops.put((Cause(outcome, reason), grace.total_seconds()))
        # A lock that its own thread may take twice: a signal handler meets it closing, and writes nothing then.
        # Without it the byte could go into a file that got the number of the closed pipe.
        with self._closing:
            if not self._is_closed:
                os.write(self._wake_writing, b".")

    def _watch(self) -> None:
        try:
            while not self._ended:
                self._look()
        except ChannelClosed:
            pass  # the fork server is gone
        finally:
            if not self._ended:
                # The kernel kills an attempt with its fork server, but not what the attempt had started.
                self._server.kill()
                kill_all(self.seen)
            try:
                for body in self._channel.drain():
                    self._take(body)
            finally:
                self._requests.put(None)  # whatever happens here, the worker's thread does not wait for ever

    def _look(self) -> None:
        sources: list[Any] = [self._server.control, self._wake_reading]
        if self._channel.fileno() >= 0:
            sources.append(self._channel)
        readable = select.select(sources, [], [], self._pause())[0]
        if self._channel in readable:
            self._read_channel()
        if self._wake_reading in readable:
            os.read(self._wake_reading, 4096)
            self._take_stops()
        if self._server.control in readable:
            self._read_control()
        if not self._ended:
            self._hold_against_limits()

    def _pause(self) -> float:
        if self._channel.fileno() < 0:
            return _LOOKS_AT_A_LIMIT_EVERY_S
        return _LOOKS_AT_A_LIMIT_EVERY_S if self._limits.max_memory or self._kill_at else _LOOKS_EVERY_S

    def _read_channel(self) -> None:
        try:
            for body in self._channel.receive_available():
                self._take(body)
        except ChannelClosed:
            self._channel.close()

    def _take(self, body: bytes) -> None:
        message = json.loads(body)
        self._last_progress = time.monotonic()
        if "end" in message:
            self.end = message
            self._kill_no_later_than(_EXITS_WITHIN_S)
        else:
            self._requests.put(message)

    def _read_control(self) -> None:
        for body in self._server.control.receive_available():
            message = json.loads(body)
            if "ended" in message:
                self.status = message["status"]
                self.left_behind = message["left_behind"]
                self._ended = True

    def _take_stops(self) -> None:
        while not self._stops.empty():
            cause, grace_s = self._stops.get()
            self.cause = self.cause or cause
            if grace_s > 0:
                self._server.signal(signal.SIGTERM)
            self._kill_no_later_than(grace_s)

    def _hold_against_limits(self) -> None:
        now = time.monotonic()
        if self._kill_at is not None and now >= self._kill_at:
            if now >= self._kill_at + _IS_KILLED_WITHIN_S:
                raise ChannelClosed  # the fork server does not answer
            self._server.kill_attempt()
        elif self.cause is None and self.end is None:
            self._look_at_time(now)
            if now >= self._next_look:  # not after each report: it reads /proc, and asks the GPUs
                self._next_look = now + self._pause()
                self._look_at_memory()
                with contextlib.suppress(OSError):  # a full disk is no reason to end an attempt
                    keep_small(self._log)

    def _look_at_time(self, now: float) -> None:
        timeout, stall = self._limits.timeout, self._limits.stall
        serving_since = self._serving_since
        served_for = self._served_for + (0.0 if serving_since is None else max(0.0, now - serving_since))
        if timeout is not None and now - self._started - served_for > timeout.total_seconds():
            reason = f"it ran longer than the timeout of {show_duration(timeout)}"
            self._end_with_traceback(Outcome.TIMEOUT, reason)
            return
        is_waiting_for_us = serving_since is not None or not self._requests.empty()
        if stall is not None and not is_waiting_for_us and now - self._last_progress > stall.total_seconds():
            self._end_with_traceback(Outcome.STALLED, f"it reported nothing for {show_duration(stall)}")

    def _look_at_memory(self) -> None:
        self.seen = identify(descendants(self._server.pid))
        pids = [process.pid for process in self.seen]
        used = resident_memory(pids)
        limit = self._limits.max_memory
        if limit is not None and used > limit:
            used = proportional_memory(pids)
            if used > limit:
                reason = f"it used {show_bytes(used)}, more than max_memory {show_bytes(limit)}"
                self.cause = Cause(Outcome.OOM, reason)
                self._kill_no_later_than(0)
        self.peak_memory = max(self.peak_memory, used)
        if self._meter is not None:
            self._meter.sample(pids)

    def _end_with_traceback(self, outcome: Outcome, reason: str) -> None:
        self.cause = Cause(outcome, reason)
        self._server.signal(signal.SIGQUIT)  # the child prints where every thread is
        self._kill_no_later_than(_DUMPS_WITHIN_S)

    def _kill_no_later_than(self, seconds: float) -> None:
        at = time.monotonic() + seconds
        self._kill_at = at if self._kill_at is None else min(self._kill_at, at)


def show_duration(duration: timedelta) -> str:
    """A duration as a study file writes it."""
    seconds = duration.total_seconds()
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:g}s"


def show_bytes(number: int) -> str:
    """A number of bytes for people."""
    amount = float(number)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.4g} {unit}"
        amount /= 1024
    return f"{amount:.4g} GiB"
