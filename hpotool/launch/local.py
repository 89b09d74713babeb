"""Runs several workers on this machine under one parent process, which restarts them if they crash.

The parent knows nothing about trials. It starts each worker in its own process group and passes signals on;
otherwise a terminal's Ctrl-C would reach a worker twice, and the second one means "now". It restarts workers that
were killed or crashed. A worker that exited by itself is not restarted: it was done, was asked to leave, or has
reported an error.
"""

from __future__ import annotations

import ctypes
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from hpotool.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_TOLD_TO_LEAVE, exit_code_of_signal

logger = logging.getLogger(__name__)

# The exit codes of a worker that ended on its own; any other end is a crash.
_OWN_EXIT_CODES = frozenset({0, 1, 2, 3, 4, EXIT_TOLD_TO_LEAVE, EXIT_INTERRUPTED})
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 60.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class WorkerCommand:
    """A worker to keep running: its argument list, and additions to the environment."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class _Kept:
    """A worker, its process, and the earliest time of its next start."""

    def __init__(self, command: WorkerCommand) -> None:
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        self.exit_code: int | None = None
        self.delay_s = _FIRST_DELAY_S
        self.start_at = time.monotonic()
        self.passed_on = 0  # the number of the parent's signals already sent

    def start(self, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            list(self.command.arguments),
            env={**environment, **self.command.environment},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            preexec_fn=end_with_parent,
        )

    def pass_on(self, heard: Sequence[int]) -> None:
        """Send the process the signals it has not received yet; a process that is starting gets them later."""
        if self.process is not None and self.process.poll() is None:
            for number in heard[self.passed_on :]:
                self.process.send_signal(number)
                self.passed_on += 1

    def note_exit(self) -> None:
        """Record how the process ended, and schedule its next start if it crashed."""
        assert self.process is not None
        code = self.process.returncode
        self.process = None
        if code in _OWN_EXIT_CODES:
            self.exit_code = code
            return
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        logger.warning("%s ended %s; restarting in %.0f s", self.command.name, how, self.delay_s)
        self.start_at = time.monotonic() + self.delay_s
        self.delay_s = min(self.delay_s * 2, _LONGEST_DELAY_S)


def keep_workers(commands: Sequence[WorkerCommand], environment: Mapping[str, str]) -> int:
    """Run all workers until each has exited by itself; return the common exit code.

    It is 0 if every worker's was, else the largest. A worker that was waiting for its restart when a signal came
    counts as stopped by the signal.
    """
    kept = [_Kept(command) for command in commands]
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    previous = {number: signal.signal(number, hear) for number in _FORWARDED}
    try:
        while any(worker.exit_code is None for worker in kept):
            for worker in kept:
                _look_after(worker, environment, heard)
            # The end of a child does not interrupt a sleep in Python, so a slot stays empty for at most this long.
            time.sleep(0.1)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return max((worker.exit_code or EXIT_DONE for worker in kept), default=EXIT_DONE)


def _look_after(worker: _Kept, environment: Mapping[str, str], heard: Sequence[int]) -> None:
    if worker.exit_code is not None:
        return
    worker.pass_on(heard)
    if worker.process is not None and worker.process.poll() is not None:
        worker.note_exit()
    if worker.process is None and worker.exit_code is None:
        if heard:
            worker.exit_code = exit_code_of_signal(heard[0])
        elif time.monotonic() >= worker.start_at:
            worker.start(environment)


def end_with_parent() -> None:
    """Have the kernel signal this process when its parent dies, so that no worker is left behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
