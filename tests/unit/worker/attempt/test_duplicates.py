from dataclasses import replace

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState

from hpotool.study.branch import BRANCH_ATTRIBUTE, Branch
from hpotool.study.outcome import Outcome
from hpotool.study.rules.replicates import REPLICATE_OF
from hpotool.study.spec import MetricSpec, ObjectiveSpec, ParameterSpec, StudySpec
from hpotool.worker.attempt.duplicates import find_point, resolve_duplicate

SKIP = StudySpec(
    "s",
    ObjectiveSpec(python="m:f"),
    (MetricSpec("loss", "minimize"),),
    (ParameterSpec("x", FloatDistribution(0, 1)),),
    duplicates="skip",
)


@pytest.fixture
def study() -> optuna.Study:
    """A study whose trial 0 has a result at 0.5, and whose next trial gets the same point."""
    study = optuna.create_study()
    study.enqueue_trial({"x": 0.5})
    first = study.ask({"x": FloatDistribution(0, 1)})
    first.report(0.7, 1)
    first.set_user_attr("epochs", 3)
    first.set_constraint("ms", 2.0)
    study.tell(first, 0.3)
    study.enqueue_trial({"x": 0.5})
    return study


def test_a_point_that_was_tried_takes_the_result_over_with_all_that_was_measured(study: optuna.Study) -> None:
    trial = study.ask()
    result = resolve_duplicate(SKIP, study, trial)
    assert result is not None
    assert (result.outcome, result.values) == (Outcome.COMPLETE, (0.3,))
    assert result.reason == "the same point as trial 0; not run again"
    taken, first = study.trials[1], study.trials[0]
    assert taken.user_attrs == {"epochs": 3}
    assert taken.intermediate_values == {1: 0.7}
    assert taken.constraints == first.constraints


def test_a_pruned_point_is_pruned_again(study: optuna.Study) -> None:
    other = optuna.create_study()
    other.enqueue_trial({"x": 0.5})
    other.tell(other.ask({"x": FloatDistribution(0, 1)}), state=TrialState.PRUNED)
    other.enqueue_trial({"x": 0.5})
    result = resolve_duplicate(SKIP, other, other.ask())
    assert result is not None
    assert (result.outcome, result.values) == (Outcome.PRUNED, None)


def test_a_replicate_runs_and_names_the_first_trial_of_its_point(study: optuna.Study) -> None:
    trial = study.ask()
    assert resolve_duplicate(replace(SKIP, duplicates="replicate"), study, trial) is None
    assert study.trials[1].user_attrs == {REPLICATE_OF: 0}


def test_a_new_point_and_a_branch_run(study: optuna.Study) -> None:
    branch = study.ask()
    study._storage.set_trial_system_attr(branch._trial_id, BRANCH_ATTRIBUTE, Branch(0, 0, 0, 9).to_attribute())
    assert resolve_duplicate(SKIP, study, optuna.Trial(study, branch._trial_id)) is None
    study.enqueue_trial({"x": 0.25})
    assert resolve_duplicate(SKIP, study, study.ask()) is None
    study.enqueue_trial({"x": 0.5})
    assert resolve_duplicate(replace(SKIP, duplicates="allow"), study, study.ask()) is None


def test_a_point_has_one_key_and_what_cannot_be_suggested_or_goes_on_has_none(study: optuna.Study) -> None:
    one = find_point(SKIP, study.ask())
    assert one is not None
    study.enqueue_trial({"x": 0.5})
    assert find_point(SKIP, study.ask()) == one
    study.enqueue_trial({"x": 0.25})
    assert find_point(SKIP, study.ask()) != one
    study.enqueue_trial({"x": 0.5}, user_attrs={})
    branch = study.ask()
    mark = Branch(2, 2, 1, 1).to_attribute() if hasattr(Branch, "to_attribute") else {}
    branch._cached_frozen_trial.system_attrs[BRANCH_ATTRIBUTE] = mark
    assert find_point(SKIP, branch) is None
    other = replace(SKIP, search_space=(ParameterSpec("x", IntDistribution(0, 5)),))
    assert find_point(other, study.ask({"x": FloatDistribution(0, 1)})) is None
