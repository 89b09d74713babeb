"""The worker's end of its fork server: starts it, without any password in its environment, and ends it."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hpotool.errors import InputError
from hpotool.worker.channel import Channel, ChannelClosed, channel_pair
from hpotool.worker.log_file import tail_of
from hpotool.worker.messages import Job, Kill, Signal, StartAttempt
from hpotool.worker.process_tree import kill_descendants

_SECRETS = ("HPOTOOL_STORAGE", "HPOTOOL_CONFIG", "PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE")
_ENDS_WITHIN_S = 5.0
_ASKS_EVERY_S = 0.1  # whether an import is still wanted


class ImportAbandonedError(Exception):
    """The import of the objective was ended because nobody waits for it any more."""


class ForkServerHandle:
    """A running fork server that has imported the objective.

    Raises:
        InputError: the objective cannot be imported, with the reason in one sentence.
        ImportAbandonedError: ``is_unwanted`` said so while it was imported; it was ended.
    """

    def __init__(
        self,
        objective: str,
        environment: Mapping[str, str],
        log: Path,
        is_unwanted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.control, theirs = channel_pair()
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hpotool.worker.fork_server", str(theirs.fileno()), objective],
                env={**environment_without_secrets(os.environ), **environment},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a terminal's Ctrl-C is the worker's to judge
            )
        theirs.close()
        self.cold = self._wait_until_ready(objective, is_unwanted)

    @property
    def pid(self) -> int:
        """The fork server's process; an attempt and all it starts are below it."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can start attempts."""
        return self._process.poll() is None

    def start(self, job: Job, channel: Channel, log_fd: int) -> None:
        """Fork a child for ``job``; it reports on ``channel`` and prints into ``log_fd``."""
        self.control.send_pickle(StartAttempt(job))
        socket.send_fds(self.control.socket, [b"F"], [channel.fileno(), log_fd])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the attempt's leading process."""
        self.control.send_pickle(Signal(number))

    def kill_attempt(self) -> None:
        """SIGKILL the attempt with everything below it."""
        self.control.send_pickle(Kill())

    def kill(self) -> None:
        """End it and everything below it by force."""
        kill_descendants(self.pid)
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it: it kills what is below it as soon as its control channel is closed."""
        self.control.close()
        try:
            self._process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def _wait_until_ready(self, objective: str, is_unwanted: Callable[[], bool]) -> str | None:
        try:
            # An import may take minutes, or hang for ever in a network's file system.
            while not select.select([self.control], [], [], _ASKS_EVERY_S)[0]:
                if is_unwanted():
                    raise ImportAbandonedError
            answer: dict[str, Any] = self.control.receive_json()
        except ChannelClosed:
            status = self._process.wait()
            ending = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
            last = tail_of(self._log).strip().splitlines()[-1:]
            raise InputError(
                f"the process that imports the objective {objective!r} ended with {ending}"
                + "".join(f": {line}" for line in last),
                f"its output is in {self._log}",
            ) from None
        except BaseException:
            self.kill()
            raise
        if "failed" in answer:
            self._process.wait()
            raise InputError(answer["failed"], answer["hint"])
        cold: str | None = answer["cold"]
        return cold


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
