"""An attempt's link to its worker, wherever the objective uses its trial: threads, forks, spawned processes.

The process that runs the objective inherits a channel. Every other process connects when it first uses the trial;
a connection is never shared by two processes, because their messages would mix.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

from hpotool.worker.process.attempt_socket import connect_to_attempt
from hpotool.worker.process.channel import LONGEST, Channel, ChannelClosed, is_readable

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class StopRequest:
    """Whether the attempt was asked to stop: its own process by a signal, others through their connection.

    In processes that the objective forks, the signal has its usual effect.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._pid = os.getpid()
        self._asked = False
        self._bell: Channel | None = None  # in a further process: closed when the attempt is asked to stop

    def __call__(self) -> bool:
        """Whether the attempt was asked to stop."""
        if os.getpid() != self._pid:
            self._pid, self._bell = os.getpid(), None
            self._listen_for_the_bell()
        if not self._asked and self._bell is not None:
            self._asked = is_readable(self._bell.socket, 0)
        return self._asked

    def listen(self) -> None:
        """From now on, treat SIGTERM, SIGUSR1 and SIGUSR2 as a request to stop."""
        for number in _STOP_SIGNALS:
            signal.signal(number, self._note)
        # A worker of a data loader or pool must still end when its pool sends SIGTERM.
        os.register_at_fork(after_in_child=_end_by_stop_signals)

    def _note(self, *_: object) -> None:
        self._asked = True

    def _listen_for_the_bell(self) -> None:
        try:
            bell = connect_to_attempt(self._address or "")
            bell.send_json({"do": "hear_stop", "at": time.monotonic_ns()})
        except ChannelClosed:  # its attempt is over
            self._asked = True
        else:
            self._bell = bell

    def __deepcopy__(self, _: dict[int, Any]) -> StopRequest:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _stop_request_elsewhere, (self._address,)


def _stop_request_elsewhere(address: str | None) -> StopRequest:
    """The state of an unpickled trial, which is not bound to a process yet, not even to this one."""
    request = StopRequest(address)
    request._pid = 0
    return request


class _Connection:
    """One process's channel to the worker. Several threads may use it."""

    def __init__(self, channel: Channel) -> None:
        self.pid = os.getpid()
        self._channel = channel
        self._lock = threading.Lock()
        self._last = 0

    def ask(self, request: dict[str, Any], within_s: float | None, default: Any) -> Any:
        with self._lock:
            self._last += 1
            self._send({**request, "id": self._last})
            while True:
                if within_s is None:
                    number, answer, error = self._channel.receive_pickle()
                else:
                    came, message = self._channel.receive_pickle_within(within_s)
                    if not came:
                        return default
                    number, answer, error = message
                if number == self._last:
                    break
        if error is not None:
            raise error
        return answer

    def tell(self, request: dict[str, Any]) -> None:
        with self._lock:
            self._send(request)

    def _send(self, request: dict[str, Any]) -> None:
        body = json.dumps({**request, "at": time.monotonic_ns()}).encode()
        if len(body) > LONGEST:
            raise ValueError(f"{len(body)} bytes are too many for a study; write them into trial.checkpoint_dir")
        self._channel.send(body)


class ChannelLink:
    """The link to the worker, for every thread and process of the attempt.

    The attempt's own process uses ``channel``. A process that got the trial by fork or pickling connects to
    ``address`` when it sends its first message.
    """

    def __init__(self, channel: Channel | None, address: str | None = None) -> None:
        self._connection = None if channel is None else _Connection(channel)
        self._address = address

    def ask(self, request: dict[str, Any], within_s: float | None = None, default: Any = None) -> Any:
        """Send a request and wait for the answer. An answer that comes after ``within_s`` is discarded."""
        with _said_plainly():
            return self._of_this_process().ask(request, within_s, default)

    def tell(self, request: dict[str, Any]) -> None:
        """Send without waiting."""
        with _said_plainly():
            self._of_this_process().tell(request)

    def _of_this_process(self) -> _Connection:
        connection = self._connection
        if connection is None or connection.pid != os.getpid():
            # Two threads that get here together each have a connection for a moment, which is harmless.
            connection = self._connection = _Connection(connect_to_attempt(self._address or ""))
        return connection

    def __deepcopy__(self, _: dict[int, Any]) -> ChannelLink:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return ChannelLink, (None, self._address)


@contextlib.contextmanager
def _said_plainly() -> Iterator[None]:
    try:
        yield
    except ChannelClosed:
        raise RuntimeError(
            "the worker does not answer: this trial's attempt is over, or this process has closed its socket"
        ) from None


def _end_by_stop_signals() -> None:
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
