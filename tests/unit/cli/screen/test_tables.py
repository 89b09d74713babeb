import io
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from hpotool.cli.screen.tables import Fitted
from hpotool.study.wording import count_of, plain_cell
from tests.examples import examples

PARAMETERS = (
    "learning_rate",
    "num_leaves",
    "min_child_samples",
    "feature_fraction",
    "bagging_fraction",
    "boosting",
)
TRIAL = {"trial": 28, "accuracy": 0.964912, **dict.fromkeys(PARAMETERS[:5], 0.498251234), "boosting": "gbdt"}
FAILED = {"trial": 3, "outcome": "error", "reason": "ValueError: " + "loss diverged " * 20}


def drawn(rows: Sequence[Mapping[str, Any]], width: int = 80) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(Fitted(rows))
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("rows", [[TRIAL], [TRIAL] * 9, [FAILED] * 2, [TRIAL, FAILED]], ids=len)
def test_no_line_is_wider_than_the_terminal_and_no_number_is_broken(rows: list[Any], width: int) -> None:
    text = drawn(rows, width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("0.9649") == sum("accuracy" in row for row in rows)


def test_one_record_that_does_not_fit_becomes_a_list_of_names_and_values() -> None:
    lines = [line.split() for line in drawn([TRIAL]).splitlines()]
    assert ["min_child_samples", "0.4983"] in lines
    assert ["boosting", "gbdt"] in lines


def test_columns_that_do_not_fit_are_counted_and_named() -> None:
    text = drawn([TRIAL] * 2)
    assert "… 3 more columns: feature_fraction, bagging_fraction, boosting" in text
    assert "more column" not in drawn([TRIAL] * 2, 200)


def test_a_long_reason_is_shortened_before_a_column_goes() -> None:
    assert "…" in drawn([FAILED] * 2, 60)
    assert "more column" not in drawn([FAILED] * 2, 60)


@pytest.mark.parametrize("width", range(60, 90))
def test_the_names_of_short_columns_are_never_cut(width: int) -> None:
    header = drawn([{"trial": 1, "retry": 2, **FAILED, "lr": 0.5, "depth": 3, "boosting": "gbdt"}] * 2, width)
    assert header.split()[:3] == ["trial", "retry", "outcome"]


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.floats(), st.text(max_size=30),
    st.sampled_from(["日本語のテキスト", "[red]", "a\nb", "\x1b[31m", "e\u0301" * 9, "👩‍👩‍👧"]),
    st.lists(st.integers(), max_size=3),
)  # fmt: skip
NAMES = st.sampled_from(
    ["trial", "値", "損失関数の値の名前", "[bold]", "a\nb", "x" * 40, "\x1b[2J", "lr", "very long name of it"]
)


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(st.dictionaries(NAMES, CELLS, min_size=1, max_size=6), min_size=1, max_size=4),
    st.integers(20, 130),
    st.booleans(),
)
def test_whatever_the_cells_a_table_is_drawn_and_obeys_no_cell(
    rows: list[dict[str, Any]], width: int, compact: bool
) -> None:
    file = io.StringIO()
    Console(file=file, width=width).print(Fitted(rows, "title", is_compact=compact))
    text = file.getvalue()
    assert "\x1b" not in text
    assert max(map(cell_len, text.splitlines())) <= width


@given(st.floats(-9e14, 9e14))
def test_a_number_of_ordinary_size_has_four_digits_and_no_exponent(value: float) -> None:
    text = plain_cell(value)
    assert float(text) == pytest.approx(value, rel=6e-4)
    if abs(value) >= 1e-4 or value == 0:
        assert "e" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(9999.4, "9999"), (9999.7, "10000"), (-9999.96, "-10000"), (99999.5, "100000"), (0.00001, "1e-05"),
     (1e15, "1e+15"),
     (999.96, "1000"), (True, "True"), (0.0, "0"), (12345678, "12345678"), ([1, "a"], '[1, "a"]'), ("", "")],
)  # fmt: skip
def test_a_value_is_written_as_a_person_would_write_it(value: Any, text: str) -> None:
    assert plain_cell(value) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 trials"), (1, "1 trial"), (2, "2 trials")])
def test_one_is_no_plural(count: int, text: str) -> None:
    assert count_of(count, "trial") == text


def test_the_verb_goes_with_the_count() -> None:
    said = [count_of(count, "study waits", "studies wait") for count in (0, 1, 2)]
    assert said == ["0 studies wait", "1 study waits", "2 studies wait"]
