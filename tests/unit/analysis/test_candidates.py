"""Candidates for "best": trials one by one or grouped by point, and what a table and a program get of them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from statistics import mean, stdev
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from hpotool.analysis.candidates import BestTrials, Confirmed, found_in_values, found_trials, list_candidates
from hpotool.analysis.results import Replicates, TrialResult
from hpotool.storage.optuna.window import Values
from tests.unit.analysis.studies import add, make_study

# A value, which of three points it was measured at, and how far it breaks a constraint.
MEASURED = st.tuples(st.integers(-9, 9), st.sampled_from([0.1, 0.2, 0.3]), st.integers(-2, 2))


def study_of(measured: list[tuple[int, float, int]]) -> optuna.Study:
    study = make_study("loss")
    for value, drop, violation in measured:
        add(study, [float(value)], {"drop": drop}, constraints={"size": float(violation)})
    return study


def result(number: int = 3, **values: float) -> TrialResult:
    return TrialResult(number, values or {"loss": 0.5}, {"lr": 0.1}, {"size": -1.0})


@given(st.lists(MEASURED, max_size=8))
def test_each_complete_trial_is_a_candidate_with_its_own_values(measured: list[tuple[int, float, int]]) -> None:
    study = study_of(measured)
    add(study, None, {"drop": 0.5}, state=TrialState.FAIL)
    add(study, None, {"drop": 0.5}, state=TrialState.RUNNING)
    add(study, [0.0], {"drop": 0.5}, state=TrialState.PRUNED)
    found = list_candidates(study, replicates=False)
    assert [one.trials[0].number for one in found] == list(range(len(measured)))
    assert [one.measured.values for one in found] == [(float(value),) for value, _, _ in measured]
    assert [one.measured.is_feasible for one in found] == [violation <= 0 for _, _, violation in measured]


@given(st.lists(MEASURED, max_size=8))
def test_with_replicates_a_candidate_is_a_point_with_the_means_of_its_trials(
    measured: list[tuple[int, float, int]],
) -> None:
    groups: dict[float, list[int]] = defaultdict(list)
    for number, (_, drop, _) in enumerate(measured):
        groups[drop].append(number)
    found = list_candidates(study_of(measured), replicates=True)
    assert [[trial.number for trial in one.trials] for one in found] == list(groups.values())
    for one, numbers in zip(found, groups.values(), strict=True):
        assert one.measured.values[0] == pytest.approx(mean(measured[number][0] for number in numbers))
        violation = mean(measured[number][2] for number in numbers)
        assert one.measured.is_feasible == (violation <= 0)


def test_a_point_with_the_floats_of_a_step_is_one_point() -> None:
    study = make_study("loss")
    space = {"drop": optuna.distributions.FloatDistribution(0.0, 1.0, step=0.1)}
    for drop in (0.3, 0.1 + 0.2):
        study.add_trial(optuna.trial.create_trial(value=1.0, params={"drop": drop}, distributions=dict(space)))
    assert len(list_candidates(study, replicates=True)) == 1
    assert len(list_candidates(study, replicates=False)) == 2


def test_true_and_one_are_two_points() -> None:
    study = make_study("loss")
    for booster in (True, 3, None, 0.5):
        add(study, [1.0], {"booster": booster})
    assert len(list_candidates(study, replicates=True)) == 4


@pytest.mark.parametrize("values", [[2.0], [1.0, 3.0], [1.0, 2.0, 6.0]])
def test_the_result_to_show_has_the_first_number_the_mean_and_its_error(values: list[float]) -> None:
    study = make_study("loss")
    add(study, [9.0], {"drop": 0.9})
    for value in values:
        add(study, [value], {"drop": 0.1}, constraints={"size": value - 2})
    shown = list_candidates(study, replicates=True)[1].as_result(("loss",), replicates=True)
    error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    assert (shown.number, shown.params) == (1, {"drop": 0.1})
    assert shown.values["loss"] == pytest.approx(mean(values))
    assert shown.constraints["size"] == pytest.approx(mean(values) - 2)
    assert shown.replicates is not None
    assert shown.replicates.trials == tuple(range(1, 1 + len(values)))
    assert shown.replicates.standard_error["loss"] == (None if error is None else pytest.approx(error))


def test_without_replicates_the_result_is_the_trial_as_it_is() -> None:
    study = make_study("loss", "size", directions=["minimize", "maximize"])
    add(study, [1.0, 2.0], {"drop": 0.1})
    [candidate] = list_candidates(study, replicates=False)
    shown = candidate.as_result(("loss", "size"), replicates=False)
    assert (shown.values, shown.replicates) == ({"loss": 1.0, "size": 2.0}, None)


@pytest.mark.parametrize(
    ("trials", "complete", "said"),
    [
        ((), 0, "no trial is complete yet"),
        ((), 3, "none of the 3 complete trials meets every constraint"),
        ((result(),), 3, None),
    ],
)
def test_why_there_is_none(trials: tuple[TrialResult, ...], complete: int, said: str | None) -> None:
    assert BestTrials(trials, complete, 0).why_none == said


@given(st.lists(MEASURED, max_size=8), st.booleans())
def test_what_was_compared_is_counted_in_trials(measured: list[tuple[int, float, int]], replicates: bool) -> None:
    study = study_of(measured)
    candidates = list_candidates(study, replicates=replicates)
    feasible = [one for one in candidates if one.measured.is_feasible]
    found = found_trials(study, candidates, feasible, feasible[:1], replicates=replicates)
    assert found.complete == len(measured)
    assert found.feasible == sum(len(one.trials) for one in feasible)
    assert len(found.trials) == min(1, len(feasible))


CONFIRMED = Confirmed(4, {"loss": 0.6}, {"loss": 0.01}, 0.93)


def test_confirmed_means_stand_right_behind_the_values_of_the_search() -> None:
    [row] = BestTrials((result(),), 1, 1, {3: CONFIRMED}).as_rows()
    assert list(row) == ["trial", "loss", "loss_confirmed", "loss_confirmed_se", "seeds", "lr", "size"]
    assert row["loss_confirmed"] == 0.6
    assert row["seeds"] == 4


def test_a_trial_that_was_not_confirmed_has_empty_cells_beside_those_that_were() -> None:
    both = BestTrials((result(3), result(5)), 2, 2, {3: CONFIRMED})
    first, second = both.as_rows()
    assert list(first) == list(second)
    assert (second["loss_confirmed"], second["loss_confirmed_se"], second["seeds"]) == (None, None, None)
    data = both.as_data()["trials"]
    assert data[0]["confirmed"]["replicates"] == 4
    assert data[1]["confirmed"] is None


def test_nothing_is_said_of_confirmation_where_nothing_was_confirmed() -> None:
    plain = BestTrials((result(),), 1, 1)
    assert plain.as_rows() == [{"trial": 3, "loss": 0.5, "lr": 0.1, "size": -1.0}]
    assert "confirmed" not in plain.as_data()["trials"][0]


def test_a_parameter_named_like_a_confirmed_column_keeps_both() -> None:
    odd = TrialResult(3, {"loss": 0.5}, {"loss_confirmed": 7, "seeds": 8}, {})
    [row] = BestTrials((odd,), 1, 1, {3: CONFIRMED}).as_rows()
    assert (row["loss_confirmed"], row["seeds"]) == (0.6, 4)
    assert (row["param_loss_confirmed"], row["param_seeds"]) == (7, 8)


def test_several_metrics_have_their_confirmed_columns_in_order() -> None:
    found = Confirmed(2, {"loss": 0.6, "size": 7.0}, {"loss": 0.1, "size": None}, 1.0)
    [row] = BestTrials((result(1, loss=0.5, size=6.0),), 1, 1, {1: found}).as_rows()
    assert list(row)[:8] == [
        "trial", "loss", "size", "loss_confirmed", "loss_confirmed_se", "size_confirmed", "size_confirmed_se",
        "seeds",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_the_data_are_strict_json_whatever_was_measured(value: float) -> None:
    shown = TrialResult(
        1, {"loss": value}, {"booster": [1, math.inf]}, {"c": value}, Replicates((1, 2), {"loss": value})
    )
    found = BestTrials((shown,), 2, 2, {1: Confirmed(2, {"loss": value}, {"loss": None}, 0.5)})
    data: Any = json.loads(json.dumps(found.as_data(), allow_nan=False))["trials"][0]
    assert float(data["values"]["loss"]) == value or math.isnan(value)
    assert data["replicates"]["n"] == 2
    assert data["confirmed"]["mean"] == {"loss": str(value)}


def test_of_a_long_study_only_the_trials_that_are_shown_are_read() -> None:
    study = make_study("loss")
    for value in (3.0, 1.0, 2.0):
        add(study, [value], {"lr": value / 10})
    numbers = np.arange(3)
    values = Values(numbers, numbers, np.array([[3.0], [1.0], [2.0]]), np.array([True, True, False]))
    found = found_in_values(study, values, [1, 0])
    assert [(one.number, one.values) for one in found.trials] == [(1, {"loss": 1.0}), (0, {"loss": 3.0})]
    assert (found.complete, found.feasible) == (3, 2)
