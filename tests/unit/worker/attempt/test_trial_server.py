"""What the worker lets an objective have and set, whatever its process sends."""

from typing import Any

import optuna
import pytest

from hpotool.study.spec import MetricSpec
from hpotool.worker.attempt.trial_server import TrialServer, view_of_one_metric

METRICS = (MetricSpec("loss", "minimize"),)


@pytest.fixture
def trial() -> optuna.Trial:
    return optuna.create_study().ask()


@pytest.mark.parametrize(
    "request_",
    [
        {"do": "set_system_attr", "key": "cma:optimizer:0", "value": "80049500"},
        {"do": "set_system_attr", "key": "failed_trial", "value": "x"},
        {"do": "set_system_attr", "key": "hpotool:branch", "value": {}},
        {"do": "set_system_attr", "key": "constraints:mem", "value": "x"},
        {"do": "set_system_attr", "key": 5, "value": 1.0},
        {"do": "read_study", "name": "_storage"},
        {"do": "read_study", "name": "sampler"},
        {"do": "report", "values": {"loss": 1.0}, "step": 2**31},
        {"do": "report", "values": {"loss": "x"}, "step": 0},
        {"do": "report", "values": {"x" * 512: 1.0}, "step": 0},
        {"do": "anything else"},
        {},
    ],
)
def test_a_request_beyond_what_an_objective_may_is_answered_with_an_error(
    trial: optuna.Trial, request_: dict[str, Any]
) -> None:
    before = trial.storage.get_trial(trial._trial_id)
    answer, error = TrialServer(trial, METRICS, "loss").answer({**request_, "id": 1})
    assert answer is None
    assert error is not None
    assert trial.storage.get_trial(trial._trial_id) == before


def test_an_error_that_nobody_waits_for_is_raised_by_the_next_question(trial: optuna.Trial) -> None:
    server = TrialServer(trial, METRICS, "loss")
    server.answer({"do": "report", "values": {"loss": 1.0}, "step": -1})
    server.answer({"do": "report", "values": {"loss": 1.0}, "step": 0})
    _, error = server.answer({"do": "should_prune", "id": 1})
    assert "must be non-negative" in str(error)
    assert server.answer({"do": "should_prune", "id": 2}) == (False, None)
    assert server.unheard is None


def test_marks_of_integrations_and_constraints_are_the_objectives_own(trial: optuna.Trial) -> None:
    server = TrialServer(trial, METRICS, "loss")
    for key, value in (("constraints:mem", 0.5), ("ddp_pl:epoch", 3), ("mlflow_run_id", "a")):
        assert server.answer({"do": "set_system_attr", "key": key, "value": value, "id": 1}) == (None, None)
    assert set(trial.storage.get_trial_system_attrs(trial._trial_id)) == {
        "constraints:mem",
        "ddp_pl:epoch",
        "mlflow_run_id",
    }


def test_a_pruner_sees_one_metric_of_several_and_the_study_stays_as_it_is() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    view = view_of_one_metric(study, 1)
    assert view.direction == optuna.study.StudyDirection.MAXIMIZE
    assert len(study.directions) == 2
