import optuna
import pytest

from hpotool.study.spec import ConstraintSpec, MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.attempt.constraints import set_constraints, set_out_of_memory

SPEC = StudySpec(
    "s",
    ObjectiveSpec(python="m:f"),
    (MetricSpec("loss", "minimize"),),
    constraints=(ConstraintSpec("ms", "<=", 50), ConstraintSpec("loss", ">=", 0.5)),
)


@pytest.fixture
def trial() -> optuna.Trial:
    return optuna.create_study().ask()


def _constraints(trial: optuna.Trial) -> dict[str, float]:
    return trial.study.get_trials()[trial.number].constraints or {}


def test_metrics_come_before_what_was_returned_and_that_before_attributes(trial: optuna.Trial) -> None:
    trial.set_user_attr("ms", 60)
    trial.set_user_attr("loss", -1)
    assert set_constraints(trial, SPEC, (0.25,), {"ms": 53}) is None
    assert _constraints(trial) == {"ms": 3, "loss": 0.25}


@pytest.mark.parametrize("value", [None, True, "53", float("nan"), 10**400])
def test_what_cannot_be_held_against_a_bound_is_missing(trial: optuna.Trial, value: object) -> None:
    said = set_constraints(trial, SPEC, (1.0,), {"ms": value})
    assert said == "the objective reported no number for the constraint 'ms'"


def test_running_out_of_memory_is_infeasible(trial: optuna.Trial) -> None:
    set_out_of_memory(trial)
    assert _constraints(trial) == {"memory": 1.0}
