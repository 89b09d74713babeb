"""The worker's end of its fork server: starts it, without any password in its environment, and ends it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpotool.errors import InputError
from hpotool.worker.process.channel import Channel, ChannelClosed, ChannelGarbled, channel_pair
from hpotool.worker.process.classify_end import name_signal
from hpotool.worker.process.log_file import open_for_appending, tail_of
from hpotool.worker.process.process_tree import kill_descendants
from hpotool.worker.process.protocol import Job, Kill, Signal, StartAttempt, read_control

_SECRETS = ("HPOTOOL_STORAGE", "HPOTOOL_CONFIG", "PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE")
_ENDS_WITHIN_S = 5.0


class ImportInterrupted(Exception):  # noqa: N818 (not an error: somebody wanted it)
    """The import of the objective was ended by ``interrupt``."""


class ForkServerHandle:
    """A running fork server. It serves attempts when ``wait_until_ready`` has returned.

    Args:
        objective: ``module:function``, or nothing for a command
        environment: all of its environment, which is that of every attempt
        log: takes what the import prints
    """

    cold: str | None = None  # why every attempt has to import the objective again

    def __init__(self, objective: str, environment: Mapping[str, str], log: Path) -> None:
        self.control, theirs = channel_pair()
        self.log = log  # what importing the objective prints, and threads that the import started
        self._objective = objective
        # The worker's thread starts attempts, the one that watches them ends them.
        self._sending = threading.Lock()
        self._wake_reading, self._wake_writing = socket.socketpair()
        self._wake_writing.setblocking(False)
        with open_for_appending(log) as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hpotool.worker.child.fork_server", str(theirs.fileno()), objective],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a terminal's Ctrl-C is the worker's to judge
            )
        theirs.close()

    @property
    def pid(self) -> int:
        """The fork server's process; an attempt and all it starts are below it."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can start attempts."""
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Wait for the import of the objective.

        Raises:
            InputError: it cannot be imported, with the reason in one sentence.
            ImportInterrupted: ``interrupt`` was called.
        """
        try:
            answer = self._first_answer()
        except BaseException:
            self.kill()
            raise
        if "failed" in answer:
            self._process.wait()
            raise InputError(str(answer["failed"]), answer.get("hint"))
        self.cold = answer.get("cold")

    def interrupt(self) -> None:
        """End the wait for the import. From any thread, or from a signal handler."""
        with contextlib.suppress(OSError):  # it has just ended
            self._wake_writing.send(b".")

    def start(self, job: Job, channel: Channel, log_fd: int) -> None:
        """Fork a child for ``job``; it reports on ``channel`` and prints into ``log_fd``.

        A fork server that has just died starts nothing: who watches the attempt notices that it is gone.
        """
        with self._sending, contextlib.suppress(ChannelClosed, OSError):
            self.control.send_pickle(StartAttempt(job))
            socket.send_fds(self.control.socket, [b"F"], [channel.fileno(), log_fd])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the attempt's leading process."""
        with self._sending:
            self.control.send_pickle(Signal(number))

    def kill_attempt(self) -> None:
        """SIGKILL the attempt with everything below it."""
        with self._sending:
            self.control.send_pickle(Kill())

    def kill(self) -> None:
        """End it and everything below it by force."""
        kill_descendants(self.pid)
        self._process.kill()
        self._process.wait()
        self._close_sockets()

    def close(self) -> None:
        """End it: it kills what is below it as soon as its control channel is closed."""
        self.control.close()
        try:
            self._process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._close_sockets()

    def _close_sockets(self) -> None:
        for sock in (self.control, self._wake_reading, self._wake_writing):
            sock.close()

    def _first_answer(self) -> dict[str, Any]:
        while True:
            sources: list[Any] = [self.control, self._wake_reading]
            readable = select.select(sources, [], [])[0]
            if self._wake_reading in readable:
                raise ImportInterrupted
            try:
                for body in self.control.receive_available():
                    return read_control(body)
            except ChannelGarbled:
                raise self._failure("wrote something of its own into its worker's socket") from None
            except ChannelClosed:
                status = self._process.wait()
                how = f"signal {name_signal(-status)}" if status < 0 else f"exit code {status}"
                raise self._failure(f"ended with {how}") from None

    def _failure(self, what: str) -> InputError:
        last = tail_of(self.log).strip().splitlines()[-1:]
        return InputError(
            f"the process that imports the objective {self._objective!r} {what}"
            + "".join(f": {line}" for line in last),
            f"its output is in {self.log}",
        )


def environment_without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` without what could open the database: by name, and by holding the same URL."""
    url = environment.get("HPOTOOL_STORAGE")
    # torch then asks NVML whether there is a GPU, and `torch.cuda.is_available()` at import stays harmless.
    defaults = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
    kept = {
        name: value for name, value in environment.items() if name not in _SECRETS and not (url and value == url)
    }
    # `python` in a command is the Python that runs the worker, whether its environment was activated or not.
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    return defaults | kept | {"PATH": path}
