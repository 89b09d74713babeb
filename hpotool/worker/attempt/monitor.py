"""Watches one attempt from a thread of its own, so that limits hold while the worker waits for its database.

The thread reads what the child sends as soon as it comes (a child never waits for the worker unless it asked
something), holds the attempt against its limits, passes on stop requests, and ends the whole process tree when
one of them says so. The worker's thread takes the child's requests from ``requests()``, in order.

Whatever else the attempt's processes are (forked, spawned), they connect for themselves and are heard alike; only
the first one can say how the attempt ended. Bytes that make no sense end what sent them, never this thread.
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
# From its last message to its end: threads that still save something, exit handlers, CUDA's own tear-down.
_EXITS_WITHIN_S = 30.0
_DUMPS_WITHIN_S = 0.3  # for the traceback that SIGQUIT prints
_IS_KILLED_WITHIN_S = 10.0
_MOST_PROCESSES = 256  # of one attempt that are connected; select() knows file descriptors below 1024. More wait
_GARBLED = Cause(
    Outcome.ERROR, "it wrote something of its own into the socket through which it talks to its worker"
)


class AttemptMonitor:
    """The thread that monitors one attempt, from its start until nothing of it is left."""

    def __init__(
        self,
        server: ForkServerHandle,
        channel: Channel,
        limits: ObjectiveSpec,
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
        self._meter = meter
        if meter is not None:
            meter.reset()
        self._socket = AttemptSocket()
        self.address = self._socket.address
        self._others: list[Channel] = []  # of further processes of the attempt
        self._bells: list[Channel] = []  # closed to tell a further process that the attempt is to stop
        self._requests: queue.SimpleQueue[tuple[dict[str, Any], Channel] | None] = queue.SimpleQueue()
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
        self._exits_by: float | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="attempt-monitor", daemon=True)

    def __enter__(self) -> AttemptMonitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the attempt if it has not ended; nothing of it is left afterwards."""
        if self._thread.is_alive():
            self.stop(Outcome.CANCELLED, "the worker gave the attempt up", timedelta(0))
        self._thread.join()
        self._socket.close()
        with self._closing:
            self._is_closed = True
            os.close(self._wake_reading)
            os.close(self._wake_writing)

    def requests(self) -> Iterator[tuple[dict[str, Any], Channel]]:
        """What the attempt asks and tells, in order, and where an answer goes, until the attempt has ended.

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

    def _run(self) -> None:
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
                self._read_last()
            finally:
                self._requests.put(None)  # whatever happens here, the worker's thread does not wait for ever

    def _look(self) -> None:
        sources: list[Any] = [self._server.control, self._wake_reading, *self._others, *self._bells]
        if self._channel.fileno() >= 0:
            sources.append(self._channel)
        if len(self._others) + len(self._bells) < _MOST_PROCESSES:
            sources.append(self._socket)
        readable = select.select(sources, [], [], self._pause())[0]
        self._bells = [bell for bell in self._bells if bell not in readable]  # nobody listens there any more
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
        """What had arrived when the attempt ended; of other processes also when they had only just connected."""
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
        """What has arrived there, if anything has."""
        messages: list[tuple[dict[str, Any], Channel]] = []
        try:
            if is_readable(channel.socket, 0):
                messages.extend((read_message(body), channel) for body in channel.receive_available())
        except ChannelClosed as error:
            self._hang_up(channel, is_garbled=isinstance(error, ChannelGarbled))
        return messages

    def _hang_up(self, channel: Channel, *, is_garbled: bool) -> None:
        if channel in self._others:
            # Not closed here: the worker's thread may be about to answer. The last one to forget it closes it.
            self._others.remove(channel)
        elif channel is self._channel:
            channel.close()
            if is_garbled:
                self.cause = self.cause or _GARBLED
                self._kill_no_later_than(0)

    def _take_all(self, arrived: list[tuple[dict[str, Any], Channel]]) -> None:
        # What one process says after another has spoken is to be answered after it, whoever is read first.
        for message, channel in sorted(arrived, key=lambda one: one[0]["at"]):
            self._take(message, channel)

    def _take(self, message: dict[str, Any], channel: Channel) -> None:
        self._last_progress = time.monotonic()
        if "end" in message:
            if channel is not self._channel:  # only the first process can say it
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
            if now >= self._next_look:  # not after each report: it reads /proc, and asks the GPUs
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
        """When the attempt's time is over. The time that the worker takes over its requests is not counted."""
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
        self._server.signal(signal.SIGQUIT)  # the child prints where every thread is
        self._kill_no_later_than(_DUMPS_WITHIN_S)

    def _end_what_does_not_exit(self, end: dict[str, Any]) -> None:
        """The objective is over, but a thread or an exit handler of its process is not. Its result counts."""
        self._exits_by = None
        waited = "until its timeout" if time.monotonic() >= self._times_out_at() else f"for {_EXITS_WITHIN_S:g} s"
        told = f"something of it still ran after the objective, {waited}, and was ended; its log says what it did"
        self.end = {**end, "reason": end["reason"] or told}
        self._server.signal(signal.SIGQUIT)
        self._kill_no_later_than(_DUMPS_WITHIN_S)

    def _kill_no_later_than(self, seconds: float) -> None:
        at = time.monotonic() + seconds
        self._kill_at = at if self._kill_at is None else min(self._kill_at, at)
