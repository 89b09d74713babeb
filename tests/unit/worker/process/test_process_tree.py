import os
import subprocess
import sys

from hpotool.worker.process.process_tree import (
    descendants,
    identify,
    kill_all,
    kill_descendants,
    proportional_memory,
    resident_memory,
)

PARENT = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
    "print(child.pid, flush=True)\n"
    "child.wait()\n"
    "input()\n"
)


def test_what_is_below_a_process_is_found_measured_and_killed() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert descendants(parent.pid) == [child]
        assert descendants(os.getpid()).index(parent.pid) < descendants(os.getpid()).index(child)
        assert 0 < proportional_memory([child]) <= resident_memory([child])
        assert kill_descendants(parent.pid) == 1
        known = identify([parent.pid])
        kill_all(known)
        parent.wait()
        assert descendants(parent.pid) == []
        assert resident_memory([parent.pid]) == 0


def test_a_process_that_is_gone_is_not_identified() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        child.wait()
    assert identify([child.pid]) == frozenset()
