"""What attempts print and save, on a disk that is small or full."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from hpotool.study.outcome import Outcome
from hpotool.study.spec import MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.attempt.runner import AttemptResult, AttemptRunner
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store import CheckpointStore
from tests.faults.fleet import Fleet, wait_until

CODE = """
import os, hpotool
from pathlib import Path

def prints_at_full_speed(trial):
    log = Path(os.environ["WATCHED"]) / f"trial-{trial.number:05d}-{trial._trial_id}.log"
    largest = 0
    for _ in range(int(os.environ["MIB"])):
        os.write(1, b"x" * (1 << 20))
        largest = max(largest, log.stat().st_size)
    print("the end")
    return largest

def prints_much(trial):
    for number in range(20_000):
        print("line", number)
    return 1.0

def saves(trial):
    try:
        with hpotool.save_checkpoint(1) as folder:
            (folder / "state").write_bytes(b"x" * (1 << 20))
    except OSError as error:
        trial.set_user_attr("error", str(error))
        return 2.0
    return 1.0

objective = prints_much
"""
SPEC = StudySpec("s", ObjectiveSpec(python="disk_code:prints_much"), (MetricSpec("loss", "minimize"),))


@pytest.fixture(autouse=True)
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk_code.py").write_text(CODE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path(__file__).parents[3]}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root, outside of a container, can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def run(objective: ObjectiveSpec, logs: Path, location: Path) -> tuple[AttemptResult, optuna.Trial]:
    spec = StudySpec("s", objective, SPEC.metrics)
    store = CheckpointStore(CheckpointLocation(str(location)), spec, location)
    trial = optuna.create_study().ask()
    with AttemptRunner(spec, logs, checkpoints=store) as runner:
        return runner.run(trial), trial


def fill(path: Path) -> None:
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


@pytest.mark.parametrize("limit_mib", [1, 4])
def test_a_log_stays_within_its_limit_while_an_attempt_prints_at_full_speed(
    limit_mib: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPOTOOL_LOG_LIMIT", f"{limit_mib}MiB")
    monkeypatch.setenv("WATCHED", str(tmp_path / "logs"))
    monkeypatch.setenv("MIB", "200")
    result, _ = run(ObjectiveSpec(python="disk_code:prints_at_full_speed"), tmp_path / "logs", tmp_path)
    assert result.values is not None
    assert 0 < result.values[0] <= limit_mib << 20
    assert result.output_tail.endswith("the end\n")
    assert result.log is not None
    assert b"bytes of output left out here]" in result.log.read_bytes()


@pytest.mark.parametrize(
    "objective",
    [
        ObjectiveSpec(python="disk_code:prints_much"),
        ObjectiveSpec(command=("sh", "-c", "seq 100000; seq 100000 >&2; echo '{{\"loss\": 1}}'")),
    ],
)
def test_a_full_disk_costs_lines_of_the_log_and_not_the_trial(objective: ObjectiveSpec, small_disk: Path) -> None:
    for _ in range(2):
        result, _ = run(objective, small_disk / "logs", small_disk / "checkpoints")
        assert (result.outcome, result.values) == (Outcome.COMPLETE, (1.0,)), result


def test_a_save_on_a_full_disk_raises_in_the_objective_and_its_result_counts(small_disk: Path) -> None:
    for _ in range(2):
        result, trial = run(
            ObjectiveSpec(python="disk_code:saves"), small_disk / "logs", small_disk / "checkpoints"
        )
        assert (result.outcome, result.values) == (Outcome.COMPLETE, (2.0,)), result
        assert "No space left on device" in trial.user_attrs["error"]
        assert not list(small_disk.rglob("step-*"))
        fill(small_disk / "filler")


def test_workers_whose_whole_home_is_full_finish_the_study(small_disk: Path, own_postgres, tmp_path: Path) -> None:
    fleet = Fleet(
        own_postgres.url("postgres"),
        tmp_path,
        4,
        objective="disk_code:objective",
        environment={"HPOTOOL_HOME": str(small_disk)},
    )
    try:
        fleet.start_worker()
        wait_until(fleet.is_done, "the study to be done")
        wait_until(lambda: not fleet.living(), "the worker to leave")
        assert fleet.states() == dict.fromkeys(range(4), "COMPLETE"), fleet.logs()
    finally:
        fleet.close()
