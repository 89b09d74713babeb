"""Real workers on GPUs that break, get lost and recover, as a driver of the tests says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpotool.storage.control.orders import read_events
from tests.acceptance.command_line import CommandLine
from tests.faults.fleet import Fleet, wait_until
from tests.gpus import Machine

GPU = "GPU-77aa"
BREAKS = "tests.faults.misbehaving:breaks_its_gpu"


def device_events(fleet: Fleet) -> list[str | None]:
    events = read_events(fleet.connection.run, fleet.study_id)
    return [event.to_state for event in events if event.kind == "device"]


@pytest.mark.parametrize(
    ("broken", "hangs", "says"),
    [
        ({"ecc": 1}, False, "uncorrected memory errors (ECC): 1"),
        ({"lost": True}, True, "GPU is lost"),
    ],
    ids=["errors", "lost"],
)
def test_a_worker_leaves_a_gpu_with_errors_alone_and_its_trial_runs_again(
    broken: dict[str, Any], hangs: bool, says: str, database_url: str, tmp_path: Path
) -> None:
    """With memory errors the attempt fails; on a lost device it never would, and is ended."""
    machine = Machine(tmp_path, GPU)
    watch = "from hpotool.worker.devices import watch\nwatch._EVERY_S = watch._IN_TROUBLE_EVERY_S = 0.5\n"
    fleet = machine.fleet(database_url, "s", 4, function=BREAKS, options=("--gpu", "0"))
    (fleet.folder / "sitecustomize.py").write_text(watch)
    try:
        fleet.start_worker()
        if hangs:
            (fleet.folder / "hangs").touch()
        wait_until(lambda: fleet.states().get(2) == "RUNNING", "the third trial")
        machine.change(GPU, **broken)
        (fleet.folder / "broken").touch()
        wait_until(lambda: device_events(fleet) == ["failed"], "the event")
        wait_until(lambda: fleet.trials()[2][1] == "preempted", "the trial to be handed back")
        assert says in fleet.trials()[2][2]
        assert fleet.states()[3] == "WAITING"

        hpotool = CommandLine(database_url)
        wait_until(lambda: hpotool.json("workers")["workers"][0]["why"], "the worker to say why it waits")
        [row] = hpotool.json("workers")["workers"]
        assert row["state"] == "alive"
        assert row["why"].startswith("gpu 0 is left alone: ")
        assert says in row["why"]
        status = hpotool.run("status").stdout
        assert "no worker can start a trial" in status
        assert f"{row['worker']} waits: gpu 0 is left alone" in status
        assert "GPU failed" in hpotool.run("events").stdout

        machine.change(GPU, ecc=0, lost=False)
        fleet.check()
        assert device_events(fleet) == ["failed", "recovered"]
        assert "uncorrected" not in fleet.trials()[3][2]
    finally:
        fleet.close()


def test_a_failure_on_a_sound_gpu_is_the_trials_own(database_url: str, tmp_path: Path) -> None:
    fleet = Machine(tmp_path, GPU).fleet(database_url, "s", 3, function=BREAKS, options=("--gpu", "0"))
    (fleet.folder / "broken").touch()
    try:
        assert fleet.start_worker().wait(120) == 0, fleet.logs()
        assert fleet.trials()[2][1] == "error"
        assert device_events(fleet) == []
        fleet.check()
    finally:
        fleet.close()


def test_a_worker_that_waits_for_its_gpu_leaves_when_others_have_finished_the_study(
    database_url: str, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, GPU, "GPU-sound")
    machine.change(GPU, ecc=1)
    fleet = machine.fleet(database_url, "s", 3, function="tests.faults.misbehaving:square")
    try:
        fleet.start_worker(more=("--gpu", "0"))
        wait_until(lambda: "waiting: gpu 0 is left alone" in fleet.logs()[0], "a worker that waits")
        fleet.start_worker(more=("--gpu", "1"))
        fleet.check()
        assert [process.returncode for process in fleet.processes] == [0, 0]
        assert "leaving: the study is done" in fleet.logs()[0]
    finally:
        fleet.close()
