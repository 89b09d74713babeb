"""A training that is ended in the middle goes on where it was and gives the value it would have given."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import optuna
import pytest

from hpotool.study.outcome import Outcome
from hpotool.study.spec import MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.attempt.runner import AttemptResult, AttemptRunner
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store import CheckpointStore
from tests.child_processes import child_process

pytest.importorskip("torch")
pytestmark = pytest.mark.xdist_group("torch")

PARAMS = {"dropout": 0.2, "layers": 1, "width_0": 32, "lr": 0.003, "weight_decay": 1e-4, "batch_size": 128}
SPEC = StudySpec(
    "digits", ObjectiveSpec(python="tests.resuming_objective:objective"), (MetricSpec("accuracy", "maximize"),)
)
WORKER = """
import sys
from pathlib import Path
from tests.integration.worker.test_resuming import attempt, make_runner
attempt(make_runner(sys.argv[1], Path(sys.argv[2])), lambda trial: print("waiting", flush=True))
"""


def make_runner(location: str, machine: Path) -> AttemptRunner:
    store = CheckpointStore(CheckpointLocation.parse(location), SPEC, machine / "cache")
    return AttemptRunner(SPEC, machine / "logs", checkpoints=store)


def attempt(runner: AttemptRunner, when_waiting: Callable[[optuna.Trial], None] | None = None) -> AttemptResult:
    """One attempt of lineage 5, always with the same parameters and seed."""
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial(PARAMS)
    trial = study.ask()

    def watch() -> None:
        while "waiting" not in trial._cached_frozen_trial.user_attrs:
            time.sleep(0.02)
        assert when_waiting is not None
        when_waiting(trial)

    if when_waiting is not None:
        threading.Thread(target=watch, daemon=True).start()
    with runner:
        return runner.run(trial, seed=7, root_number=5)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> AttemptResult:
    folder = tmp_path_factory.mktemp("uninterrupted")
    (folder / "ended").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENDS_ONCE", str(folder / "ended"))
        result = attempt(make_runner(str(folder), folder))
    assert result.outcome is Outcome.COMPLETE, result
    return result


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    monkeypatch.setenv("ENDS_ONCE", str(tmp_path / "ended"))
    return lambda how: monkeypatch.setenv("ENDING", how)


def check_resumed(result: AttemptResult, uninterrupted: AttemptResult) -> None:
    assert result.values == uninterrupted.values
    assert "continuing after epoch 17" in result.output_tail


def test_after_a_killed_child(ending: Callable[[str], None], tmp_path: Path, uninterrupted: AttemptResult) -> None:
    ending("die")
    assert attempt(make_runner(str(tmp_path), tmp_path)).outcome is Outcome.CRASH
    check_resumed(attempt(make_runner(str(tmp_path), tmp_path)), uninterrupted)


def test_after_a_preemption_on_another_machine_with_only_a_url_in_common(
    ending: Callable[[str], None], tmp_path: Path, uninterrupted: AttemptResult
) -> None:
    ending("wait")
    location = f"memory://{tmp_path.name}"
    runner = make_runner(location, tmp_path / "one")
    grace = timedelta(seconds=0.5)
    stopped = attempt(runner, lambda _: runner.stop(Outcome.PREEMPTED, "SIGTERM", grace))
    assert stopped.outcome is Outcome.PREEMPTED
    check_resumed(attempt(make_runner(location, tmp_path / "two")), uninterrupted)


def test_after_a_killed_worker(
    ending: Callable[[str], None], tmp_path: Path, uninterrupted: AttemptResult
) -> None:
    ending("wait")
    command = [sys.executable, "-c", WORKER, str(tmp_path), str(tmp_path)]
    with child_process(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "waiting\n"
        worker.send_signal(signal.SIGKILL)
    check_resumed(attempt(make_runner(str(tmp_path), tmp_path)), uninterrupted)
