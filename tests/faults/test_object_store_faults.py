"""Real workers whose checkpoints are on a real S3 server: both are killed and come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tests.faults.fleet import Fleet, wait_until
from tests.object_store import ObjectStore, object_store

CODE = """
import os, time, hpotool
from pathlib import Path

HERE = Path(__file__).parent

def note(what):
    with (HERE / "notes").open("a") as file:
        file.write(what + "\\n")

def objective(trial):
    newest = hpotool.latest_checkpoint()
    start = 0
    if newest is not None:
        contents = {(newest / name).read_text() for name in ("one", "two", "three")}
        assert contents == {str(hpotool.checkpoint_step(newest))}, contents
        start = hpotool.checkpoint_step(newest) + 1
    note(f"{trial.number} begins at {start}")
    for step in range(start, 3):
        with hpotool.save_checkpoint(step) as folder:
            for name in ("one", "two", "three"):
                (folder / name).write_text(str(step))
        note(f"{trial.number} saved {step}")
        if step == 1 and start == 0:
            while (HERE / "hold").exists():
                if trial.should_stop():
                    return None
                time.sleep(0.02)
    return trial.suggest_float("x", 0, 1)
"""


@pytest.fixture
def s3() -> Iterator[ObjectStore]:
    with object_store() as store:
        yield store


@pytest.fixture
def fleet(own_postgres, s3: ObjectStore, tmp_path: Path) -> Iterator[Fleet]:
    """Workers of the default sampler; each has a home, as on a machine of its own."""
    (tmp_path / "s3_objective.py").write_text(CODE)
    (tmp_path / "hold").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        made = Fleet(
            own_postgres.url("postgres"),
            tmp_path,
            2,
            objective="s3_objective:objective",
            settings="sampler: auto\nkeep: best 1\n",
            environment={**s3.environment, "HPOTOOL_GRACE_PERIOD_S": "6", "HPOTOOL_HEARTBEAT_INTERVAL_S": "1"},
            options=("--checkpoints", s3.url),
        )
    yield made
    made.close()


def notes(fleet: Fleet) -> list[str]:
    path = fleet.folder / "notes"
    return path.read_text().splitlines() if path.exists() else []


def whole_copies(s3: ObjectStore) -> list[str]:
    """The lineages that have a whole copy at the URL."""
    environment = s3.environment
    store = fsspec.filesystem(
        "s3",
        key="test",
        secret="test",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    return [path.split("/")[-2] for path in store.find(s3.url) if path.endswith("/newest")]


def start(fleet: Fleet, machine: str, **environment: str) -> None:
    fleet.start_worker(HPOTOOL_HOME=str(fleet.folder / machine), **environment)


@pytest.mark.parametrize("point", ["copy.begun", "copy.named"])
def test_a_worker_killed_while_it_copies_is_resumed_elsewhere_from_a_whole_copy(
    point: str, fleet: Fleet, s3: ObjectStore
) -> None:
    faults = fleet.folder / "faults"
    faults.mkdir()
    start(fleet, "one", HPOTOOL_FAULT=f"{point}:kill:{faults}")
    wait_until(lambda: "0 saved 1" in notes(fleet), "two checkpoints")
    fleet.processes[0].terminate()  # its attempt stops, and what it saved is copied
    wait_until((faults / "fired").exists, "the copy")
    (fleet.folder / "hold").unlink()
    start(fleet, "two")
    wait_until(fleet.is_done, "the study to be done")
    fleet.check(is_value_safe=False)
    began = 2 if point == "copy.named" else 0
    assert f"1 begins at {began}" in notes(fleet) or f"2 begins at {began}" in notes(fleet), notes(fleet)
    assert len(whole_copies(s3)) == 1, "of the best one"


def test_a_store_that_goes_away_and_comes_back_costs_no_result_and_no_worker(
    fleet: Fleet, s3: ObjectStore
) -> None:
    start(fleet, "one")
    wait_until(lambda: "0 saved 1" in notes(fleet), "two checkpoints")
    s3.go_away()
    (fleet.folder / "hold").unlink()
    wait_until(lambda: fleet.states().get(0) == "COMPLETE", "the result, although the store is away")
    log = fleet.folder / "worker-0.log"
    assert log.read_text().count("trouble with the checkpoints: s3://") == 1
    wait_until(lambda: fleet.states().get(1) == "RUNNING", "the next trial, which waits for the store")
    s3.come_back()
    wait_until(fleet.is_done, "the study to be done")
    fleet.check(is_value_safe=False)
    assert fleet.states() == {0: "COMPLETE", 1: "COMPLETE"}
    assert "is back after" in log.read_text()
