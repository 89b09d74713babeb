"""A pool's worker on a GPU of 16 GB that a driver of the tests pretends to have: each study takes its memory."""

from __future__ import annotations

from pathlib import Path

from hpotool.storage.control.orders import read_events
from tests.faults.fleet import Fleet, wait_until
from tests.gpus import Machine

GPU = "GPU-5b1d"
SQUARE = "tests.faults.misbehaving:square"
QUICK = (
    "from hpotool.worker.pool import open_studies\nfrom hpotool.study.rules import packing\n"
    "open_studies.WAITS_IN_LINE_AFTER_S = 3.0\npacking.FIRST_AFTER_S = 1.0\n"
)
WATCH = "from hpotool.worker.devices import watch\nwatch._EVERY_S = watch._IN_TROUBLE_EVERY_S = 0.5\n"


def states(fleet: Fleet) -> list[str]:
    return list(fleet.states().values())


def waits(fleet: Fleet) -> list[str | None]:
    rows = fleet.connection.run("SELECT waits FROM hpotool.workers WHERE pool = 'p' AND ended_at IS NULL")
    return [said for (said,) in rows]


def test_a_pools_worker_takes_the_study_that_fits_beside_what_its_gpu_runs(
    database_url: str, tmp_path: Path
) -> None:
    """The large study goes first, and has no room; what fits beside the trial that runs is done meanwhile."""
    machine = Machine(tmp_path, GPU)
    alone = machine.fleet(database_url, "alone", 1, "gpu_memory: 8GB\n", options=("--gpu", "0"))
    large = machine.fleet(
        database_url,
        "large",
        2,
        "gpu_memory: 10GB\npool: p\npriority: 5\n",
        SQUARE,
        pool="p",
        options=("--gpu", "0"),
    )
    small = machine.fleet(database_url, "small", 2, "gpu_memory: 6GB\npool: p\n", SQUARE)
    huge = machine.fleet(database_url, "huge", 1, "gpu_memory: 20GB\npool: p\npriority: 9\n", SQUARE)
    fleets = (alone, large, small, huge)
    try:
        alone.start_worker()
        wait_until(lambda: states(alone) == ["RUNNING"], "the trial of 8 GB")
        (large.folder / "sitecustomize.py").write_text(WATCH)
        worker = large.start_worker()
        wait_until(lambda: states(small) == ["COMPLETE"] * 2, "the study that fits beside it")
        wait_until(lambda: any(waits(large)), "the worker to say what it waits for")
        [said] = waits(large)
        assert said is not None
        assert said.startswith("large: gpu 0: a trial takes 10GB, and 8GB of 16GB are not promised (8GB to ")
        assert states(large) == [], "a trial that cannot start is not claimed"
        assert large.connection.run("SELECT devices FROM hpotool.workers WHERE pool = 'p'") == [([GPU],)]

        machine.change(GPU, ecc=3)
        wait_until(lambda: any("is left alone" in (said or "") for said in waits(large)), "its GPU's errors")
        wait_until(lambda: "failed" in _device_events(large), "the events of the studies")
        machine.change(GPU, ecc=0)
        (alone.folder / "go").touch()
        wait_until(lambda: states(large) == ["COMPLETE"] * 2, "the large one, once there is room")
        assert worker.wait(60) == 1
        assert "has 16GB for programs, and each trial takes 20GB of it" in large.logs()[0]
        assert states(huge) == []
        assert "recovered" in _device_events(large)
        promises = tmp_path / "promises" / GPU
        wait_until(lambda: [each.name for each in promises.iterdir()] == ["list"], "every promise to end")
    finally:
        for fleet in fleets:
            fleet.close()


def test_a_large_study_is_not_passed_over_for_ever_by_small_ones(database_url: str, tmp_path: Path) -> None:
    """Two workers share a GPU, and one of them always runs a small trial: a large one has no room beside it."""
    machine = Machine(tmp_path, GPU)
    relay = "tests.faults.misbehaving:outlasts_the_next"
    settings = "gpu_memory: 6GB\npool: p\n"
    small = machine.fleet(database_url, "small", 2000, settings, relay, pool="p", options=("--gpu", "0"))
    fleets = [small]
    try:
        (small.folder / "sitecustomize.py").write_text(QUICK)
        workers = [small.start_worker() for _ in range(2)]
        wait_until(lambda: states(small).count("RUNNING") == 2, "two small trials beside each other")
        settings = "gpu_memory: 12GB\npool: p\npriority: 5\n"
        large = machine.fleet(database_url, "large", 2, settings, SQUARE)
        fleets.append(large)
        wait_until(lambda: states(large) == ["COMPLETE"] * 2, "the large trials, between small ones")
        assert any("nothing else runs here before it" in log for log in small.logs())
        before = states(small).count("COMPLETE")
        assert before < 2000
        wait_until(lambda: states(small).count("COMPLETE") > before + 4, "the small ones to go on")
        assert all(worker.poll() is None for worker in workers)
    finally:
        for fleet in fleets:
            fleet.close()


def _device_events(fleet: Fleet) -> list[str | None]:
    return [
        event.to_state for event in read_events(fleet.connection.run, fleet.study_id) if event.kind == "device"
    ]
