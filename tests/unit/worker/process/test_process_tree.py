import os
import subprocess
import sys

import pytest

from hpotool.worker.process import process_tree
from hpotool.worker.process.process_tree import (
    descendants,
    identify,
    kill_all,
    kill_descendants,
    proportional_memory,
    resident_memory,
)
from tests.child_processes import child_process

PARENT = (
    "import subprocess, sys\n"
    "waits = [sys.executable, '-c', 'print(flush=True); input()']\n"
    "child = subprocess.Popen(waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
    "child.stdout.readline()  # it has started, and takes no more memory from here on\n"
    "print(child.pid, flush=True)\n"
    "child.wait()\n"
    "input()\n"
)


def test_what_is_below_a_process_is_found_measured_and_killed() -> None:
    command = [sys.executable, "-c", PARENT]
    with child_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
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
    with child_process([sys.executable, "-c", "pass"]) as child:
        child.wait()
    assert identify([child.pid]) == frozenset()


def test_without_proc_descendants_and_memory_are_told_by_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", PARENT]
    with child_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        monkeypatch.setattr(process_tree.sys, "platform", "darwin")
        assert descendants(parent.pid) == [child]
        monkeypatch.setattr(process_tree, "_PROC", process_tree.Path("/none"))
        assert proportional_memory([child]) == resident_memory([child]) > 0
        assert kill_descendants(parent.pid) == 1
        parent.kill()
    assert descendants(parent.pid) == []


DIES = """
import os, sys, time
from hpotool.worker.process.process_tree import die_with_parent
child = os.fork()
if child == 0:
    die_with_parent(os.getppid() if sys.argv[1] == "alive" else 1)
    print(os.getpid(), flush=True)
    time.sleep(60)
if sys.argv[1] == "alive":
    time.sleep(0.5)
    os._exit(0)
print("status", os.waitpid(child, 0)[1] >> 8, flush=True)
"""


def test_a_process_dies_with_its_parent_also_when_that_died_first() -> None:
    alive = subprocess.run([sys.executable, "-c", DIES, "alive"], capture_output=True, text=True, check=True)
    gone = int(alive.stdout.split()[0])
    with process_tree.contextlib.suppress(process_tree.psutil.NoSuchProcess):
        process_tree.psutil.Process(gone).wait(10)
    dead = subprocess.run([sys.executable, "-c", DIES, "dead"], capture_output=True, text=True, check=True)
    assert dead.stdout.split() == ["status", "1"], "it never began"


ADOPTS = """
import os, time
from hpotool.worker.process.process_tree import adopt_orphans, descendants
adopt_orphans()
if os.fork() == 0:
    if os.fork() == 0:
        time.sleep(0.3)
        os._exit(7)
    os._exit(0)
ends = sorted(os.waitpid(-1, 0)[1] >> 8 for _ in range(2))
print(ends)
"""


def test_a_process_that_adopts_orphans_gets_their_end() -> None:
    done = subprocess.run([sys.executable, "-c", ADOPTS], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[0, 7]", done.stderr
