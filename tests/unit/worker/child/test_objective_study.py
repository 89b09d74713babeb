"""What an objective may do with its study: read all of it, write its own trial, and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.study.spec import MetricSpec, ObjectiveSpec
from hpotool.worker.attempt.in_process import CallLink
from hpotool.worker.attempt.running_attempt import RunningAttempt
from hpotool.worker.attempt.trial_server import TrialServer
from hpotool.worker.child.attempt_link import ChannelLink, StopRequest
from hpotool.worker.child.objective_trial import ObjectiveTrial
from hpotool.worker.process.protocol import Job, StudyView

METRICS = (MetricSpec("loss", "minimize"),)


@pytest.fixture
def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), study_name="s")
    made.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    return made


@pytest.fixture
def trial(study: optuna.Study) -> ObjectiveTrial:
    real = study.ask()
    view = StudyView("s", (study.direction,), ("loss",), (), "loss", "tpe", "median")
    job = Job(real._cached_frozen_trial, view, ObjectiveSpec(python="m:f"), seed=7)
    return ObjectiveTrial(job, CallLink(TrialServer(real, METRICS, "loss"), RunningAttempt(real)), lambda: False)


def test_it_reads_the_study_and_its_trials(study: optuna.Study, trial: ObjectiveTrial) -> None:
    seen = trial.study
    assert (seen.study_name, seen.direction, seen.metric_names) == ("s", study.direction, ["loss"])
    assert [each.params for each in seen.get_trials(states=[TrialState.COMPLETE])] == [
        each.params for each in study.get_trials(states=[TrialState.COMPLETE])
    ]
    assert seen.best_trial.number == study.best_trial.number
    assert len(seen.trials) == 4
    assert (repr(seen.sampler), repr(seen.pruner)) == ("tpe", "median")


def test_its_own_trial_is_known_without_asking_and_others_are_asked_for(
    study: optuna.Study, trial: ObjectiveTrial
) -> None:
    trial.set_user_attr("note", (1, 2))
    own = trial.storage.get_trial(trial._trial_id)
    assert own.user_attrs == {"note": [1, 2]}
    own.user_attrs["note"] = "changed"
    assert trial.user_attrs == {"note": [1, 2]}
    other = study.trials[0]
    assert trial.storage.get_trial(other._trial_id).params == other.params
    assert trial.storage.get_trial_system_attrs(other._trial_id) == other.system_attrs


def test_an_attribute_of_the_study_arrives(study: optuna.Study, trial: ObjectiveTrial) -> None:
    trial.study.set_user_attr("data", {"rows": 3})
    assert study.user_attrs == {"data": {"rows": 3}}
    assert trial.study.user_attrs == {"data": {"rows": 3}}


@pytest.mark.parametrize(
    "write",
    [
        lambda study: study.optimize(print),
        lambda study: study.ask(),
        lambda study: study.tell(0, 1.0),
        lambda study: study.enqueue_trial({"x": 0.5}),
        lambda study: study.add_trial(optuna.trial.create_trial(value=1.0)),
        lambda study: study.set_metric_names(["a"]),
    ],
)
def test_it_writes_nothing_else_and_is_told_who_does(
    study: optuna.Study, trial: ObjectiveTrial, write: Any
) -> None:
    before = copy.deepcopy(study.trials)
    with pytest.raises(RuntimeError, match="an objective can read its study but write only its own trial"):
        write(trial.study)
    assert study.trials == before


def test_another_trial_is_not_its_to_write(study: optuna.Study, trial: ObjectiveTrial) -> None:
    for write in (trial.storage.set_trial_user_attr, trial.storage.set_trial_system_attr):
        with pytest.raises(RuntimeError, match="write only its own trial"):
            write(study.trials[0]._trial_id, "key", 1)


@pytest.mark.parametrize("key", ["failed_trial", "hpotool:branch", "grid_id"])
def test_what_belongs_to_samplers_is_not_the_objective_s(trial: ObjectiveTrial, key: str) -> None:
    with pytest.raises(ValueError, match="belongs to samplers and pruners"):
        trial.storage.set_trial_system_attr(trial._trial_id, key, 1)


def test_a_constraint_is_the_objective_s_own(study: optuna.Study, trial: ObjectiveTrial) -> None:
    trial.set_constraint("size", -1.0)
    assert study.trials[3].constraints == {"size": -1.0} == trial.constraints


def test_there_is_no_database_to_be_found(trial: ObjectiveTrial) -> None:
    with pytest.raises(AttributeError, match="an objective has no database connection"):
        trial.storage.engine  # noqa: B018
    assert copy.copy(trial.storage).get_study_name_from_id(0) == "s"


def test_what_is_pruned_says_where_it_stood(trial: ObjectiveTrial) -> None:
    assert trial.describe_prune() == "the objective pruned itself before its first report"
    trial.report(0.25, 3)
    trial.report({"loss": 0.125, "accuracy": 0.9}, 7)
    assert trial.describe_prune() == "at step 7: loss 0.125"
    assert trial.should_prune() is False


@pytest.mark.parametrize(
    ("value", "error"), [({}, ValueError), ("x", TypeError), (10**400, ValueError), ({"loss": None}, TypeError)]
)
def test_what_is_no_report_is_refused_and_nothing_is_sent(
    study: optuna.Study, trial: ObjectiveTrial, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        trial.report(value, 1)
    assert study.trials[3].intermediate_values == {}


def test_it_has_its_seed_and_no_folder_where_none_was_given(trial: ObjectiveTrial) -> None:
    assert (trial.seed, trial.checkpoint_dir, trial.should_stop()) == (7, None, False)


def test_samplers_of_the_objective_s_own_read_directions_and_proposals(trial: ObjectiveTrial) -> None:
    assert trial.storage.get_study_directions(trial.study._study_id) == list(trial.study.directions)
    assert trial.relative_params == {}, "a random sampler proposes nothing jointly"
    assert trial.relative_params is trial.relative_params, "it is asked for once"


def test_a_copied_trial_belongs_to_the_same_attempt() -> None:
    link, stop = ChannelLink(None, "nowhere"), StopRequest("nowhere")
    assert copy.deepcopy(link) is link
    assert copy.deepcopy(stop) is stop
