from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


PLACES = st.sampled_from(["15_0", "15_1", "15_2"])
WORKERS = st.lists(
    st.builds(
        worker,
        worker_id=st.uuids().map(str),
        job=PLACES | st.none(),
        launch_id=st.sampled_from(["slurm-1", "older", None]),
        silent_s=st.sampled_from([1.0, 25.0, 100.0]),
        has_ended=st.booleans(),
        end_reason=st.sampled_from([None, "the study is done"]),
    ),
    max_size=5,
    unique_by=lambda one: one.job if one.launch_id == "slurm-1" and one.job else one.worker_id,
)
JOBS = st.lists(
    st.builds(Job, PLACES, st.sampled_from(["pending", "running", "ended", "lost", "unknown"]), st.just("why")),
    max_size=3,
    unique_by=lambda job: job.name,
)


@given(WORKERS, JOBS | st.just("squeue: timed out"))
def test_every_worker_that_is_there_has_one_row_and_every_place_too(
    workers: list[FleetWorker], jobs: list[Job] | str
) -> None:
    rows = fleet_rows(workers, [LAUNCH], {"slurm-1": jobs}, PULSE)
    shown = [row.worker for row in rows if row.worker is not None]
    assert len(shown) == len(set(shown))
    places = {} if isinstance(jobs, str) else {job.name: job.state for job in jobs}
    hidden = {
        one.worker_id
        for one in workers
        if one.launch_id == "slurm-1"
        and one.job in places
        and (places[one.job] == "pending" or (places[one.job] == "running" and one.has_ended))
    }  # of whom the place tells more: it waits, or its next attempt comes
    assert {one.worker_id for one in workers} - hidden <= set(shown)
    assert {row.job for row in rows} >= set(places)
    order = ["alive", "silent", "starting", "pending", "unknown", "gone", "left"]
    assert [order.index(row.state) for row in rows] == sorted(order.index(row.state) for row in rows)
    left = {one.worker_id for one in workers if one.has_ended}
    assert all(row.state == "left" for row in rows if row.worker in left and row.job not in places)
