import os
import subprocess
import sys
from dataclasses import replace

from hpotool.worker.membership.identity import (
    has_left_this_host,
    identify_worker,
    is_provably_gone,
    process_start,
)


def test_this_worker_is_here_and_every_call_is_another_one() -> None:
    one, other = identify_worker("cpu"), identify_worker("cpu")
    assert one.worker_id != other.worker_id
    assert one.pid == os.getpid()
    assert not is_provably_gone(one)
    assert not has_left_this_host(one)


def test_a_process_that_ended_is_gone_and_a_zombie_too() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
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
