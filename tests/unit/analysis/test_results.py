"""A trial as an answer shows it."""

import json
import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from hpotool.analysis.results import (
    Replicates,
    TrialResult,
    complete_trials,
    direction_signs,
    json_data,
    metric_index,
    metric_names,
    read_result,
    read_trial,
    read_trials,
    utc,
)
from hpotool.errors import NotFoundError
from tests.unit.analysis.studies import add, make_study

DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.integers(), inner, max_size=3)
    ),
)


@given(DATA)
def test_any_data_becomes_what_strict_json_holds(data: object) -> None:
    json.dumps(json_data(data), allow_nan=False)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_number_that_json_lacks_is_a_text_that_float_reads(value: float) -> None:
    text = json_data({"v": [value]})["v"][0]
    assert isinstance(text, str)
    assert float(text) == value or math.isnan(value)


def test_a_row_prefixes_a_name_that_is_there_already() -> None:
    result = TrialResult(3, {"loss": 1.0}, {"loss": 2.0, "lr": 0.1}, {"loss": -1.0, "trial": 0.0})
    assert result.as_row() == {
        "trial": 3, "loss": 1.0, "param_loss": 2.0, "lr": 0.1, "constraint_loss": -1.0, "constraint_trial": 0.0,
    }  # fmt: skip


def test_replicates_stand_beside_what_they_are_replicates_of() -> None:
    replicates = Replicates((3, 5), {"loss": 0.25})
    result = TrialResult(3, {"loss": 1.0}, {"lr": 0.1}, {}, replicates)
    assert list(result.as_row()) == ["trial", "loss", "n", "loss_se", "lr"]
    assert result.as_data()["replicates"] == {"n": 2, "trials": [3, 5], "standard_error": {"loss": 0.25}}
    assert "replicates" not in TrialResult(3, {}, {}, {}).as_data()


@pytest.mark.parametrize(
    ("violations", "is_feasible"), [({}, True), ({"a": 0.0, "b": -1.0}, True), ({"a": 0.1}, False)]
)
def test_a_trial_is_feasible_where_no_constraint_is_above_zero(
    violations: dict[str, float], is_feasible: bool
) -> None:
    assert TrialResult(0, {}, {}, violations).is_feasible is is_feasible


def test_metrics_have_their_names_or_numbers_in_order() -> None:
    named = make_study("loss", "size", directions=["minimize", "maximize"])
    assert metric_names(named) == ("loss", "size")
    assert metric_index(named, "size") == 1
    assert direction_signs(named) == [1.0, -1.0]
    plain = make_study(directions=["minimize", "minimize"])
    assert len(set(metric_names(plain))) == 2


def test_a_metric_that_there_is_not_is_answered_with_those_there_are() -> None:
    with pytest.raises(NotFoundError, match="has no metric 'los'") as raised:
        metric_index(make_study("loss"), "los")
    assert raised.value.hint == "its metrics are: loss"


def test_only_complete_trials_are_compared_and_values_have_their_names() -> None:
    study = make_study("loss")
    add(study, [0.5], {"lr": 0.1}, constraints={"size": -1.0})
    add(study, None, state=TrialState.FAIL)
    [trial] = complete_trials(study)
    assert read_result(trial, ("loss",)) == TrialResult(0, {"loss": 0.5}, {"lr": 0.1}, {"size": -1.0})
    assert read_result(study.trials[1], ("loss",)).values == {}


def test_a_moment_is_said_in_utc() -> None:
    local = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 (as Optuna stores it)
    said = utc(local)
    assert said is not None
    assert datetime.fromisoformat(said) == local.astimezone()
    assert datetime.fromisoformat(said).utcoffset() == timedelta(0) == timezone.utc.utcoffset(None)
    assert utc(None) is None


NAMES = st.dictionaries(
    st.sampled_from(
        [
            "loss",
            "trial",
            "n",
            "loss_se",
            "value_loss",
            "param_loss",
            "param_param_loss",
            "constraint_loss",
            "state",
        ]
    ),
    st.integers(0, 99),
    max_size=5,
)


@given(NAMES, NAMES, NAMES, st.booleans())
def test_no_value_of_a_row_takes_the_place_of_another(
    values: dict[str, int], params: dict[str, int], constraints: dict[str, int], replicated: bool
) -> None:
    replicates = Replicates((1, 2), dict.fromkeys(values, 0.5)) if replicated else None
    row = TrialResult(3, values, params, constraints, replicates).as_row()
    errors = [2, *[0.5] * len(values)] if replicated else []
    expected = [3, *values.values(), *errors, *params.values(), *constraints.values()]
    assert list(row.values()) == expected


def test_trials_are_read_by_number_in_the_order_that_was_asked_for() -> None:
    study = make_study("loss")
    for value in (3.0, 1.0, 2.0):
        add(study, [value])
    assert [trial.number for trial in read_trials(study, [2, 0, 9])] == [2, 0]
    assert read_trial(study, 1).values == [1.0]
    with pytest.raises(NotFoundError, match="study 'known' has no finished trial 9") as caught:
        read_trial(study, 9)
    assert caught.value.hint == "hpotool trials --study known"
