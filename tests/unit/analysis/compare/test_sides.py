from __future__ import annotations

import json
import math
from typing import Any

import pytest
from optuna.trial import TrialState

from hpotool.analysis.compare.sides import make_side
from hpotool.errors import NotFoundError
from tests.unit.analysis.studies import add, make_study


def attempt(outcome: str, hours: float, slot: str = "gpu:0") -> dict[str, Any]:
    return {"slot": slot, "duration_s": 3600 * hours, "outcome": outcome, "reason": None, "worker": "w"}


def test_the_best_is_the_point_with_the_best_mean_of_its_trials() -> None:
    study = make_study("loss")
    for value, drop in ((0.1, 0.5), (0.9, 0.5), (0.3, 0.2), (0.4, 0.2)):
        add(study, [value], {"drop": drop})
    side = make_side(study, "loss", {})
    assert side.params == {"drop": 0.2}
    assert side.number == 2
    best = side.as_data()["best"]
    assert best["values"] == [0.3, 0.4]
    assert best["interval"][0] < 0.35 < best["interval"][1]


def test_a_point_that_breaks_a_constraint_is_never_the_best() -> None:
    study = make_study("loss")
    add(study, [0.1], {"drop": 0.1}, constraints={"memory": 1.0})
    add(study, [0.2], {"drop": 0.2}, constraints={"memory": -1.0})
    assert make_side(study, "loss", {}).params == {"drop": 0.2}


def test_the_cost_counts_all_attempts_and_says_what_was_lost() -> None:
    study = make_study("loss")
    add(study, [0.1], {"drop": 0.1})
    add(study, None, {"drop": 0.2}, state=TrialState.FAIL)
    attempts = {0: [attempt("preempted", 0.5), attempt("complete", 2.0)], 1: [attempt("oom", 1.0)]}
    side = make_side(study, "loss", attempts, prices={"gpu": 2.0})
    assert (side.cost.trials, side.cost.complete, side.cost.failures) == (2, 1, 1)
    assert (side.cost.hours, side.cost.lost_hours) == (3.5, 1.5)


def test_a_study_varies_where_a_point_gave_different_values() -> None:
    study = make_study("loss")
    for value, drop in ((0.1, 0.1), (0.1, 0.1), (0.2, 0.3)):
        add(study, [value], {"drop": drop})
    assert not make_side(study, "loss", {}).is_varying
    add(study, [0.3], {"drop": 0.3})
    assert make_side(study, "loss", {}).is_varying


def test_a_study_without_a_complete_trial_has_no_best_and_its_data_is_strict_json() -> None:
    assert make_side(make_study("loss"), "loss", {}).as_data()["best"] is None
    study = make_study("loss")
    add(study, [math.inf], {"drop": 0.1})
    json.dumps(make_side(study, "loss", {}).as_data(), allow_nan=False)


def test_an_unknown_metric_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="no metric 'los'"):
        make_side(make_study("loss"), "los", {})
