"""The table of finished trials is the trials, however many came at once and whatever parameters they have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpotool.search.trial_columns import (
    FIRST_VALUE,
    IS_PRUNED,
    LAST_VALUE,
    MINUS_LAST_STEP,
    NUMBER,
    TrialColumns,
)
from hpotool.storage.optuna.decoding import TrialDecoder
from hpotool.storage.optuna.stored_trial import StepValues, StoredTrial
from tests.examples import examples

SPACES: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0, 1),
    "n": IntDistribution(1, 9),
    "kind": CategoricalDistribution(["a", None, True]),
    **{f"p{index}": FloatDistribution(0, 1) for index in range(24)},
}


def never(_: StoredTrial) -> StepValues:
    raise AssertionError("nobody asked for intermediate values")


@st.composite
def histories(draw: st.DrawFn) -> list[StoredTrial]:
    decoder = TrialDecoder(never)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trials = []
    for number in draw(st.permutations(range(draw(st.integers(0, 9))))):
        names = draw(st.lists(st.sampled_from(sorted(SPACES)), unique=True, max_size=6))
        state = draw(st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]))
        values = {"n": st.integers(1, 9), "kind": st.sampled_from(["a", None, True])}
        running = create_trial(
            state=TrialState.RUNNING,
            params={name: draw(values.get(name, st.floats(0, 1))) for name in names},
            distributions={name: SPACES[name] for name in names},
            intermediate_values=draw(st.dictionaries(st.integers(0, 9), st.floats(-1, 1), max_size=3)),
        )
        running.number = number
        running._trial_id = number + 100
        ended = [draw(st.floats(-9, 9)), draw(st.floats(-9, 9))] if state is TrialState.COMPLETE else None
        trials.append(decoder.ended(running, state, ended, None))
    return trials


def naive_row(trial: StoredTrial, names: list[str]) -> list[float]:
    steps = trial.intermediate_values
    last = max(steps, default=-1)
    params = [
        trial.distributions[name].to_internal_repr(trial.params[name]) if name in trial.params else math.nan
        for name in names
    ]
    return [
        trial.number,
        trial.state == TrialState.PRUNED,
        -last,
        steps.get(last, 0.0),
        *(trial.values or [math.nan, math.nan]),
        *params,
    ]


def rows_of(columns: TrialColumns, table: Any, names: list[str]) -> list[list[float]]:
    kept = [NUMBER, IS_PRUNED, MINUS_LAST_STEP, LAST_VALUE, FIRST_VALUE, FIRST_VALUE + 1]
    places = [columns._columns.get(name) for name in names]
    found = []
    for row in sorted(table.tolist(), key=lambda row: row[NUMBER]):
        params = [row[place] if place is not None and place < len(row) else math.nan for place in places]
        found.append([*(row[place] for place in kept), *params])
    return found


@settings(max_examples=examples(40), deadline=None)
@given(histories(), st.lists(st.integers(0, 9), max_size=4))
def test_the_rows_are_the_trials_however_they_arrived(trials: list[StoredTrial], cuts: list[int]) -> None:
    names = sorted(SPACES)
    expected = [
        naive_row(trial, names)
        for trial in sorted(trials, key=lambda each: each.number)
        if trial.state != TrialState.FAIL
    ]
    columns = TrialColumns(2)
    handed_out = []
    for seen in [*sorted(min(cut, len(trials)) for cut in cuts), len(trials)]:
        table = columns.catch_up(trials[:seen])
        handed_out.append((table, table.copy()))
    assert np.array_equal(rows_of(columns, table, names), expected, equal_nan=True) or not expected
    assert len(table) == len(expected)
    for given_then, copied_then in handed_out:
        assert np.array_equal(given_then, copied_then, equal_nan=True), "a table that was handed out never changes"


@settings(max_examples=examples(30), deadline=None)
@given(histories(), st.lists(st.sampled_from(["x", "n", "kind", "p0", "unknown"]), unique=True, max_size=3))
def test_rows_with_parameters_are_those_of_trials_that_have_all_of_them(
    trials: list[StoredTrial], names: list[str]
) -> None:
    columns = TrialColumns(2)
    points = columns.with_parameters(columns.catch_up(trials), names)
    expected = {
        trial.number: [trial.distributions[name].to_internal_repr(trial.params[name]) for name in names]
        for trial in trials
        if trial.state != TrialState.FAIL and set(names) <= set(trial.params)
    }
    assert {int(number): params for number, *params in points.tolist()} == expected


def test_a_table_grows_beyond_any_size_it_began_with() -> None:
    decoder = TrialDecoder(never)
    trials = []
    for number in range(300):
        running = create_trial(state=TrialState.RUNNING, params={"x": 0.5}, distributions={"x": SPACES["x"]})
        running.number, running._trial_id = number, number
        trials.append(decoder.ended(running, TrialState.COMPLETE, [float(number)], None))
    columns = TrialColumns(1)
    for seen in (1, 64, 65, 300):
        table = columns.catch_up(trials[:seen])
        assert table[:, NUMBER].tolist() == list(range(seen))
        assert table[:, FIRST_VALUE].tolist() == list(range(seen))
