import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import optuna
import pytest

from hpotool.errors import CheckpointStoreError
from hpotool.study.outcome import Outcome
from hpotool.study.phase import PHASE_ATTRIBUTE, Reevaluation
from hpotool.study.spec import ConstraintSpec, KeepSpec, MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.attempt.runner import AttemptRunner, _with_unheard, _without_checkpoints
from hpotool.worker.attempt.running_attempt import AttemptResult, RunningAttempt
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store import CheckpointStore

AWAY = CheckpointStoreError("s3://b is away")


@pytest.mark.parametrize(("begins_anew", "outcome"), [(False, Outcome.PREEMPTED), (True, Outcome.LOST)])
def test_an_attempt_without_its_checkpoints_is_tried_again(begins_anew: bool, outcome: Outcome) -> None:
    running = RunningAttempt(optuna.create_study().ask(), begins_anew=begins_anew)
    result = _without_checkpoints(running, AWAY)
    assert (result.outcome, result.broke) == (outcome, AWAY.message)
    assert result.reason == "its checkpoints are not available: s3://b is away"


def test_what_was_asked_of_it_comes_before_its_checkpoints() -> None:
    running = RunningAttempt(optuna.create_study().ask())
    running.stop(Outcome.CANCELLED, "enough", timedelta(0))
    assert _without_checkpoints(running, AWAY) == AttemptResult(Outcome.CANCELLED, "enough")


def test_a_result_says_what_of_it_was_not_stored() -> None:
    result = AttemptResult(Outcome.ERROR, "it raised")
    assert _with_unheard(result, None) is result
    assert _with_unheard(result, KeyError("k")).reason == (
        "it raised; one of its writes was not stored: KeyError: 'k'"
    )


OBJECTIVE = """
def objective(trial):
    (trial.checkpoint_dir / "state").write_text("x")
    return {"loss": trial.params["loss"], "size": trial.params["size"]}
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "keeps_here.py").write_text(OBJECTIVE)
    monkeypatch.syspath_prepend(tmp_path)
    environment = dict(os.environ)
    yield tmp_path
    os.environ.clear()
    os.environ.update(environment)


def _run(machine: Path, direction: str, trials: list[tuple[float, float, Reevaluation | None]]) -> list[int]:
    """Run trials with this loss, size and mark; return the numbers of those whose checkpoints are left."""
    spec = StudySpec(
        "s", ObjectiveSpec(python="keeps_here:objective", isolation="none"),
        (MetricSpec("loss", direction),),  # type: ignore[arg-type]
        constraints=(ConstraintSpec("size", "<=", 10.0),), keep=KeepSpec(best=1),
    )  # fmt: skip
    store = CheckpointStore(CheckpointLocation.parse(str(machine / "kept")), spec, machine / "copies")
    runner, study = (
        AttemptRunner(spec, machine / "logs", checkpoints=store),
        optuna.create_study(direction=direction),
    )
    for loss, size, mark in trials:
        trial = study.ask()
        trial.suggest_float("loss", loss, loss)
        trial.suggest_float("size", size, size)
        if mark is not None:
            trial.storage.set_trial_system_attr(trial._trial_id, PHASE_ATTRIBUTE, mark.to_attribute())
            trial._cached_frozen_trial.system_attrs[PHASE_ATTRIBUTE] = mark.to_attribute()
        assert runner.run(trial, root_number=trial.number).outcome is Outcome.COMPLETE
    return sorted(int(path.parent.name.removeprefix("trial-")) for path in (machine / "kept").rglob("state"))


@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1.0), ("maximize", -1.0)])
@pytest.mark.parametrize("phase", ["confirm", "final"])
def test_a_lucky_reevaluation_takes_no_checkpoint_from_the_best_trial(
    machine: Path, direction: str, sign: float, phase: str
) -> None:
    mark = Reevaluation(phase, "trial 1", 0)  # type: ignore[arg-type]
    trials = [(2.0 * sign, 1.0, None), (1.0 * sign, 1.0, None), (0.1 * sign, 1.0, mark), (3.0 * sign, 1.0, None)]
    assert _run(machine, direction, trials) == [1]


@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1.0), ("maximize", -1.0)])
def test_a_trial_that_violates_a_constraint_takes_no_checkpoint_from_one_that_meets_it(
    machine: Path, direction: str, sign: float
) -> None:
    trials = [(0.1 * sign, 99.0, None), (2.0 * sign, 1.0, None), (0.2 * sign, 11.0, None)]
    assert _run(machine, direction, trials) == [1]


def test_while_none_meets_the_constraints_one_checkpoint_is_kept(machine: Path) -> None:
    assert len(_run(machine, "minimize", [(2.0, 99.0, None), (1.0, 99.0, None)])) == 1
