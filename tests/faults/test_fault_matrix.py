"""Every named point × every fault: a small study is run to its end, and all guarantees are checked."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.faults.fleet import GRACE_S, KINDS, Fleet, wait_until

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
# Each kind of study meets each fault, and so does each point; claimed and stopped with two kinds more.
CELLS = [
    (point, fault, list(KINDS)[(row + 3 * column) % len(KINDS)])
    for row, point in enumerate(POINTS)
    for column, fault in enumerate(FAULTS)
] + [("claim.after", "stop", "tpe"), ("claim.after", "stop", "none")]


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


def test_the_cells_are_each_kind_with_each_fault_and_each_point_with_each_fault() -> None:
    assert {(kind, fault) for _, fault, kind in CELLS} == {(kind, fault) for kind in KINDS for fault in FAULTS}
    assert {cell[:2] for cell in CELLS} == {(point, fault) for point in POINTS for fault in FAULTS}
    assert ("claim.after", "stop", "auto") in CELLS


@pytest.mark.parametrize(("point", "fault", "kind"), CELLS)
def test_a_fault_in_the_worker(
    point: str, fault: str, kind: str, own_postgres, tmp_path: Path, faults: Path
) -> None:
    is_spread_out = fault in ("stop", "wait")
    fleet = Fleet(own_postgres.url("postgres"), tmp_path, BUDGET, is_spread_out=is_spread_out, kind=KINDS[kind])
    try:
        if point.startswith("reap"):
            _lose_one_attempt(fleet)
        fleet.start_worker(HPOTOOL_FAULT=f"{point}:{fault}:{faults}")
        _act(fault, faults, own_postgres)
        fleet.start_worker()
        wait_until(fleet.is_done, "the study to be done")
        # A command's value is on its way through a pipe for a moment after it was noted here.
        fleet.check(is_value_safe=kind != "command")
        if fault == "raise":
            assert fleet.processes[-2].returncode == 0, "a worker went on, whatever came up"
    finally:
        fleet.close()


@pytest.mark.parametrize("kind", ["auto", "command"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_child(fault: str, kind: str, own_postgres, tmp_path: Path, faults: Path) -> None:
    environment = {"TEST_CHILD_FAULT": f"{fault}:{faults}"}
    fleet = Fleet(own_postgres.url("postgres"), tmp_path, BUDGET, environment=environment, kind=KINDS[kind])
    try:
        fleet.start_worker()
        _act(fault, faults, own_postgres)
        wait_until(fleet.is_done, "the study to be done")
        fleet.check()
    finally:
        fleet.close()
