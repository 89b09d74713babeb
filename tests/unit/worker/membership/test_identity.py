import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hpotool.worker.membership import identity
from hpotool.worker.membership.identity import (
    has_left_this_host,
    identify_worker,
    is_provably_gone,
    process_start,
)
from tests.child_processes import child_process


def test_this_worker_is_here_and_every_call_is_another_one() -> None:
    one, other = identify_worker("cpu"), identify_worker("cpu")
    assert one.worker_id != other.worker_id
    assert one.pid == os.getpid()
    assert not is_provably_gone(one)
    assert not has_left_this_host(one)


def test_a_process_that_ended_is_gone_and_a_zombie_too() -> None:
    with child_process([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        worker = replace(identify_worker("cpu"), pid=child.pid, process_start=process_start(child.pid) or "")
        assert not is_provably_gone(worker)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_provably_gone(worker)
    assert is_provably_gone(worker)


def test_another_process_with_the_same_number_is_not_the_worker() -> None:
    assert is_provably_gone(replace(identify_worker("cpu"), process_start="0"))


def test_of_another_machine_or_container_nothing_is_certain() -> None:
    gone = replace(identify_worker("cpu"), process_start="0")
    assert not is_provably_gone(replace(gone, host="elsewhere"))
    assert not has_left_this_host(replace(gone, host="elsewhere"))
    assert not is_provably_gone(replace(gone, process_space="another"))
    assert has_left_this_host(replace(gone, process_space="another"))


def test_a_process_that_cannot_be_looked_at_is_not_taken_for_ended() -> None:
    """With no file descriptor left, a worker must not take the others of its host for dead."""
    worker = identify_worker("cpu")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        is_ended = identity.has_ended(worker.pid, worker.process_start)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert not is_ended


def test_a_process_that_proc_hides_is_not_taken_for_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As /proc with hidepid=2 hides those of other users."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self/stat").touch()
    with child_process([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        start = process_start(child.pid) or ""
        monkeypatch.setattr(identity, "_PROC", tmp_path)
        assert not identity.has_ended(child.pid, start)
        child.kill()
        child.wait()
        assert identity.has_ended(child.pid, start)


def test_a_worker_that_could_not_tell_its_start_is_never_provably_gone() -> None:
    assert not is_provably_gone(replace(identify_worker("cpu"), process_start=""))


def test_without_proc_a_start_is_told_by_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_PROC", tmp_path / "none")
    worker = identify_worker("cpu")
    assert float(worker.process_start) > 0
    assert not is_provably_gone(worker)
    assert is_provably_gone(replace(worker, process_start="1.00"))
    with child_process([sys.executable, "-c", ""]) as child:
        start = process_start(child.pid) or "1.00"
    assert identity.has_ended(child.pid, start)
