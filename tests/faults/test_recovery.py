"""A dead worker's trial, a database away, workers told to go: what happens, and how soon.

By hand, in full: ``HPOTOOL_TEST_OUTAGE_S=60 HPOTOOL_TEST_GRACE_S=5 HPOTOOL_TEST_WORKERS=8``.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from hpotool.storage.control import orders
from tests.faults.fleet import GRACE_S, INTERVAL_S, Fleet, wait_until


@pytest.fixture
def fleet(own_postgres, tmp_path: Path):
    made: list[Fleet] = []

    def make(budget: int, **options) -> Fleet:
        made.append(Fleet(own_postgres.url("postgres"), tmp_path, budget, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def _all_run(fleet: Fleet, count: int) -> None:
    wait_until(lambda: list(fleet.states().values()).count("RUNNING") == count, f"{count} trials to run")


def test_a_database_that_is_away_for_longer_than_the_grace_period_fails_no_live_trial(fleet, own_postgres) -> None:
    outage_s = float(os.environ.get("HPOTOOL_TEST_OUTAGE_S", "5"))
    grace_s = float(os.environ.get("HPOTOOL_TEST_GRACE_S", outage_s / 4))
    workers = int(os.environ.get("HPOTOOL_TEST_WORKERS", "4"))
    study = fleet(workers, is_spread_out=True, interval_s=grace_s / 3, grace_s=grace_s)
    for _ in range(workers):
        study.start_worker(TEST_STEP_S=str(outage_s / 2))
    _all_run(study, workers)

    own_postgres.stop()
    time.sleep(outage_s)
    own_postgres.start()

    wait_until(study.is_done, "the study to be done")
    study.check()
    assert set(study.states().values()) == {"COMPLETE"}, "no live trial was failed"
    assert all(process.returncode == 0 for process in study.processes)


def test_a_killed_workers_trial_runs_again_within_grace_and_two_beats_of_an_idle_worker(fleet) -> None:
    study = fleet(2, is_spread_out=True)
    victim = study.start_worker(TEST_STEP_S="60")
    _all_run(study, 1)
    study.start_worker(TEST_STEP_S="0.5")
    study.start_worker(TEST_STEP_S="0.5")
    _all_run(study, 2)

    killed_at = time.monotonic()
    victim.kill()
    wait_until(lambda: len(study.states()) == 3, "the retry")
    reaped_after = time.monotonic() - killed_at

    print(f"kill -9 to retry: {reaped_after:.2f} s; grace {GRACE_S} s, interval {INTERVAL_S} s")  # noqa: T201
    events = orders.read_events(study.connection.run, study.study_id)
    [reap] = [event for event in events if event.kind == "reap"]
    assert "no heartbeat" in reap.reason
    wait_until(study.is_done, "the study to be done")
    study.check()


def test_a_worker_on_the_same_machine_takes_a_dead_ones_trial_over_at_once(fleet) -> None:
    study = fleet(1, interval_s=20, grace_s=3600)
    victim = study.start_worker(TEST_STEP_S="60")
    _all_run(study, 1)
    victim.kill()
    victim.wait()

    study.start_worker()

    wait_until(study.is_done, "the study to be done, long before a grace period of an hour")
    study.check()


def test_a_worker_that_slept_through_its_grace_period_goes_on_with_another_trial(fleet, tmp_path: Path) -> None:
    study = fleet(3, is_spread_out=True)
    run, study_id = study.connection.run, study.study_id
    # The objective waits for us: one that returned while its worker slept would leave a value for the neighbour.
    sleeper = study.start_worker(TEST_CHILD_FAULT=f"wait:{tmp_path}")
    wait_until((tmp_path / "fired").exists, "the objective to wait")
    sleeper.send_signal(signal.SIGSTOP)
    orders.set_state(run, study_id, "paused", "", "test")
    reaper = study.start_worker()
    wait_until(lambda: study.states() == {0: "FAIL", 1: "WAITING"}, "the sleeper's trial to be reaped")
    reaper.kill()  # nobody but the sleeper is left to finish the study
    orders.set_state(run, study_id, "running", "", "test")

    sleeper.send_signal(signal.SIGCONT)
    (tmp_path / "go").touch()

    wait_until(study.is_done, "the study to be done")
    study.check()
    assert sleeper.returncode == 0


def test_workers_hear_pause_resume_and_stop(fleet) -> None:
    study = fleet(1000)
    workers = [study.start_worker(), study.start_worker()]
    wait_until(lambda: len(study.states()) > 2, "some trials")
    run, study_id = study.connection.run, study.study_id

    orders.set_state(run, study_id, "paused", "", "test")
    wait_until(lambda: "RUNNING" not in study.states().values(), "the running trials to end")
    count = len(study.states())
    orders.set_state(run, study_id, "running", "", "test")
    wait_until(lambda: len(study.states()) > count, "trials after the pause")
    orders.set_state(run, study_id, "stopped", "enough", "test")
    wait_until(lambda: not study.living(), "the workers to leave")

    assert [worker.returncode for worker in workers] == [0, 0]
    assert "RUNNING" not in study.states().values()


@pytest.mark.parametrize("is_idle", [True, False])
def test_a_worker_that_is_told_to_leave_in_an_outage_leaves(fleet, own_postgres, is_idle: bool) -> None:
    study = fleet(2)
    if is_idle:
        orders.set_state(study.connection.run, study.study_id, "paused", "", "test")
    worker = study.start_worker(TEST_STEP_S="60")
    if is_idle:
        wait_until(lambda: orders.list_workers(study.connection.run, study.study_id), "the worker")
    else:
        _all_run(study, 1)
    own_postgres.stop()

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(60) == 75
    own_postgres.start()
    if is_idle:
        return
    study.start_worker()
    wait_until(study.is_done, "the study to be done")
    study.check()
    assert study.states()[0] == "FAIL", "handed back by what lay on the disk"
    assert study.connection.run("SELECT outcome FROM hpotool.attempts WHERE number = 0") == [("preempted",)]


def test_one_trial_is_stopped_for_good_and_its_worker_goes_on(fleet) -> None:
    study = fleet(1)
    study.start_worker(TEST_STEP_S="60")
    _all_run(study, 1)

    orders.cancel_trial(study.connection.run, study.study_id, 0, "no use", "test")

    wait_until(lambda: study.states().get(0) == "FAIL" and study.states().get(1) == "RUNNING", "the next trial")
    [(outcome, reason)] = study.connection.run("SELECT outcome, reason FROM hpotool.attempts WHERE number = 0")
    assert (outcome, reason) == ("cancelled", "no use")


def test_a_trial_whose_parameters_were_lost_begins_without_the_checkpoint_of_the_others(
    fleet, tmp_path: Path
) -> None:
    """Killed before its parameters were sent: the next attempt draws others."""
    marker = tmp_path / "killed-with"
    study = fleet(
        4,
        objective="tests.faults.branching_objective:objective",
        settings="sampler: {name: random, seed: 1}\ntiers: [{trials: 3, steps: 4}, {trials: 1, steps: 6}]\n",
        environment={"TEST_KILLS_ITS_WORKER": str(marker)},
    )
    study.start_worker()
    wait_until(lambda: not study.living(), "the worker to be killed")
    # They are sent a tenth of a second after they were drawn: on a slow machine, the worker lived to do so.
    study.connection.run("DELETE FROM trial_params RETURNING 1")
    study.start_worker()
    wait_until(study.is_done, "the study to be done")
    study.check()

    query = (
        "SELECT number, value_json::jsonb FROM trials JOIN trial_user_attributes USING (trial_id) WHERE key = %s"
    )
    trained = dict(study.connection.run(query, ("trained",)))
    [lost] = json.loads(marker.read_text())
    assert study.states()[0] == "FAIL"
    assert all(lost not in record for record in trained.values())
    assert sorted(len(record) for record in trained.values()) == [4, 4, 4, 6]
