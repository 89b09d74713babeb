"""What the worker lets an objective have and set, whatever its process sends."""

from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from hpotool.study.spec import MetricSpec
from hpotool.worker.attempt.trial_server import TrialServer, suggest, view_of_one_metric

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


DISTRIBUTIONS = [
    FloatDistribution(0, 1), FloatDistribution(1e-5, 1, log=True), FloatDistribution(0, 1, step=0.25),
    IntDistribution(1, 9), IntDistribution(1, 1024, log=True), IntDistribution(0, 8, step=2),
    CategoricalDistribution(["a", None, 3, True]),
]  # fmt: skip


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_a_parameter_is_suggested_as_optuna_itself_does(distribution: BaseDistribution) -> None:
    studies = [optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3)) for _ in range(2)]
    direct = studies[0].ask()
    value = suggest(direct, "x", distribution)
    served = studies[1].ask()
    request = {"do": "suggest", "name": "x", "distribution": distribution_to_json(distribution), "id": 1}
    answer, error = TrialServer(served, METRICS, "loss").answer(request)
    assert error is None
    if isinstance(distribution, CategoricalDistribution):
        assert distribution.choices[answer] is value, "the index travels, and not the choice"
    else:
        assert answer == value
    assert served.distributions == direct.distributions == {"x": distribution}


def test_a_kind_of_distribution_that_optuna_does_not_suggest_from_is_refused(trial: optuna.Trial) -> None:
    with pytest.raises(TypeError, match="which cannot be suggested"):
        suggest(trial, "x", object())  # type: ignore[arg-type]


def test_a_step_that_two_processes_report_is_kept_once(trial: optuna.Trial) -> None:
    server = TrialServer(trial, METRICS, "loss")
    for value in (0.5, 0.7):
        assert server.answer({"do": "report", "values": {"loss": value}, "step": 3, "id": 1}) == (None, None)
    assert trial.study.trials[0].intermediate_values == {3: 0.5}


def test_series_of_other_metrics_are_written_together_and_once() -> None:
    trial = optuna.create_study(directions=["minimize", "maximize"]).ask()
    server = TrialServer(trial, (MetricSpec("loss", "minimize"), MetricSpec("acc", "maximize")), "acc")
    for step in (1, 2):
        values = {"loss": step * 0.1, "acc": step * 0.3, "lr": 0.01}
        assert server.answer({"do": "report", "values": values, "step": step, "id": step})[1] is None
    assert trial.storage.get_trial_system_attrs(trial._trial_id) == {}
    server.write_series()
    stored = trial.storage.get_trial_system_attrs(trial._trial_id)
    assert sorted(stored) == ["hpotool:reports:loss", "hpotool:reports:lr"]
    assert stored["hpotool:reports:lr"] == {"1": 0.01, "2": 0.01}
    assert trial.study.trials[0].intermediate_values == {1: 0.3, 2: 0.6}
    trial.storage.set_trial_system_attr(trial._trial_id, "hpotool:reports:lr", {})
    server.write_series()
    assert trial.storage.get_trial_system_attrs(trial._trial_id)["hpotool:reports:lr"] == {}, "nothing is left"


def test_trials_are_given_by_state(trial: optuna.Trial) -> None:
    study = trial.study
    study.tell(study.ask(), 0.5)
    server = TrialServer(trial, METRICS, "loss")
    for states, numbers in ((None, [0, 1]), ([int(TrialState.COMPLETE)], [1]), ([], [])):
        answer, error = server.answer({"do": "get_trials", "states": states, "id": 1})
        assert error is None
        assert [each.number for each in answer] == numbers
    assert server.answer({"do": "get_best_trial", "id": 2})[0].number == 1


def test_a_trial_that_was_taken_away_is_no_answer_but_the_end(
    trial: optuna.Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UpdateFinishedTrialError

    monkeypatch.setattr(trial.storage, "set_trial_user_attr", refuse)
    with pytest.raises(UpdateFinishedTrialError):
        TrialServer(trial, METRICS, "loss").answer({"do": "set_user_attr", "key": "a", "value": 1, "id": 1})


def test_a_replicate_is_measured_to_its_end_and_a_trial_of_the_search_is_pruned() -> None:
    study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(upper=1.0))
    for mark, is_pruned in (({}, True), ({"hpotool:phase": {"phase": "confirm"}}, False)):
        trial = study.ask()
        for key, value in mark.items():
            trial.storage.set_trial_system_attr(trial._trial_id, key, value)
            trial._cached_frozen_trial.system_attrs[key] = value
        server = TrialServer(trial, METRICS, "loss")
        server.answer({"do": "report", "values": {"loss": 5.0}, "step": 1, "id": 1})
        assert server.answer({"do": "should_prune", "id": 2}) == (is_pruned, None)
