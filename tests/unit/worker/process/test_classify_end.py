"""How an attempt ended, from what is known about it."""

import os
import signal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.study.outcome import Outcome
from hpotool.worker.process.classify_end import Cause, classify_end, classify_exit, name_signal

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


ENDS = st.none() | st.builds(
    lambda outcome, reason: {"end": outcome.value, "reason": reason},
    st.sampled_from(sorted(Outcome)),
    st.none() | st.text(max_size=5),
)
CAUSES = st.none() | st.builds(Cause, st.sampled_from(sorted(Outcome)), st.text(max_size=5))
# As the kernel gives them: an exit code in the second byte, or a signal, with or without a core dump.
STATUSES = (
    st.none()
    | st.integers(0, 255).map(lambda code: code << 8)
    | st.integers(1, 64).flatmap(lambda number: st.sampled_from([number, number | 0x80]))
)


@given(ENDS, CAUSES, STATUSES, st.text(max_size=20), st.booleans())
def test_however_an_attempt_ends_there_is_an_outcome_and_what_finished_is_kept(
    end: Any, cause: Cause | None, status: int | None, output: str, killed_for_memory: bool
) -> None:
    outcome, reason = classify_end(end, cause, status, output, killed_for_memory)
    assert isinstance(outcome, Outcome)
    if end is not None and Outcome(end["end"]).is_finished:
        assert (outcome.value, reason) == (end["end"], end["reason"])
    elif cause is not None:
        assert (outcome, reason) == (cause.outcome, cause.reason)
    elif end is None:
        assert reason
        assert not outcome.is_finished
        if status is not None:
            code = os.waitstatus_to_exitcode(status)
            assert (outcome is Outcome.ERROR) is (code >= 0)
            assert (str(code) if code >= 0 else name_signal(-code)) in reason or outcome is Outcome.OOM


@pytest.mark.parametrize("number", range(1, 65))
def test_every_signal_has_a_name_or_its_number(number: int) -> None:
    known = {member.value: member.name for member in signal.Signals}
    assert known.get(number, str(number)) in name_signal(number)
