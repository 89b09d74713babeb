"""Determines how an attempt ended, from all that is known about it: an outcome and one sentence. Pure."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hpotool.study.outcome import Outcome
from hpotool.worker.process.memory_errors import last_words_of_exhaustion

_WORDS = {
    signal.SIGSEGV: "segmentation fault",
    signal.SIGABRT: "abort",
    signal.SIGKILL: "killed",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "arithmetic error",
    signal.SIGILL: "illegal instruction",
    signal.SIGTERM: "terminated",
}


@dataclass(frozen=True)
class Cause:
    """Why the worker ended an attempt."""

    outcome: Outcome
    reason: str


def classify_end(
    end: Mapping[str, Any] | None, cause: Cause | None, status: int | None, output: str, killed_for_memory: bool
) -> tuple[Outcome, str | None]:
    """Return the outcome and its reason.

    In order of precedence: a result that the objective returned, whatever happened afterwards; the worker's reason
    for ending the attempt; the child's own report of its end; how the process ended.

    Args:
        end: the child's last message, if it sent one
        cause: why the worker ended the attempt, if it did
        status: of the child's process, as from ``os.wait``; None if it was lost with its fork server
        output: its last lines
        killed_for_memory: whether the kernel's OOM killer killed a process during the attempt
    """
    if end is not None and Outcome(end["end"]).is_finished:
        return Outcome(end["end"]), end["reason"]
    if cause is not None:
        return cause.outcome, cause.reason
    if end is not None:
        return Outcome(end["end"]), end["reason"]
    if status is None:
        return Outcome.CRASH, "its process was lost together with the fork server"
    return classify_exit(os.waitstatus_to_exitcode(status), output, killed_for_memory)


def classify_exit(exit_code: int, output: str, killed_for_memory: bool) -> tuple[Outcome, str]:
    """The outcome of a process that ended without a result. ``exit_code`` is negative for a signal."""
    if exit_code >= 0:  # it exited by itself, and with the same parameters would do so again
        return Outcome.ERROR, f"its process exited with code {exit_code} and without a result"
    number = -exit_code
    if number == signal.SIGKILL and killed_for_memory:
        return Outcome.OOM, "the kernel killed it because the machine's memory ran out"
    if number == signal.SIGABRT and (words := last_words_of_exhaustion(output)):
        return Outcome.OOM, f"memory ran out: {words}"
    return Outcome.CRASH, f"its process was ended by {name_signal(number)}"


def name_signal(number: int) -> str:
    """``SIGSEGV (segmentation fault)``, or the number if it has no name."""
    try:
        found = signal.Signals(number)
    except ValueError:
        return f"signal {number}"
    return f"{found.name} ({_WORDS[found]})" if found in _WORDS else found.name
