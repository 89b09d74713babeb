"""The scripts run in a real shell; a worker there is any program."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.launch.job import Job
from hpotool.launch.request import Request
from hpotool.launch.shell import Place, next_places, read_look, render_end, render_look, render_start
from tests.unit.launch.requests import request

# Says what it was given, and stays until it is told to go.
WORKER = """#!/bin/sh
trap 'echo "told to leave"; exit 75' TERM
echo "$HPOTOOL_LAUNCH $HPOTOOL_JOB $SECRET $(pwd) $*"
[ -e "$(dirname "$0")/leave" ] && exit 3
while :; do sleep 0.05; done
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "environment").write_text("SECRET='a b'\n")
    (tmp_path / "my code").mkdir()
    worker = tmp_path / "worker program"
    worker.write_text(WORKER)
    worker.chmod(0o755)
    yield tmp_path
    for file in tmp_path.glob("*.pid"):
        try:
            os.kill(int(file.read_text()), signal.SIGKILL)
        except ProcessLookupError:
            continue


def asked(folder: Path) -> Request:
    return request("local", hpotool=str(folder / "worker program"), study="it's $HOME", code_hash=None)


def shell(script: str) -> str:
    return subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=True).stdout


def start(folder: Path, *places: Place) -> None:
    code = f"'{folder / 'my code'}'"
    shell(render_start(asked(folder), str(folder), code, "list", "here/", places))


def wait_for(folder: Path, condition: Callable[[list[Job]], bool]) -> list[Job]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        jobs = read_look(shell(render_look(str(folder), "local-0a1b2c")), "here/", "me")
        if condition(jobs):
            return jobs
        time.sleep(0.02)
    raise AssertionError(jobs)


def running(jobs: list[Job]) -> list[str]:
    return [job.name for job in jobs if job.state == "running"]


def test_a_worker_gets_its_environment_folder_and_words(folder: Path) -> None:
    start(folder, Place("w1", "0"), Place("w2", "2,3"))
    wait_for(folder, lambda jobs: running(jobs) == ["here/w1", "here/w2"])
    wait_for(folder, lambda _: (folder / "w2.log").read_text().endswith("\n"))
    said = (folder / "w2.log").read_text()
    assert said.startswith(f"local-0a1b2c here/w2 a b {folder / 'my code'} worker --study it's $HOME --gpu 2,3 ")


def test_who_is_told_to_end_hands_back_and_that_is_seen(folder: Path) -> None:
    start(folder, Place("w1", "0"))
    wait_for(folder, lambda jobs: running(jobs) == ["here/w1"] and bool((folder / "w1.log").read_text()))
    shell(render_end(str(folder), ["w1", "never-started"]))
    [job] = wait_for(folder, lambda jobs: jobs[0].state == "ended")
    assert job == Job("here/w1", "ended", "exit code 75: a signal ended it with work left", "me")


def test_a_worker_that_fails_is_shown_with_its_last_line(folder: Path) -> None:
    (folder / "leave").touch()
    start(folder, Place("w1", "0"))
    [job] = wait_for(folder, lambda jobs: bool(jobs) and jobs[0].state == "ended")
    assert job.why.startswith("exit code 3: local-0a1b2c here/w1")


def test_a_killed_worker_is_lost_also_when_its_pid_is_somebody_elses(folder: Path) -> None:
    (folder / "w1.log").write_text("")
    (folder / "w1.pid").write_text(str(os.getpid()))
    [job] = wait_for(folder, bool)
    (folder / "w1.pid").unlink()
    assert job.state == "lost"
    assert "its process is gone" in job.why


def test_a_folder_that_is_not_there_has_no_workers(tmp_path: Path) -> None:
    assert read_look(shell(render_look(str(tmp_path / "gone"), "x")), "here/", "me") == []


def test_new_workers_take_the_free_places() -> None:
    two = request("ssh", gpus=2)
    assert next_places(two, 2, ["w1", "w3"]) == [Place("w2", "2,3"), Place("w4", "6,7")]
    assert next_places(request("ssh", gpus=0), 1, []) == [Place("w1", "none")]


@given(st.integers(0, 4), st.integers(0, 9), st.sets(st.integers(1, 12)))
def test_no_two_workers_of_a_machine_share_a_place_or_a_gpu(gpus: int, count: int, taken: set[int]) -> None:
    asked_for = request("ssh", gpus=gpus)
    found = next_places(asked_for, count, [f"w{number}" for number in sorted(taken)])
    running = [Place(f"w{number}", asked_for.first_gpus(number - 1)) for number in taken]
    assert len(found) == count
    every = [*found, *running]
    assert len({place.name for place in every}) == len(every)
    used = [gpu for place in every for gpu in place.gpu.split(",") if gpu != "none"]
    assert len(set(used)) == len(used) == gpus * len(every)


@given(st.text(max_size=200))
def test_whatever_a_machine_answers_is_a_list_of_jobs(text: str) -> None:
    for job in read_look(text, "m/", "m"):
        assert job.name.startswith("m/")
        assert job.state in ("pending", "running", "ended", "lost")
