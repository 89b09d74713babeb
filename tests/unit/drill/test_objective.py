from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from hpotool.drill import objective as drill
from hpotool.drill.objective import FOLDER, START, STEP, STEPS, Manner, manner_of, objective, value_of


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(STEP, "0")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setenv("HPOTOOL_CHECKPOINT_DIR", str(tmp_path / "checkpoints"))
    return tmp_path


def run(x: float) -> optuna.trial.FrozenTrial:
    """One trial of plain Optuna at that point."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    study.enqueue_trial({"x": x})
    study.optimize(objective, n_trials=1, catch=RuntimeError)  # type: ignore[arg-type]
    return study.trials[0]


@pytest.mark.parametrize(
    ("x", "manner"),
    [
        (0.0, "ERROR"),
        (0.079, "ERROR"),
        (0.08, "CRASH"),
        (0.2, "SLOW"),
        (0.3, "PRUNED"),
        (0.9, "SOUND"),
        (1.0, "SOUND"),
    ],
)
def test_what_a_point_does_follows_from_its_parameter(x: float, manner: str) -> None:
    assert manner_of(x) is Manner[manner]


def test_a_sound_point_reports_each_step_and_notes_its_result(quick: Path) -> None:
    trial = run(0.5)
    assert trial.state.name == "COMPLETE"
    assert trial.value == value_of(0.5)
    assert sorted(trial.intermediate_values) == list(range(STEPS))
    assert trial.user_attrs[START] == {"began_at": 0, "found_x": None}
    assert (quick / "returned").read_text() == f"0 {value_of(0.5)!r}\n"


@pytest.mark.parametrize(("x", "state"), [(0.04, "FAIL"), (0.3, "PRUNED")])
def test_planned_trouble_comes_in_the_middle_and_leaves_no_result(quick: Path, x: float, state: str) -> None:
    trial = run(x)
    assert trial.state.name == state
    assert max(trial.intermediate_values) == drill._BREAKS_AT
    assert not (quick / "returned").exists()


def test_a_crash_is_by_a_signal_and_once(quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = []
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append(number))
    run(0.12)
    assert [number.name for number in killed] == ["SIGKILL"]
    run(0.12)  # goes on from the checkpoints of the first
    assert len(killed) == 1


def test_an_attempt_goes_on_from_the_last_checkpoint_and_says_whose_it_was(quick: Path) -> None:
    folder = quick / "checkpoints" / "step-000000004"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text(json.dumps(0.25))
    trial = run(0.5)
    assert trial.user_attrs[START] == {"began_at": 5, "found_x": 0.25}
    assert sorted(trial.intermediate_values) == list(range(5, STEPS))


def test_without_a_folder_nothing_is_noted(monkeypatch: pytest.MonkeyPatch, quick: Path) -> None:
    monkeypatch.delenv(FOLDER)
    assert run(0.5).value == value_of(0.5)
    assert not (quick / "returned").exists()


class Stopping(optuna.trial.FixedTrial):
    """A trial whose worker asks it to stop."""

    def should_stop(self) -> bool:
        return True


def test_an_attempt_that_is_asked_to_stop_returns_nothing_and_leaves_its_checkpoint(quick: Path) -> None:
    assert objective(Stopping({"x": 0.5})) is None  # type: ignore[arg-type]
    assert [path.name for path in (quick / "checkpoints").iterdir()] == ["step-000000000"]
    assert not (quick / "returned").exists()
