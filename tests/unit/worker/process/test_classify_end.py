"""How an attempt ended, from what is known about it."""

import signal
from typing import Any

import pytest

from hpotool.study.outcome import Outcome
from hpotool.worker.process.classify_end import Cause, classify_end, classify_exit

COMPLETE = {"end": "complete", "reason": None, "values": [1.0]}
ERROR = {"end": "error", "reason": "ValueError: no"}
CANCELLED = Cause(Outcome.CANCELLED, "enough")
KILLED = signal.SIGKILL


@pytest.mark.parametrize(
    ("end", "cause", "status", "outcome", "reason"),
    [
        (COMPLETE, None, 0, Outcome.COMPLETE, None),
        (COMPLETE, CANCELLED, KILLED, Outcome.COMPLETE, None),  # what was returned counts
        (COMPLETE, None, None, Outcome.COMPLETE, None),
        (ERROR, None, 0, Outcome.ERROR, "ValueError: no"),
        (ERROR, CANCELLED, 0, Outcome.CANCELLED, "enough"),
        (None, CANCELLED, KILLED, Outcome.CANCELLED, "enough"),
        (None, None, None, Outcome.CRASH, "its process was lost together with the fork server"),
        (None, None, KILLED, Outcome.CRASH, "its process was ended by SIGKILL (killed)"),
        (None, None, 3 << 8, Outcome.ERROR, "its process exited with code 3 and without a result"),
        (None, None, 0, Outcome.ERROR, "its process exited with code 0 and without a result"),
    ],
)
def test_a_result_counts_first_then_who_ended_it_then_what_it_said_then_the_process(
    end: Any, cause: Cause | None, status: int | None, outcome: Outcome, reason: str | None
) -> None:
    assert classify_end(end, cause, status, "", killed_for_memory=False) == (outcome, reason)


@pytest.mark.parametrize(
    ("exit_code", "output", "killed_for_memory", "outcome"),
    [
        (-signal.SIGKILL, "", True, Outcome.OOM),
        (-signal.SIGKILL, "", False, Outcome.CRASH),
        (-signal.SIGABRT, "terminate called after throwing an instance of 'std::bad_alloc'", False, Outcome.OOM),
        (-signal.SIGABRT, "assertion failed", False, Outcome.CRASH),
        (-signal.SIGSEGV, "", True, Outcome.CRASH),
        (-60, "", False, Outcome.CRASH),  # a real-time signal has no name
        (1, "", True, Outcome.ERROR),
    ],
)
def test_a_signal_is_a_crash_or_memory_and_an_exit_code_an_error(
    exit_code: int, output: str, killed_for_memory: bool, outcome: Outcome
) -> None:
    assert classify_exit(exit_code, output, killed_for_memory)[0] is outcome
