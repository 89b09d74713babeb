"""Watches one attempt from a separate thread, so that limits apply while the worker waits for its database.

The thread reads the child's messages as soon as they arrive (a child only waits for the worker when it has asked a
question), checks the attempt's limits, passes on stop requests, and ends the whole process tree when a limit or a
request requires it. The worker's thread takes the child's requests from ``requests()``, in order.

Further processes of the attempt (forked or spawned) connect by themselves and are treated alike, but only the
first process can report how the attempt ended. Invalid bytes end their sender, never this thread.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psutil

from hpotool.study.outcome import Outcome
from hpotool.study.spec import ObjectiveSpec
from hpotool.study.units import format_bytes, format_duration
from hpotool.worker.gpu import DeviceMeter
from hpotool.worker.process.attempt_socket import AttemptSocket
from hpotool.worker.process.channel import Channel, ChannelClosed, ChannelGarbled, is_readable
from hpotool.worker.process.classify_end import Cause
from hpotool.worker.process.fork_server_handle import ForkServerHandle
from hpotool.worker.process.log_file import keep_small
from hpotool.worker.process.process_tree import (
    descendants,
    identify,
    kill_all,
    proportional_memory,
    resident_memory,
)
from hpotool.worker.process.protocol import read_control, read_message

_LOOKS_EVERY_S = 1.0
_LOOKS_AT_A_LIMIT_EVERY_S = 0.2
# The time from the last message to the end: threads that still save something, exit handlers, CUDA's tear-down.
_EXITS_WITHIN_S = 30.0
_DUMPS_WITHIN_S = 0.3  # for the traceback that SIGQUIT prints
_IS_KILLED_WITHIN_S = 10.0
_MOST_PROCESSES = (
    256  # connected processes of one attempt: select() is limited to descriptors below 1024; more wait
)
_GARBLED = Cause(Outcome.ERROR, "it wrote invalid data into its socket to the worker")


class AttemptMonitor:
    """The thread that watches one attempt, from its start until no process of it is left."""

    def __init__(
        self,
        server: ForkServerHandle,
        channel: Channel,
        limits: ObjectiveSpec,
        meter: DeviceMeter | None,
    ) -> None:
        self.cause: Cause | None = None
        self.end: dict[str, Any] | None = None  # the child's last message
        self.status: int | None = None  # as from os.wait; None if the fork server itself was lost
        self.left_behind = 0
        self.peak_memory = 0
        self.seen: frozenset[psutil.Process] = frozenset()  # the processes below the fork server at the last check
        self._server = server
        self._channel = channel
        self._limits = limits
        self._meter = meter
        if meter is not None:
            meter.reset()
        self._socket = AttemptSocket()
        self.address = self._socket.address
        self._others: list[Channel] = []  # channels of further processes of the attempt
        self._bells: list[Channel] = []  # closed to tell a further process that the attempt must stop
        self._requests: queue.SimpleQueue[tuple[dict[str, Any], Channel] | None] = queue.SimpleQueue()
        # A SimpleQueue and a pipe, because a signal handler may call stop() at any point in any thread.
        self._stops: queue.SimpleQueue[tuple[Cause, float]] = queue.SimpleQueue()
        self._wake_reading, self._wake_writing = os.pipe()
        self._closing = threading.RLock()
        self._is_closed = False
        self._started = self._last_progress = time.monotonic()
        self._next_look = self._started + _LOOKS_AT_A_LIMIT_EVERY_S
        self._serving_since: float | None = None
        self._served_for = 0.0
        self._kill_at: float | None = None
        self._exits_by: float | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="attempt-monitor", daemon=True)

    def __enter__(self) -> AttemptMonitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the attempt if it is still running; afterwards, no process of it is left."""
        if self._thread.is_alive():
            self.stop(Outcome.CANCELLED, "the worker abandoned the attempt", timedelta(0))
        self._thread.join()
        self._socket.close()
        with self._closing:
            self._is_closed = True
            os.close(self._wake_reading)
            os.close(self._wake_writing)

    def requests(self) -> Iterator[tuple[dict[str, Any], Channel]]:
        """Yield the attempt's messages in order, each with the channel for an answer, until the attempt has ended.

        The time that the worker takes for a request does not count against the attempt: while the database is
        away, a child that waits for a suggestion is neither stalled nor timed out.
        """
        while (request := self._requests.get()) is not None:
            began = self._serving_since = time.monotonic()
            yield request
            self._last_progress = time.monotonic()
            self._served_for += self._last_progress - began
            self._serving_since = None

    def stop(self, outcome: Outcome, reason: str, grace: timedelta) -> None:
        """Ask the objective to stop, and end it after ``grace``. Safe in any thread and in signal handlers."""
        self._stops.put((Cause(outcome, reason), grace.total_seconds()))
        # A reentrant lock, so that a signal handler that interrupts the closing sees it and does not write.
        # Otherwise the byte could go to another file that reuses the closed pipe's number.
        with self._closing:
            if not self._is_closed:
                os.write(self._wake_writing, b".")

    def _run(self) -> None:
        try:
            while not self._ended:
                self._look()
        except ChannelClosed:
            pass  # the fork server is gone
        finally:
            if not self._ended:
                # The kernel kills an attempt with its fork server, but not processes that the attempt had started.
                self._server.kill()
                kill_all(self.seen)
            try:
                self._read_last()
            finally:
                self._requests.put(None)  # whatever happens here, the worker's thread must not wait for ever

    def _look(self) -> None:
        sources: list[Any] = [self._server.control, self._wake_reading, *self._others, *self._bells]
        if self._channel.fileno() >= 0:
            sources.append(self._channel)
        if len(self._others) + len(self._bells) < _MOST_PROCESSES:
            sources.append(self._socket)
        readable = select.select(sources, [], [], self._pause())[0]
        self._bells = [bell for bell in self._bells if bell not in readable]  # the other end is closed
        if self._socket in readable:
            self._accept()
        self._take_all([message for channel in self._open_channels() for message in self._read(channel)])
        if self._wake_reading in readable:
            os.read(self._wake_reading, 4096)
            self._take_stops()
        if self._server.control in readable:
            self._read_control()
        if not self._ended:
            self._hold_against_limits()

    def _read_last(self) -> None:
        """Messages that had arrived when the attempt ended, also from processes that had just connected."""
        self._accept()
        arrived: list[tuple[dict[str, Any], Channel]] = []
        for channel in self._open_channels():
            while channel in self._open_channels() and is_readable(channel.socket, 0):
                arrived += self._read(channel)
        self._take_all(arrived)
        self._ring_bells()

    def _accept(self) -> None:
        while len(self._others) + len(self._bells) < _MOST_PROCESSES and (connected := self._socket.accept()):
            self._others.append(connected)

    def _open_channels(self) -> list[Channel]:
        return [*self._others, *([self._channel] if self._channel.fileno() >= 0 else [])]

    def _pause(self) -> float:
        if self._channel.fileno() < 0:
            return _LOOKS_AT_A_LIMIT_EVERY_S
        return _LOOKS_AT_A_LIMIT_EVERY_S if self._limits.max_memory or self._kill_at else _LOOKS_EVERY_S

    def _read(self, channel: Channel) -> list[tuple[dict[str, Any], Channel]]:
        """Messages that have arrived on the channel, if any."""
        messages: list[tuple[dict[str, Any], Channel]] = []
        try:
            if is_readable(channel.socket, 0):
                messages.extend((read_message(body), channel) for body in channel.receive_available())
        except ChannelClosed as error:
            self._hang_up(channel, is_garbled=isinstance(error, ChannelGarbled))
        return messages

    def _hang_up(self, channel: Channel, *, is_garbled: bool) -> None:
        if channel in self._others:
            # Not closed here, because the worker's thread may be about to answer; closed with its last reference.
            self._others.remove(channel)
        elif channel is self._channel:
            channel.close()
            if is_garbled:
                self.cause = self.cause or _GARBLED
                self._kill_no_later_than(0)

    def _take_all(self, arrived: list[tuple[dict[str, Any], Channel]]) -> None:
        # Messages of different processes are answered in the order in which they were sent, not read.
        for message, channel in sorted(arrived, key=lambda one: one[0]["at"]):
            self._take(message, channel)

    def _take(self, message: dict[str, Any], channel: Channel) -> None:
        self._last_progress = time.monotonic()
        if "end" in message:
            if channel is not self._channel:  # only the first process may report the end
                self._hang_up(channel, is_garbled=True)
                return
            self.end = message
            self._exits_by = min(self._last_progress + _EXITS_WITHIN_S, self._times_out_at())
        elif message["do"] == "hear_stop" and channel in self._others:
            self._others.remove(channel)
            if self.cause is None:
                self._bells.append(channel)
        else:
            self._requests.put((message, channel))

    def _read_control(self) -> None:
        for body in self._server.control.receive_available():
            message = read_control(body)
            if "ended" in message:
                self.status = message["status"]
                self.left_behind = message["left_behind"]
                self._ended = True

    def _take_stops(self) -> None:
        while not self._stops.empty():
            cause, grace_s = self._stops.get()
            self.cause = self.cause or cause
            self._ring_bells()
            if grace_s > 0:
                self._server.signal(signal.SIGTERM)
            self._kill_no_later_than(grace_s)

    def _ring_bells(self) -> None:
        while self._bells:
            self._bells.pop().close()

    def _hold_against_limits(self) -> None:
        now = time.monotonic()
        if self._kill_at is not None and now >= self._kill_at:
            if now >= self._kill_at + _IS_KILLED_WITHIN_S:
                raise ChannelClosed  # the fork server does not answer
            self._server.kill_attempt()
        elif self.cause is None:
            if self.end is None:
                self._look_at_time(now)
            elif self._exits_by is not None and now >= self._exits_by:
                self._end_what_does_not_exit(self.end)
            if now >= self._next_look:  # not after each report, because this reads /proc and queries the GPUs
                self._next_look = now + self._pause()
                self._look_at_memory()
                with contextlib.suppress(OSError):  # a full disk is no reason to end an attempt
                    keep_small(self._server.log)

    def _look_at_time(self, now: float) -> None:
        timeout, stall = self._limits.timeout, self._limits.stall
        if timeout is not None and now > self._times_out_at():
            reason = f"it ran longer than the timeout of {format_duration(timeout)}"
            self._end_with_traceback(Outcome.TIMEOUT, reason)
            return
        serving_since = self._serving_since
        is_waiting_for_us = serving_since is not None or not self._requests.empty()
        if stall is not None and not is_waiting_for_us and now - self._last_progress > stall.total_seconds():
            self._end_with_traceback(Outcome.STALLED, f"it reported nothing for {format_duration(stall)}")

    def _times_out_at(self) -> float:
        """The attempt's deadline. Time that the worker takes for its requests is not counted."""
        if self._limits.timeout is None:
            return float("inf")
        serving_since = self._serving_since
        served_for = 0.0 if serving_since is None else max(0.0, time.monotonic() - serving_since)
        return self._started + self._limits.timeout.total_seconds() + self._served_for + served_for

    def _look_at_memory(self) -> None:
        self.seen = identify(descendants(self._server.pid))
        pids = [process.pid for process in self.seen]
        used = resident_memory(pids)
        limit = self._limits.max_memory
        if limit is not None and used > limit:
            used = proportional_memory(pids)
            if used > limit:
                reason = f"it used {format_bytes(used)}, more than max_memory {format_bytes(limit)}"
                self.cause = Cause(Outcome.OOM, reason)
                self._kill_no_later_than(0)
        self.peak_memory = max(self.peak_memory, used)
        if self._meter is not None:
            self._meter.sample(pids)

    def _end_with_traceback(self, outcome: Outcome, reason: str) -> None:
        self.cause = Cause(outcome, reason)
        self._server.signal(signal.SIGQUIT)  # the child prints the stack of every thread
        self._kill_no_later_than(_DUMPS_WITHIN_S)

    def _end_what_does_not_exit(self, end: dict[str, Any]) -> None:
        """End a process whose objective has returned, but not its threads or exit handlers. The result counts."""
        self._exits_by = None
        waited = "until its timeout" if time.monotonic() >= self._times_out_at() else f"for {_EXITS_WITHIN_S:g} s"
        told = (
            f"a thread or exit handler still ran after the objective, {waited}, and was ended; the log shows where"
        )
        self.end = {**end, "reason": end["reason"] or told}
        self._server.signal(signal.SIGQUIT)
        self._kill_no_later_than(_DUMPS_WITHIN_S)

    def _kill_no_later_than(self, seconds: float) -> None:
        at = time.monotonic() + seconds
        self._kill_at = at if self._kill_at is None else min(self._kill_at, at)
