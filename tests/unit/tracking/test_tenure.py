import os
import signal
import subprocess
import sys

import pytest

from hpotool.tracking.tenure import leaving_on_signals
from tests.child_processes import child_process

WAITS = """
import sys, time
from hpotool.tracking.tenure import leaving_on_signals
with leaving_on_signals() as leaving:
    print("ready", flush=True)
    leaving.wait()
    print("leaving", flush=True)
    time.sleep(600)
"""
CHILD = """
import os, sys, time
from hpotool.tracking.tenure import end_with_parent
before = os.nice(0)
end_with_parent(int(sys.argv[1]))
print(os.nice(0) - before, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_and_the_second_one_ends(number: signal.Signals) -> None:
    with child_process([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "leaving\n"
        process.send_signal(number)
        assert process.wait(60) == 128 + number


def test_signals_mean_afterwards_what_they_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with leaving_on_signals() as leaving:
        assert not leaving.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert leaving.wait(60)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_process_whose_parent_is_not_there_ends_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, "1234567"], stdout=subprocess.PIPE, text=True, timeout=120, check=False
    )
    assert done.returncode == 0


def test_a_process_beside_a_worker_lets_trials_go_first() -> None:
    command = [sys.executable, "-c", CHILD, str(os.getpid())]
    with child_process(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0 or os.nice(0) > 9
