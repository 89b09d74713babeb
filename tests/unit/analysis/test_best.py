from __future__ import annotations

import json
import math
from random import Random

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from hpotool.analysis.best import find_best
from hpotool.analysis.pareto import find_pareto_front
from tests.examples import examples
from tests.unit.analysis.studies import add, make_study


@pytest.mark.parametrize(("direction", "number"), [("minimize", 1), ("maximize", 2)])
def test_the_best_is_the_lowest_or_the_highest(direction: str, number: int) -> None:
    study = make_study(directions=[direction])
    for value in (0.5, -1.0, 3.0):
        add(study, [value], {"lr": 0.1})
    best = find_best(study)
    assert [trial.number for trial in best.trials] == [number]
    assert best.trials[0].number == study.best_trial.number
    assert best.why_none is None


def test_of_equal_trials_the_first_is_best() -> None:
    study = make_study(directions=["maximize"])
    for value in (0.1, 0.9, 0.9):
        add(study, [value])
    assert [trial.number for trial in find_best(study, count=3).trials] == [1, 2, 0]


def test_only_complete_trials_can_be_best() -> None:
    study = make_study()
    add(study, [5.0])
    add(study, [1.0], state=TrialState.PRUNED)
    add(study, None, state=TrialState.FAIL)
    add(study, None, state=TrialState.RUNNING)
    add(study, None, state=TrialState.WAITING)
    best = find_best(study)
    assert [trial.number for trial in best.trials] == [0]
    assert best.complete == 1


def test_nothing_is_best_of_nothing() -> None:
    assert find_best(make_study()).why_none == "no trial is complete yet"
    assert find_best(make_study()).as_data() == {"trials": []}
    assert find_best(make_study(directions=["minimize", "maximize"])).why_none == "no trial is complete yet"


def test_an_infeasible_trial_is_never_best() -> None:
    study = make_study()
    add(study, [1.0], constraints={"latency_ms": 0.5, "size": -1.0})
    add(study, [2.0], constraints={"latency_ms": 0.0, "size": -1.0})
    best = find_best(study)
    assert [trial.number for trial in best.trials] == [1]
    assert (best.complete, best.feasible) == (2, 1)
    assert best.trials[0].is_feasible
    assert best.trials[0].constraints == {"latency_ms": 0.0, "size": -1.0}


def test_it_says_so_when_no_trial_is_feasible() -> None:
    study = make_study()
    for value in (1.0, 2.0):
        add(study, [value], constraints={"latency_ms": 1.0})
    assert find_best(study).trials == ()
    assert find_best(study).why_none == "none of the 2 complete trials meets every constraint"


def test_constraints_that_optuna_4_wrote_count_too() -> None:
    study = make_study()
    add(study, [1.0], system_attrs={"constraints": [1.0]})
    add(study, [2.0], system_attrs={"constraints": [-1.0]})
    assert [trial.number for trial in find_best(study).trials] == [1]


def test_infinite_values_are_compared_and_written_as_json() -> None:
    study = make_study(directions=["maximize"])
    add(study, [-math.inf], {"lr": 0.1})
    assert find_best(study).trials[0].values == {"value": -math.inf}
    data = find_best(study).as_data()
    assert json.loads(json.dumps(data, allow_nan=False))["trials"][0]["values"] == {"value": "-inf"}
    add(study, [0.0], {"lr": 0.2})
    assert find_best(study).trials[0].number == 1


def test_values_stand_under_the_names_of_their_metrics() -> None:
    named = make_study("accuracy", "kilobytes", directions=["maximize", "minimize"])
    add(named, [0.9, 12.0], {"depth": 3, "booster": None})
    assert find_best(named).as_data() == {
        "trials": [
            {
                "number": 0,
                "values": {"accuracy": 0.9, "kilobytes": 12.0},
                "params": {"depth": 3, "booster": None},
                "constraints": {},
            }
        ]
    }
    unnamed = make_study(directions=["maximize", "minimize"])
    add(unnamed, [0.9, 12.0])
    assert find_best(unnamed).trials[0].values == {"value_0": 0.9, "value_1": 12.0}


def test_the_front_holds_what_no_other_trial_beats() -> None:
    study = make_study("accuracy", "kilobytes", directions=["maximize", "minimize"])
    for values in ([0.9, 10.0], [0.8, 5.0], [0.8, 6.0], [0.95, 20.0], [0.9, 11.0], [math.inf, math.inf]):
        add(study, values)
    front = find_pareto_front(study)
    assert [trial.number for trial in front.trials] == [0, 1, 3, 5]
    assert [trial.number for trial in front.trials] == [trial.number for trial in study.best_trials]
    assert find_best(study) == front


def test_the_front_is_of_feasible_trials_alone() -> None:
    study = make_study(directions=["minimize", "minimize"])
    add(study, [0.0, 0.0], constraints={"c": 1e-9})
    add(study, [1.0, 2.0], constraints={"c": 0.0})
    add(study, [2.0, 1.0], constraints={"c": -1.0})
    add(study, [2.0, 2.0], constraints={"c": -1.0})
    front = find_pareto_front(study)
    assert [trial.number for trial in front.trials] == [1, 2]
    assert (front.complete, front.feasible) == (4, 3)


def test_the_front_of_one_metric_is_its_equally_best_trials() -> None:
    study = make_study()
    for value in (1.0, 0.5, 0.5):
        add(study, [value])
    assert {trial.number for trial in find_pareto_front(study).trials} >= {1}
    assert all(trial.values == {"value": 0.5} for trial in find_pareto_front(study).trials)


def test_a_row_keeps_a_metric_and_a_parameter_of_the_same_name_apart() -> None:
    study = make_study("lr")
    add(study, [0.25], {"lr": 0.5})
    assert find_best(study).trials[0].as_row() == {"trial": 0, "lr": 0.25, "param_lr": 0.5}


def test_asking_changes_nothing_in_the_study() -> None:
    study = make_study()
    add(study, [1.0], {"lr": 0.5})
    before = repr(study.trials)
    find_best(study)
    find_pareto_front(study)
    assert repr(study.trials) == before
    assert isinstance(study, optuna.Study)


VALUES = st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=7)


@settings(max_examples=examples(40))
@given(VALUES, st.sampled_from(["minimize", "maximize"]), st.integers(1, 9))
def test_the_best_is_optunas_own_best_and_the_rest_follow_in_order(
    values: list[float], direction: str, count: int
) -> None:
    study = make_study(directions=[direction])
    for value in values:
        add(study, [value])
    found = [trial.number for trial in find_best(study, count).trials]
    assert values[found[0]] == study.best_value
    sign = 1 if direction == "minimize" else -1
    assert found == sorted(range(len(values)), key=lambda number: (sign * values[number], number))[:count]


@settings(max_examples=examples(40))
@given(VALUES, st.sampled_from([1e-6, 0.5, 2.0, 1e6]), st.randoms())
def test_another_unit_another_sign_and_another_order_find_the_same_point(
    values: list[float], factor: float, random: Random
) -> None:
    values = [float(f"{value / 1e10:.6g}") for value in values]  # so that no two become equal
    points = list(zip(values, range(1, 9), strict=False))

    def best_depth(points: list[tuple[float, int]], direction: str, factor: float) -> float:
        study = make_study(directions=[direction])
        for value, depth in points:
            add(study, [value * factor], {"depth": depth})
        return {depth: value for value, depth in points}[find_best(study).trials[0].params["depth"]]

    expected = best_depth(points, "minimize", 1.0)
    assert best_depth(points, "minimize", factor) == expected
    assert best_depth(points, "maximize", -factor) == expected
    assert best_depth(random.sample(points, len(points)), "minimize", 1.0) == expected


@settings(max_examples=examples(30))
@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.7]), st.sampled_from([0.1, 0.2, 0.3])), min_size=1, max_size=8)
)
def test_points_whose_replicates_all_agree_are_ranked_as_without_replicates(
    trials: list[tuple[float, float]],
) -> None:
    """Each point has one value, however often it was measured: the mean must not move it."""
    value_of = dict(reversed(trials))
    study = make_study()
    for lr, _ in trials:
        add(study, [value_of[lr]], {"lr": lr})
    alone, together = find_best(study), find_best(study, replicates=True)
    assert together.trials[0].number == alone.trials[0].number
    assert dict(together.trials[0].values) == dict(alone.trials[0].values)


@settings(max_examples=examples(30))
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=8),
    st.sampled_from([1e-9, 3.0, 1e9]),
)
def test_the_unit_of_one_metric_does_not_change_the_front(points: list[tuple[int, int]], factor: float) -> None:
    fronts = []
    for scale in (1.0, factor):
        study = make_study("a", "b", directions=["minimize", "maximize"])
        for a, b in points:
            add(study, [a, b * scale])
        fronts.append([trial.number for trial in find_pareto_front(study).trials])
        assert set(fronts[-1]) == {trial.number for trial in study.best_trials}
    assert fronts[0] == fronts[1]
