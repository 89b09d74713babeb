from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hpotool.api.fleet import fleet_rows, judge_presence
from hpotool.launch.job import Job
from hpotool.settings import Pulse
from hpotool.storage.control.launches import FleetWorker, Launch

PULSE = Pulse(timedelta(seconds=10), timedelta(seconds=30))
LAUNCH = Launch("slurm-1", "slurm", 1, {}, ("15",), "me", 60.0, is_stopped=False)
SSH = Launch("ssh-1", "ssh", 2, {}, (), "me", 60.0, is_stopped=False)


def worker(**changes: Any) -> FleetWorker:
    known: dict[str, Any] = {
        "worker_id": "w", "host": "h", "pid": 1, "slot": "cpu", "version": "0", "launch_id": "slurm-1",
        "job": "15_0", "silent_s": 1.0, "told_to": None, "has_ended": False, "end_reason": None, "trial": 4,
    }  # fmt: skip
    return FleetWorker(**(known | changes))


ENDED = worker(has_ended=True, end_reason="the study is done", trial=None)


@pytest.mark.parametrize(("silent_s", "presence"), [(0, "alive"), (20, "alive"), (21, "silent"), (61, "gone")])
def test_presence_follows_the_pulse(silent_s: float, presence: str) -> None:
    assert judge_presence(silent_s, PULSE) == presence


@pytest.mark.parametrize(
    ("workers", "jobs", "state", "why"),
    [
        ([worker()], [Job("15_0", "running", "", "n1")], "alive", ""),
        ([worker(silent_s=40)], [Job("15_0", "running", "", "n1")], "silent", ""),
        ([worker(told_to="stop")], [Job("15_0", "running", "", "n1")], "alive", "told to stop"),
        ([worker(waits="gpu 0: no room")], [Job("15_0", "running", "", "n1")], "alive", "gpu 0: no room"),
        ([worker(waits="gpu 0: no room", told_to="stop")], [Job("15_0", "running")], "alive", "told to stop"),
        ([], [Job("15_0", "pending", "Resources")], "pending", "Resources"),
        ([], [Job("15_0", "running", "", "n1")], "starting", ""),
        ([], [Job("15_0", "lost", "gone")], "gone", "gone"),
        ([], [Job("15_0", "ended", "exit code 2")], "left", "exit code 2"),
        ([ENDED], [Job("15_0", "ended", "completed")], "left", "the study is done"),
        ([ENDED], [Job("15_0", "running")], "starting", ""),
        ([ENDED], [Job("15_0", "pending", "BeginTime")], "pending", "BeginTime"),
        ([worker(silent_s=40)], [Job("15_0", "pending", "BeginTime")], "pending", "BeginTime"),
        ([worker()], [Job("15_0", "pending", "BeginTime")], "alive", "BeginTime"),  # it lives on, on a lost node
        ([worker()], [Job("15_0", "ended", "node fail")], "alive", "node fail"),
        ([worker(silent_s=40)], [Job("15_0", "ended", "node fail")], "gone", "node fail"),
        ([ENDED, worker(worker_id="second")], [Job("15_0", "running")], "alive", ""),
        ([worker()], "squeue: timed out", "alive", "squeue: timed out"),
        ([worker()], [], "alive", ""),  # the queue has forgotten its job
        ([worker(launch_id=None, job=None)], [], "alive", ""),
    ],
)
def test_a_place_and_its_worker_are_one_row(workers: Any, jobs: Any, state: str, why: str) -> None:
    [row] = fleet_rows(workers, [LAUNCH], {"slurm-1": jobs}, PULSE)
    assert (row.state, row.why) == (state, why)


def test_a_process_that_is_gone_does_not_live_on_whatever_it_beat_last() -> None:
    [row] = fleet_rows(
        [worker(launch_id="ssh-1", job="a/w1")], [SSH], {"ssh-1": [Job("a/w1", "lost", "gone", "a")]}, PULSE
    )
    assert (row.state, row.host) == ("gone", "a")


def test_a_host_that_does_not_answer_is_said_with_its_workers() -> None:
    jobs = [Job("a/", "unknown", "ssh: timed out", "a"), Job("b/w1", "running", "", "b")]
    found = [
        worker(launch_id="ssh-1", job="a/w1", silent_s=25.0),
        worker(worker_id="v", launch_id="ssh-1", job="b/w1"),
    ]
    rows = fleet_rows(found, [SSH], {"ssh-1": jobs}, PULSE)
    assert [(row.state, row.why) for row in rows] == [("alive", ""), ("silent", "ssh: timed out")]
    [alone] = fleet_rows([], [SSH], {"ssh-1": jobs[:1]}, PULSE)
    assert (alone.state, alone.why, alone.host) == ("unknown", "ssh: timed out", "a")


def test_workers_of_a_launch_that_is_not_known_are_still_shown() -> None:
    [row] = fleet_rows([worker(launch_id="older")], [], {}, PULSE)
    assert row.as_data()["launch"] == "older"
