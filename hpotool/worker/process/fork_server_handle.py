"""The worker's handle on its fork server: starts it, without a password in its environment, and ends it."""

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
    """``interrupt`` ended the import of the objective."""


class ForkServerHandle:
    """A running fork server. It can start attempts once ``wait_until_ready`` has returned.

    Args:
        objective: ``module:function``, or None for a command
        environment: its complete environment, which every attempt inherits
        log: the file for the output of the import
    """

    cold: str | None = None  # why every attempt has to import the objective again

    def __init__(self, objective: str, environment: Mapping[str, str], log: Path) -> None:
        self.control, theirs = channel_pair()
        self.log = log  # for the output of importing the objective, and of threads that the import started
        self._objective = objective
        # The worker's thread starts attempts, and the watching thread ends them.
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
                start_new_session=True,  # a terminal's Ctrl-C is handled by the worker
            )
        theirs.close()

    @property
    def pid(self) -> int:
        """The fork server's process, which is the ancestor of all processes of an attempt."""
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
            raise InputError(str(answer["failed"]), str(answer["hint"]))
        self.cold = answer.get("cold")

    def interrupt(self) -> None:
        """End the wait for the import. Safe in any thread and in signal handlers."""
        with contextlib.suppress(OSError):  # the fork server has just ended
            self._wake_writing.send(b".")

    def start(self, job: Job, channel: Channel, log_fd: int) -> None:
        """Fork a child for ``job``, which reports on ``channel`` and prints to ``log_fd``.

        If the fork server has just died, nothing is started, and the attempt's watch notices this.
        """
        with self._sending, contextlib.suppress(ChannelClosed, OSError):
            self.control.send_pickle(StartAttempt(job))
            socket.send_fds(self.control.socket, [b"F"], [channel.fileno(), log_fd])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the attempt's leading process."""
        with self._sending:
            self.control.send_pickle(Signal(number))

    def kill_attempt(self) -> None:
        """SIGKILL the attempt and everything below it."""
        with self._sending:
            self.control.send_pickle(Kill())

    def kill(self) -> None:
        """Kill the fork server and everything below it."""
        kill_descendants(self.pid)
        self._process.kill()
        self._process.wait()
        self._close_sockets()

    def close(self) -> None:
        """End the fork server: it kills everything below it as soon as its control channel is closed."""
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
                raise self._failure("wrote invalid data into its worker's socket") from None
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
    """``environment`` without variables that lead to the database, by name or because they hold its URL."""
    url = environment.get("HPOTOOL_STORAGE")
    # This makes torch use NVML to detect GPUs, so that `torch.cuda.is_available()` at import is harmless.
    defaults = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
    kept = {
        name: value for name, value in environment.items() if name not in _SECRETS and not (url and value == url)
    }
    # `python` in a command is the worker's Python, whether or not its environment is activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    return defaults | kept | {"PATH": path}
