"""Trials of the same point, compared by their mean."""

from __future__ import annotations

import json
import math

import pytest
from optuna.trial import TrialState

from hpotool.analysis.best import find_best
from hpotool.analysis.exports.export import best_params
from hpotool.analysis.pareto import find_pareto_front
from hpotool.analysis.trials import list_trials
from tests.unit.analysis.studies import add, make_study


def test_one_lucky_seed_does_not_win() -> None:
    study = make_study("loss")
    for value, lr in [(0.1, 0.5), (0.3, 0.25), (0.9, 0.5), (0.2, 0.25)]:
        add(study, [value], {"lr": lr})
    assert [trial.number for trial in find_best(study).trials] == [0]
    best = find_best(study, count=5, replicates=True)
    assert [trial.number for trial in best.trials] == [1, 0]
    assert best.trials[0].values == {"loss": pytest.approx(0.25)}
    assert (best.complete, best.feasible) == (4, 4)
    assert best_params(study, find_best(study, replicates=True)) == {"lr": 0.25}


def test_the_answer_says_how_many_replicates_there_are_and_how_sure_their_mean_is() -> None:
    study = make_study("loss")
    for value, lr in [(1.0, 0.5), (3.0, 0.5), (5.0, 0.25)]:
        add(study, [value], {"lr": lr})
    found = find_best(study, count=2, replicates=True)
    data = json.loads(json.dumps(found.as_data(), allow_nan=False))["trials"]
    assert data[0]["replicates"] == {"n": 2, "trials": [0, 1], "standard_error": {"loss": pytest.approx(1.0)}}
    assert data[1]["replicates"] == {"n": 1, "trials": [2], "standard_error": {"loss": None}}
    assert found.trials[0].as_row() == {"trial": 0, "loss": 2.0, "n": 2, "loss_se": pytest.approx(1.0), "lr": 0.5}
    assert "replicates" not in find_best(study).as_data()["trials"][0]


def test_failed_pruned_and_running_replicates_measure_nothing() -> None:
    study = make_study("loss")
    add(study, [1.0], {"lr": 0.5})
    add(study, [0.0], {"lr": 0.5}, state=TrialState.PRUNED)
    add(study, None, {"lr": 0.5}, state=TrialState.FAIL)
    add(study, None, {"lr": 0.5}, state=TrialState.RUNNING)
    add(study, None, {"lr": 0.25}, state=TrialState.FAIL)
    [best] = find_best(study, count=9, replicates=True).trials
    assert best.replicates is not None
    assert (best.replicates.trials, best.values) == ((0,), {"loss": 1.0})


def test_points_with_other_conditional_parameters_are_not_mixed() -> None:
    study = make_study("loss")
    add(study, [1.0], {"booster": None})
    add(study, [0.0], {"booster": "dart", "drop": 0.5})
    add(study, [4.0], {"booster": "dart", "drop": 0.5})
    add(study, [9.0], {"booster": "dart", "drop": 0.75})
    best = find_best(study, count=9, replicates=True).trials
    assert [(trial.number, trial.values["loss"]) for trial in best] == [(0, 1.0), (1, 2.0), (3, 9.0)]


def test_the_front_of_replicates_is_that_of_their_means() -> None:
    study = make_study("accuracy", "kilobytes", directions=["maximize", "minimize"])
    for values, depth in [([0.9, 10.0], 3), ([0.8, 5.0], 4), ([0.1, 10.0], 3), ([0.7, 9.0], 5)]:
        add(study, values, {"depth": depth})
    assert [trial.number for trial in find_pareto_front(study).trials] == [0, 1]
    front = find_pareto_front(study, replicates=True)
    assert [trial.number for trial in front.trials] == [1]
    assert find_best(study, replicates=True) == front


def test_feasible_is_what_meets_the_constraints_on_average() -> None:
    study = make_study("loss")
    for value, violation, lr in [(1.0, 0.5, 0.5), (1.0, -1.0, 0.5), (0.0, 2.0, 0.25), (0.0, -1.0, 0.25)]:
        add(study, [value], {"lr": lr}, constraints={"latency": violation})
    found = find_best(study, replicates=True)
    assert found.trials[0].number == 0
    assert found.trials[0].constraints == {"latency": -0.25}
    assert (found.complete, found.feasible) == (4, 2)


def test_a_mean_of_both_infinities_is_never_best() -> None:
    study = make_study("loss")
    for value, lr in [(-math.inf, 0.5), (math.inf, 0.5), (7.0, 0.25)]:
        add(study, [value], {"lr": lr})
    assert [trial.number for trial in find_best(study, count=9, replicates=True).trials] == [2]


def test_a_list_of_trials_says_which_is_a_replicate() -> None:
    study = make_study("loss")
    add(study, [1.0], {"lr": 0.5})
    add(study, [2.0], {"lr": 0.5}, user_attrs={"replicate_of": 0})
    first, second = list_trials(study)
    assert "replicate_of" not in first.as_data()
    assert second.as_data()["replicate_of"] == second.as_row()["replicate_of"] == 0
