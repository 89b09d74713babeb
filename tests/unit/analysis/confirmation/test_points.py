"""Which points are confirmed: the best ones, each once; of a front, spread along it."""

from __future__ import annotations

import pytest
from optuna.trial import TrialState

from hpotool.analysis.confirmation.points import best_points, named_points
from hpotool.errors import InputError, NotFoundError
from tests.unit.analysis.studies import add, make_study


def test_the_best_points_come_best_first_and_each_once() -> None:
    study = make_study("loss")
    for value, lr in ((0.3, 0.1), (0.1, 0.2), (0.2, 0.2), (0.4, 0.4)):
        add(study, [value], {"lr": lr})
    points = best_points(study, 3, replicates=False)
    assert [(point.name, point.trial, point.found) for point in points] == [
        ("trial 1", 1, {"loss": 0.1}),
        ("trial 0", 0, {"loss": 0.3}),
        ("trial 3", 3, {"loss": 0.4}),
    ], "trial 2 tried what trial 1 had tried"


def test_what_breaks_a_constraint_is_not_confirmed() -> None:
    study = make_study("loss")
    add(study, [0.1], {"lr": 0.1}, constraints={"size": 1.0})
    with pytest.raises(NotFoundError, match="the only complete trial does not meet every constraint"):
        best_points(study, 3, replicates=False)
    add(study, [0.2], {"lr": 0.2}, constraints={"size": 0.0})
    assert [point.trial for point in best_points(study, 3, replicates=False)] == [1]


def test_a_front_is_spread_with_both_of_its_ends() -> None:
    study = make_study("cost", "loss", directions=("minimize", "minimize"))
    for step in range(9):
        add(study, [step, 10.0 - step], {"lr": 0.1 + step / 10})
    assert [point.trial for point in best_points(study, 3, replicates=False)] == [0, 4, 8]
    assert len(best_points(study, 20, replicates=False)) == 9


def test_points_of_another_study_bear_its_name() -> None:
    study = make_study("loss")
    add(study, [0.1], {"lr": 0.1})
    [point] = best_points(study, 1, replicates=False, origin="old")
    assert (point.name, point.study, point.trial) == ("trial 0 of old", "old", 0)


def test_a_named_trial_has_to_be_there_and_to_have_parameters() -> None:
    study = make_study("loss")
    add(study, [0.1], {"lr": 0.1})
    add(study, None, {}, TrialState.WAITING)
    assert named_points(study, [0])[0].params == {"lr": 0.1}
    with pytest.raises(NotFoundError, match="has no trial 7"):
        named_points(study, [0, 7])
    with pytest.raises(InputError, match="trial 1 has no parameters yet"):
        named_points(study, [1])


def test_a_value_that_is_not_finite_is_left_out_of_what_the_search_saw() -> None:
    study = make_study("loss")
    add(study, [float("inf")], {"lr": 0.1})
    assert named_points(study, [0])[0].found == {}
