"""An attempt's way to its worker, wherever the objective takes its trial: threads, forks, spawned processes.

The process that the objective was called in has a channel of its own from its birth. Every other one connects when
it first uses the trial; a connection is never shared by two processes, whose messages would mix.
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
    """Whether the attempt was asked to stop: its own process by a signal, others by their worker.

    What it forks does not take the signal for a question: it ends, as usual.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._pid = os.getpid()
        self._asked = False
        self._bell: Channel | None = None  # of a further process: closed when the attempt is asked to stop

    def __call__(self) -> bool:
        """Whether it was asked."""
        if os.getpid() != self._pid:
            self._pid, self._bell = os.getpid(), None
            self._listen_for_the_bell()
        if not self._asked and self._bell is not None:
            self._asked = is_readable(self._bell.socket, 0)
        return self._asked

    def listen(self) -> None:
        """Take SIGTERM, SIGUSR1 and SIGUSR2 as the request from now on."""
        for number in _STOP_SIGNALS:
            signal.signal(number, self._note)
        # A data loader's or a pool's worker must still end by the SIGTERM that its pool sends it.
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
    """What arrives where a trial is unpickled: it knows of no process yet, not even of this one."""
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
    """The way to the worker, from any thread and any process of the attempt.

    The attempt's own process has ``channel``. Another one, into which a trial came by fork or by pickling,
    connects to ``address`` when it first says something.
    """

    def __init__(self, channel: Channel | None, address: str | None = None) -> None:
        self._connection = None if channel is None else _Connection(channel)
        self._address = address

    def ask(self, request: dict[str, Any], within_s: float | None = None, default: Any = None) -> Any:
        """Ask, and wait. An answer that comes after ``within_s`` is dropped when it comes."""
        with _said_plainly():
            return self._of_this_process().ask(request, within_s, default)

    def tell(self, request: dict[str, Any]) -> None:
        """Send without waiting."""
        with _said_plainly():
            self._of_this_process().tell(request)

    def _of_this_process(self) -> _Connection:
        connection = self._connection
        if connection is None or connection.pid != os.getpid():
            # Two threads that come here together have a connection each for a moment. Both are good.
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
            "the worker does not answer: this trial's attempt is over, or something here has closed its socket"
        ) from None


def _end_by_stop_signals() -> None:
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
