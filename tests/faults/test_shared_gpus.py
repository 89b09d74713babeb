"""Several real workers on one GPU of 16 GB that a driver of the tests pretends to have."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpotool.storage.control.launches import list_fleet
from tests.acceptance.command_line import CommandLine
from tests.faults.fleet import Fleet, wait_until
from tests.gpus import Machine

GPU = "GPU-5b1d"


def waits_of(fleet: Fleet) -> list[str | None]:
    return [worker.waits for worker in list_fleet(fleet.connection.run, fleet.study_id) if not worker.has_ended]


def is_running(fleet: Fleet) -> bool:
    return "RUNNING" in fleet.states().values()


def test_trials_share_a_device_as_far_as_they_fit_and_one_that_never_fits_is_refused(
    database_url: str, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, GPU)
    # Three studies, each with an HPOTOOL_HOME of its own.
    large, small, late = (
        machine.fleet(database_url, name, budget, f"gpu_memory: {memory}\n", options=("--gpu", "0"))
        for name, budget, memory in (("large", 2, "10GB"), ("small", 1, "6GB"), ("late", 1, "10GB"))
    )
    try:
        first = large.start_worker()
        wait_until(lambda: is_running(large), "the trial of 10 GB")
        small.start_worker()
        wait_until(lambda: is_running(small), "the trial of 6 GB beside it")

        late.start_worker()
        wait_until(lambda: any(waits_of(late)), "the worker to say that it waits")
        [said] = waits_of(late)
        assert said is not None
        assert said.startswith("gpu 0: a trial takes 10GB, and 0B of 16GB are not promised (")
        assert "10GB to " in said
        assert "(large)" in said
        assert late.states() == {}, "a trial that cannot start is not claimed"
        assert f"waiting: {said}" in late.logs()[0]
        _shown(database_url, said)
        assert is_running(large)
        assert is_running(small)

        refused = machine.fleet(database_url, "huge", 1, "gpu_memory: 20GB\n", options=("--gpu", "0"))
        process = refused.start_worker()
        assert process.wait(60) == 2
        assert "gpu 0 (Fake 16GB) has 16GB for programs, and each trial takes 20GB of it" in refused.logs()[0]
        assert refused.states() == {}

        first.kill()
        wait_until(lambda: is_running(late), "the promise of the killed worker to be void")
        wait_until(lambda: waits_of(late) == [None], "the registry to say that it waits no more")
        for fleet in (large, small, late):
            (fleet.folder / "go").touch()
        large.start_worker()
        for fleet in (large, small, late):
            assert [process.wait(120) for process in fleet.living()] in ([], [0]), fleet.logs()
            states = list(fleet.states().values())
            assert (states.count("COMPLETE"), len(states)) == (fleet.budget, fleet.budget + (fleet is large))
        promises = tmp_path / "promises" / GPU
        assert [each.name for each in promises.iterdir()] == ["list"], "nothing is left of any promise"
    finally:
        for fleet in (large, small, late):
            fleet.close()


def _shown(url: str, said: str) -> None:
    """What people see of a worker that waits: in `workers`, in `status`, in their data."""
    hpotool = CommandLine(url)
    [row] = hpotool.json("workers", "--study", "late")["workers"]
    assert (row["state"], row["why"]) == ("alive", said)
    [worker] = hpotool.json("status", "--study", "late")["workers"]
    assert worker["waits"] == said
    assert "a trial takes 10GB" in hpotool.run("status", "--study", "late").stdout


def test_without_gpu_memory_workers_on_one_device_know_nothing_of_each_other(
    database_url: str, tmp_path: Path
) -> None:
    fleet = Machine(tmp_path, GPU).fleet(database_url, "s", 2, options=("--gpu", "0"))
    try:
        for _ in range(2):
            fleet.start_worker()
        wait_until(lambda: list(fleet.states().values()) == ["RUNNING"] * 2, "both trials")
        assert not (tmp_path / "promises").exists()
        (fleet.folder / "go").touch()
        fleet.check()
    finally:
        fleet.close()


def test_the_workers_of_one_command_pack_their_trials(database_url: str, tmp_path: Path) -> None:
    """`--workers 3` on one device, of which two fit: never more than two trials at once, and all are done."""
    fleet = Machine(tmp_path, GPU).fleet(
        database_url, "s", 6, "gpu_memory: 8GB\n", "tests.faults.misbehaving:square", options=("--gpu", "0")
    )
    try:
        process = fleet.start_worker(more=("--workers", "3", "--log-format", "json"))
        assert process.wait(120) == 0, fleet.logs()
        fleet.check()
        assert _most_at_once(fleet.connection.run("SELECT started_at, ended_at FROM hpotool.attempts")) <= 2
        events = [json.loads(line) for line in fleet.logs()[0].splitlines() if line.startswith("{")]
        assert {event["why"] for event in events if event.get("event") == "idle"} <= {"device", "wait"}
    finally:
        fleet.close()


def _most_at_once(spans: Sequence[Sequence[Any]]) -> int:
    moments = sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans])
    most = now = 0
    for _, step in moments:
        now += step
        most = max(most, now)
    return most


def test_a_worker_without_a_gpu_ignores_gpu_memory(database_url: str, tmp_path: Path) -> None:
    fleet = Machine(tmp_path, GPU).fleet(
        database_url, "s", 1, "gpu_memory: 20GB\n", "tests.faults.misbehaving:square", options=("--gpu", "none")
    )
    try:
        process: subprocess.Popen[bytes] = fleet.start_worker()
        assert process.wait(60) == 0, fleet.logs()
        fleet.check()
    finally:
        fleet.close()
