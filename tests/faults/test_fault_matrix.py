"""Every named point × every fault: a small study is run to its end, and all guarantees are checked."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.faults.fleet import GRACE_S, Fleet, wait_until

BUDGET = 3
POINTS = (
    "claim.before",
    "claim.after",
    "tell.before",
    "tell.spooled",
    "tell.after",
    "beat",
    "reap.before",
    "reap.after",
)
FAULTS = ("kill", "stop", "raise", "wait")  # wait: the database is stopped and started meanwhile


@pytest.fixture
def faults(tmp_path: Path) -> Path:
    folder = tmp_path / "faults"
    folder.mkdir()
    return folder


def _lose_one_attempt(fleet: Fleet) -> None:
    """Give the reaper something to do: a worker that dies in the middle of its first trial."""
    victim = fleet.start_worker(TEST_STEP_S="60")
    wait_until(lambda: "RUNNING" in fleet.states().values(), "the victim's claim")
    victim.kill()


def _sleep_through_the_grace_period(pid: int) -> None:
    """Let a stopped process sleep longer than the grace period: the one thing that really takes its time."""
    import time

    time.sleep(GRACE_S * 1.6)
    os.kill(pid, signal.SIGCONT)


def _act(fault: str, faults: Path, own_postgres) -> None:
    wait_until((faults / "fired").exists, "the fault point")
    wait_until(lambda: (faults / "fired").read_text(), "its process id")
    if fault == "stop":
        _sleep_through_the_grace_period(int((faults / "fired").read_text()))
    elif fault == "wait":
        own_postgres.kill()
        (faults / "go").touch()
        own_postgres.start()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("point", POINTS)
def test_a_fault_in_the_worker(point: str, fault: str, own_postgres, tmp_path: Path, faults: Path) -> None:
    fleet = Fleet(own_postgres.url("postgres"), tmp_path, BUDGET, is_spread_out=fault in ("stop", "wait"))
    try:
        if point.startswith("reap"):
            _lose_one_attempt(fleet)
        fleet.start_worker(HPOTOOL_FAULT=f"{point}:{fault}:{faults}")
        _act(fault, faults, own_postgres)
        fleet.start_worker()
        wait_until(fleet.is_done, "the study to be done")
        fleet.check(is_value_safe=True)
    finally:
        fleet.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_child(fault: str, own_postgres, tmp_path: Path, faults: Path) -> None:
    environment = {"TEST_CHILD_FAULT": f"{fault}:{faults}"}
    fleet = Fleet(own_postgres.url("postgres"), tmp_path, BUDGET, environment=environment)
    try:
        fleet.start_worker()
        _act(fault, faults, own_postgres)
        wait_until(fleet.is_done, "the study to be done")
        fleet.check()
    finally:
        fleet.close()
