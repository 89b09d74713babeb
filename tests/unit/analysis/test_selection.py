import itertools
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.analysis.conditions import read_conditions
from hpotool.analysis.results import TrialResult
from hpotool.analysis.selection import (
    Selection,
    choose_columns,
    drop_empty,
    find_failed,
    fold_retries,
    select_trials,
)
from hpotool.analysis.trials import TrialRecord
from hpotool.errors import InputError


def record(number: int, value: float | None, state: str = "COMPLETE", *lineage: int, **params: Any) -> TrialRecord:
    values = {} if value is None else {"loss": value}
    outcome = "error" if state == "FAIL" else state.lower()
    attempt = {"outcome": outcome, "reason": "ValueError:\n no data" if state == "FAIL" else ""}
    return TrialRecord(TrialResult(number, values, params, {}), state, outcome, 2.0, (attempt,), lineage=lineage)


RECORDS = [
    record(0, 0.5, lr=0.1, booster="gbtree"),
    record(1, None, "FAIL", lr=0.9, booster="dart"),
    record(2, 0.3, "COMPLETE", 1, lr=0.9, booster="dart"),
    record(3, None, "FAIL", lr=1.0),
    record(4, 0.4, lr=0.2, booster="Gblinear"),
    record(5, float("nan"), lr=0.05),
]


def chosen(maximized: bool = False, **options: Any) -> list[int]:
    if "where" in options:
        options["where"] = read_conditions(options["where"])
    found = select_trials(RECORDS, Selection(**options), "loss", is_maximized=maximized)
    return [one.result.number for one in found]


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("lr>0.1", [1, 2, 3, 4]),
        (" lr >= 0.1 and loss<0.45 ", [2, 4]),
        ("booster=dart", [1, 2]),
        ("booster != 'dart'", [0, 4]),
        ("state=complete and lr<1e-1", [5]),
        ("reason=ValueError: no data", [1, 3]),
        ("trial==3", [3]),
    ],
)
def test_conditions_choose_trials(where: str, numbers: list[int]) -> None:
    assert chosen(where=where) == numbers


@pytest.mark.parametrize(
    "text", ["", "lr", "lr >", "> 3", "lr ? 3", "lr>1 and", "__import__('os')", "lr>1 or loss", "lr 0.1"]
)
def test_what_is_no_comparison_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a comparison"):
        read_conditions(text)


def test_nothing_in_a_condition_is_evaluated() -> None:
    assert chosen(where="booster=__import__('os').getcwd()") == []


def test_an_unknown_column_is_answered_with_what_was_meant() -> None:
    for options in ({"where": "los<1"}, {"sort": "los"}):
        with pytest.raises(InputError, match="no trial has 'los'; did you mean 'loss'"):
            chosen(**options)
    with pytest.raises(InputError, match="--columns"):
        choose_columns([record(0, 1.0).as_row()], ["trial", "rl"])


def test_trials_are_sorted_and_those_without_a_value_come_last() -> None:
    assert chosen(sort="loss") == [2, 4, 0, 1, 3, 5]
    assert chosen(sort="loss", descending=True) == [0, 4, 2, 1, 3, 5]
    assert chosen(sort="booster") == [4, 1, 2, 0, 3, 5]


def test_top_is_the_best_of_the_first_metric_unless_sorted() -> None:
    assert chosen(top=2) == [2, 4]
    assert chosen(True, top=2) == [0, 4]
    assert chosen(top=1, sort="lr") == [5]


def test_failed_leaves_out_what_is_tried_again() -> None:
    assert chosen(failed=True) == [3]
    assert chosen(states=("FAIL",)) == [1, 3]
    assert chosen(last=2) == [4, 5]


def test_a_trial_and_its_retries_are_one_row_with_what_came_out_last() -> None:
    rows = fold_retries(RECORDS)
    assert [(row["trial"], row["retry"]) for row in rows] == [(0, None), (1, 2), (3, None), (4, None), (5, None)]
    assert rows[1]["loss"] == 0.3
    assert "retry" not in fold_retries(RECORDS[:2])[0]


def test_a_row_has_its_reason_and_columns_that_say_nothing_are_left_out() -> None:
    row = RECORDS[1].as_row()
    assert (row["reason"], row["attempts"]) == ("ValueError: no data", 1)
    assert set(drop_empty([row])[0]) == set(row) - {"attempts"}
    assert "reason" not in drop_empty([RECORDS[0].as_row()])[0]


def test_parameters_with_names_of_our_columns_keep_both() -> None:
    row = record(7, 1.0, state="COMPLETE", reason="x", outcome=3).as_row()
    assert (row["outcome"], row["param_outcome"], row["param_reason"]) == ("complete", 3, "x")


def test_columns_are_exactly_those_that_were_asked_for() -> None:
    assert choose_columns([RECORDS[0].as_row()], ["lr", "trial"]) == [{"lr": 0.1, "trial": 0}]
    assert choose_columns([], ["lr"]) == []


def test_a_column_that_only_other_trials_have_is_empty_and_no_mistake() -> None:
    rows = [{"trial": 1, "lr": 0.1}]
    assert choose_columns(rows, ["trial", "alpha"], ["trial", "lr", "alpha"]) == [{"trial": 1, "alpha": None}]
    with pytest.raises(InputError, match="did you mean 'alpha'"):
        choose_columns(rows, ["alhpa"], ["trial", "lr", "alpha"])


CELLS = st.none() | st.integers(-(2**70), 2**70) | st.floats() | st.booleans() | st.text(max_size=3)


@given(st.lists(CELLS, max_size=8), st.booleans())
def test_sorting_puts_every_trial_somewhere_numbers_before_text_and_the_empty_last(
    cells: list[Any], descending: bool
) -> None:
    records = [record(number, 1.0, x=cell) for number, cell in enumerate(cells)]
    found = select_trials(records, Selection(sort="x", descending=descending), "loss", is_maximized=False)
    assert sorted(one.result.number for one in found) == list(range(len(cells)))
    ordered = [cells[one.result.number] for one in found]
    kinds = [2 if cell is None or cell != cell else isinstance(cell, str) for cell in ordered]
    with_value = [kind for kind in kinds if kind != 2]
    assert kinds == [*sorted(with_value, reverse=descending), *[2] * kinds.count(2)]
    numbers = [cell for cell, kind in zip(ordered, kinds, strict=True) if kind is False]
    assert all((a >= b) if descending else (a <= b) for a, b in itertools.pairwise(numbers))


@given(st.lists(st.integers(2**53, 2**53 + 4), min_size=1, max_size=6), st.randoms())
def test_seeds_of_64_bits_are_sorted_exactly(seeds: list[int], random: Random) -> None:
    records = [record(number, 1.0, seed=seed) for number, seed in enumerate(random.sample(seeds, len(seeds)))]
    found = select_trials(records, Selection(sort="seed"), "loss", is_maximized=False)
    assert [one.result.params["seed"] for one in found] == sorted(seeds)


@given(st.integers(0, 8), st.integers(0, 8))
def test_top_and_last_are_slices_of_the_same_order(top: int, last: int) -> None:
    whole = [one.result.number for one in select_trials(RECORDS, Selection(sort="lr"), "loss", is_maximized=False)]
    assert chosen(sort="lr", top=top) == whole[:top]
    if last:
        assert chosen(sort="lr", top=top, last=last) == whole[:top][-last:]


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.lists(st.integers(0, 9), max_size=3)), max_size=6, unique_by=lambda t: t[0]
    )
)
def test_folding_shows_each_family_of_retries_once_with_its_newest(trials: list[tuple[int, list[int]]]) -> None:
    records = [record(number, 1.0, "COMPLETE", *lineage) for number, lineage in trials]
    rows = fold_retries(records)
    roots = {(lineage[0] if lineage else number) for number, lineage in trials}
    assert sorted(row["trial"] for row in rows) == sorted(roots)
    for row in rows:
        newest = max(number for number, lineage in trials if (lineage[0] if lineage else number) == row["trial"])
        retry = row.get("retry")
        assert (row["trial"] if retry is None else retry) == newest


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("lr<0,1", "0,1"),
        ("lr>=small", "small"),
        ("duration_s>5m", "5m"),
        ("loss<1e-3x", "1e-3x"),
        ("trial>'first'", "first"),
        ("lr>booster", "booster"),
    ],
)
def test_a_column_of_numbers_is_not_ordered_by_letters(where: str, text: str) -> None:
    name = where.partition(">")[0].partition("<")[0]
    with pytest.raises(InputError) as refused:
        chosen(where=where)
    assert refused.value.message == f"--where: {name} is a number, and {text!r} is none"
    assert refused.value.hint


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("booster<f", [1, 2]),
        ("booster>='GB'", [0, 4]),
        ("lr=0,1", []),
        ("lr!=small", [0, 1, 2, 3, 4, 5]),
        ("lr~0.1", [0]),
        ("lr<inf", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_text_is_ordered_by_letters_and_equality_is_asked_of_anything(where: str, numbers: list[int]) -> None:
    assert chosen(where=where) == numbers


def failed(
    number: int, host: str | None = "gpu7", *lineage: int, state: str = "FAIL", **params: Any
) -> TrialRecord:
    last = {"outcome": "error", "reason": "CUDA out of memory", "host": host, "worker": f"w-{host}"}
    attempts = () if host is None else ({**last, "host": "elsewhere"}, last)
    return TrialRecord(TrialResult(number, {}, params, {}), state, "error", 2.0, attempts, lineage=lineage)


def found(records: list[TrialRecord], where: str = "") -> list[int]:
    return find_failed(records, read_conditions(where) if where else ())


def test_failed_trials_are_found_that_nothing_tries_again() -> None:
    records = [failed(0), failed(1), failed(2, "gpu7", 1), failed(3, state="COMPLETE"), failed(4, None)]
    assert found(records) == [0, 2, 4]


def test_they_are_chosen_by_where_the_last_attempt_ran_and_by_any_column() -> None:
    records = [failed(0, "gpu7", lr=0.1), failed(1, "gpu8", lr=0.2), failed(2, None, lr=0.3)]
    assert found(records, "host=gpu7") == [0]
    assert found(records, "host!=gpu7") == [1]
    assert found(records, "worker=w-gpu8 and lr>0.1") == [1]
    assert found(records, "reason~memory") == [0, 1]
    assert found(records, "host=elsewhere") == []


def test_a_condition_on_what_no_trial_has_is_refused_unless_there_are_none() -> None:
    with pytest.raises(InputError, match="no trial has 'rate'"):
        found([failed(0)], "rate>1")
    with pytest.raises(InputError, match="lr is a number, and 'high' is none"):
        found([failed(0, lr=0.1)], "lr>high")
    assert found([], "rate>1") == []
