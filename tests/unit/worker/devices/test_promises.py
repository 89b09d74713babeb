"""Promises of real processes on one machine, in a folder of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpotool.errors import InputError
from hpotool.study.rules.packing import Capacity
from hpotool.worker.devices import promises
from hpotool.worker.devices.promises import BusyDeviceError, Promise, device_folder, list_promises

GB = 10**9
CARD = Capacity(16 * GB, 0)
UUID = "GPU-1b7e"
# Holds what it is told to, says so, and stays until it is killed.
HOLDER = """
import sys, time
from pathlib import Path
from hpotool.study.rules.packing import Capacity
from hpotool.worker.devices.promises import Promise
promise = Promise(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
wait = promise.ask(Capacity(16 * 10**9, 0))
print("waits" if wait else "holds", flush=True)
if len(sys.argv) > 4:
    import os
    if os.fork() == 0:
        Path(sys.argv[4]).write_text(str(os.getpid()))
        time.sleep(600)
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return device_folder(UUID, tmp_path / "gpus")


@pytest.fixture
def holders() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def hold(
    holders: list[subprocess.Popen[str]], folder: Path, memory: int, holder: str, *more: str
) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", HOLDER, str(folder), str(memory), holder, *more]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    holders.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def test_two_processes_share_a_device_and_a_third_waits_until_one_is_killed(
    folder: Path, holders: list[subprocess.Popen[str]]
) -> None:
    first = hold(holders, folder, 10 * GB, "host-1-ab (digits)")
    hold(holders, folder, 6 * GB, "host-2-cd (faces)")
    mine = Promise(folder, 6 * GB, "me")

    wait = mine.ask(CARD)
    assert wait is not None
    assert "10GB to host-1-ab (digits), 6GB to host-2-cd (faces)" in wait.reason

    first.send_signal(signal.SIGKILL)
    first.wait()
    assert mine.ask(CARD) is None
    assert sorted(request.memory for request in list_promises(UUID, folder.parent)) == [6 * GB, 6 * GB]
    mine.give_back()


def test_a_suspended_worker_keeps_its_promise(folder: Path, holders: list[subprocess.Popen[str]]) -> None:
    process = hold(holders, folder, 10 * GB, "asleep")
    process.send_signal(signal.SIGSTOP)
    assert Promise(folder, 10 * GB, "me").ask(CARD) is not None


def test_what_is_given_back_is_free_although_a_child_still_has_the_file_open(
    folder: Path, tmp_path: Path, holders: list[subprocess.Popen[str]]
) -> None:
    mine = Promise(folder, 10 * GB, "me")
    assert mine.ask(CARD) is None
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    try:
        mine.give_back()
        assert Promise(folder, 16 * GB, "other").ask(CARD) is None
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_memory_stays_promised_while_a_child_of_a_killed_worker_may_use_it(
    folder: Path, tmp_path: Path, holders: list[subprocess.Popen[str]]
) -> None:
    note = tmp_path / "child"
    process = hold(holders, folder, 10 * GB, "w", str(note))
    deadline = time.monotonic() + 30
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    mine = Promise(folder, 10 * GB, "me")
    assert mine.ask(CARD) is not None
    os.kill(int(note.read_text()), signal.SIGKILL)
    while mine.ask(CARD) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    mine.give_back()


def test_who_waits_keeps_its_place_and_asks_as_often_as_it_likes(folder: Path) -> None:
    now = 100.0
    held, large, small = (
        Promise(folder, memory * GB, name, lambda: now) for memory, name in ((6, "held"), (12, "large"), (6, "s"))
    )
    assert held.ask(CARD) is None
    assert large.ask(CARD) is not None
    assert small.ask(CARD) is None
    small.give_back()
    now += 61
    assert large.ask(CARD) is not None
    wait = small.ask(CARD)
    assert wait is not None
    assert "large has waited longer" in wait.reason
    held.give_back()
    assert large.ask(CARD) is None
    assert not held.is_asked
    small.give_back()
    large.give_back()
    assert [path.name for path in folder.iterdir()] == ["list"]


def test_a_folder_that_was_swept_is_filled_again(folder: Path) -> None:
    mine = Promise(folder, 10 * GB, "me")
    assert mine.ask(CARD) is None
    for path in folder.iterdir():
        path.unlink()
    assert mine.ask(CARD) is None
    assert [request.memory for request in list_promises(UUID, folder.parent)] == [10 * GB]
    mine.give_back()


def test_files_of_others_in_the_folder_are_no_promises(folder: Path) -> None:
    for name in ("README", "10.x.held.w.1", "a.b.c.d.e", "5.5.unheard-of.w.1", "16000000000.1.held.dead.99-a"):
        (folder / name).touch()
    assert list_promises(UUID, folder.parent) == []
    mine = Promise(folder, 16 * GB, "me")
    assert mine.ask(CARD) is None
    assert not (folder / "16000000000.1.held.dead.99-a").exists()
    mine.give_back()


def test_a_list_that_is_not_let_go_of_holds_nobody_up_for_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promises, "_LOCKED_WITHIN_S", 0.05)
    with promises._locked(folder), pytest.raises(BusyDeviceError):
        Promise(folder, GB, "me").ask(CARD)


def test_every_account_may_use_the_folder_and_try_the_locks(folder: Path) -> None:
    mask = os.umask(0o077)
    try:
        mine = Promise(folder, GB, "me")
        mine.ask(CARD)
        other = device_folder("MIG-7/1", folder.parent)
    finally:
        os.umask(mask)
    assert other.name == "MIG-7%2F1"
    assert {each.stat().st_mode & 0o7777 for each in (folder, folder.parent, other)} == {0o1777}
    assert {each.stat().st_mode & 0o444 for each in folder.iterdir()} == {0o444}
    mine.give_back()


# Prints how long the account 65534 would have to wait for each of two trials, and dies with what it was promised.
OTHER_ACCOUNT = """
import os, sys
from pathlib import Path
from hpotool.study.rules.packing import Capacity
from hpotool.worker.devices.promises import Promise, device_folder
os.setgid(65534)
os.setuid(65534)
base = Path(sys.argv[1])
device_folder("GPU-of-its-own", base)
promises = [Promise(device_folder(sys.argv[2], base), int(gb) * 10**9, "other") for gb in sys.argv[3:]]
print(["waits" if promise.ask(Capacity(16 * 10**9, 0)) else "starts" for promise in promises], flush=True)
os._exit(0)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can pose as another account")
def test_workers_of_different_accounts_know_of_each_other() -> None:
    with tempfile.TemporaryDirectory() as name:  # tmp_path is for its owner alone
        Path(name).chmod(0o755)
        base = Path(name) / "gpus"
        mine = Promise(device_folder(UUID, base), 10 * GB, "me")
        assert mine.ask(CARD) is None
        ask = [sys.executable, "-c", OTHER_ACCOUNT, str(base), UUID]
        assert subprocess.check_output([*ask, "10", "6"], text=True) == "['waits', 'starts']\n"
        assert [request.holder for request in list_promises(UUID, base)] == ["me"]
        mine.give_back()
        assert subprocess.check_output([*ask, "16"], text=True) == "['starts']\n"


@pytest.mark.parametrize("what", ["file", "link"])
def test_a_folder_that_is_none_is_refused_with_what_to_type(tmp_path: Path, what: str) -> None:
    base = tmp_path / "gpus"
    if what == "file":
        base.touch()
    else:
        base.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="cannot tell each other") as caught:
        device_folder(UUID, base)
    assert "export HPOTOOL_GPU_FOLDER=" in (caught.value.hint or "")


def test_the_folder_is_the_machines_unless_the_environment_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(promises.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("TMPDIR", "/somewhere/of/mine")
    assert promises.promises_folder() == Path("/tmp/hpotool-gpus")
    monkeypatch.setenv(promises.FOLDER_VARIABLE, "/shared")
    assert promises.promises_folder() == Path("/shared")
    assert list_promises("GPU-nobody", Path("/nowhere")) == []
