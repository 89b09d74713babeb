"""The parent of several workers, with real processes in the workers' place."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from hpotool.launch.local import WorkerCommand, keep_workers
from tests.child_processes import child_process


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_killed_worker_is_started_again_and_one_that_ended_by_itself_is_not(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    killed_once = (
        f"import os, signal; f = open({str(starts)!r}, 'a'); f.write('x'); f.flush();"
        f"os.path.getsize({str(starts)!r}) < 2 and os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = tmp_path / "ended"
    ends = f"open({str(ended)!r}, 'a').write('x'); raise SystemExit(1)"
    code = keep_workers(
        [WorkerCommand("killed", python(killed_once)), WorkerCommand("failed", python(ends))], os.environ
    )
    assert code == 1
    assert starts.read_text() == "xx"
    assert ended.read_text() == "x"


@contextmanager
def running_parent(pids: Path) -> Iterator["subprocess.Popen[bytes]"]:
    worker = (
        f"import os, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0));"
        f"open({str(pids)!r}, 'a').write(str(os.getpid()) + chr(10)); time.sleep(60)"
    )
    parent = (
        "import os, sys; from hpotool.launch.local import WorkerCommand, keep_workers;"
        f"commands = [WorkerCommand(str(i), [sys.executable, '-c', {worker!r}]) for i in (1, 2)];"
        "sys.exit(keep_workers(commands, os.environ))"
    )
    with child_process(python(parent)) as process:
        wait_until(lambda: pids.exists() and len(pids.read_text().splitlines()) == 2)
        yield process


def test_a_signal_to_the_parent_reaches_every_worker_once(tmp_path: Path) -> None:
    with running_parent(tmp_path / "pids") as parent:
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(20) == 0
    assert not any(psutil.pid_exists(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_workers_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    with running_parent(tmp_path / "pids") as parent:
        parent.kill()
        parent.wait(20)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_a_worker_that_a_signal_finds_between_two_starts_counts_as_stopped(tmp_path: Path) -> None:
    crashed = tmp_path / "crashed"
    worker = f"open({str(crashed)!r}, 'w'); raise SystemExit(9)"
    parent = (
        "import os, sys; from hpotool.launch.local import WorkerCommand, keep_workers;"
        f"sys.exit(keep_workers([WorkerCommand('1', [sys.executable, '-c', {worker!r}])], os.environ))"
    )
    with child_process(python(parent)) as process:
        wait_until(crashed.exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 75
