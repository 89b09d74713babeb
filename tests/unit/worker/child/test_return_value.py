"""What an objective returned is values for the metrics, or one sentence that says why not."""

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.worker.child.return_value import read_returned

TWO = ("loss", "size")
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@pytest.mark.parametrize("value", [0.5, 1, True, Decimal("0.5"), Fraction(1, 2), np.float32(0.5), np.array(0.5)])
def test_whatever_float_takes_is_a_number(value: Any) -> None:
    assert read_returned(value, ["loss"]).values == (float(np.asarray(value, dtype=float).reshape(())),)


def test_several_values_come_in_order_or_by_name() -> None:
    assert read_returned([1, 2], TWO).values == (1.0, 2.0)
    assert read_returned((1, 2), TWO).values == (1.0, 2.0)
    assert read_returned({"size": 2, "loss": 1}, TWO).values == (1.0, 2.0)


def test_what_else_a_mapping_holds_is_extra() -> None:
    returned = read_returned({"loss": 1, "epochs": 3, 7: "x"}, ["loss"])
    assert (returned.values, list(returned.extra)) == ((1.0,), [("epochs", 3), (7, "x")])


@pytest.mark.parametrize(
    ("returned", "metrics", "problem"),
    [
        (None, ["loss"], "the objective returned None instead of a number"),
        (None, TWO, "the objective returned None instead of 2 numbers (loss, size)"),
        ("0.5", ["loss"], "the objective returned the text '0.5' instead of a number"),
        (b"1", ["loss"], "the objective returned the text b'1' instead of a number"),
        ([1, 2], ["loss"], "the objective returned 2 values instead of a number"),
        (1.0, TWO, "the objective returned 1 value instead of 2 numbers (loss, size)"),
        ({}, ["loss"], "the objective returned no value for the metric 'loss'; it returned nothing"),
        ({"los": 1}, ["loss"], "the objective returned no value for the metric 'loss'; it returned 'los'"),
        ({"loss": "1"}, ["loss"], "the objective returned '1' (str) for 'loss', not a number"),
        ([1, [2]], TWO, "the objective returned [2] (list) for 'size', not a number"),
        (1j, ["loss"], "the objective returned 1j (complex) for 'loss', not a number"),
        (10**400, ["loss"], f"the objective returned {str(10**400)[:1]}"),
    ],
)
def test_what_is_no_value_is_named(returned: Any, metrics: Sequence[str], problem: str) -> None:
    found = read_returned(returned, metrics)
    assert found.values is None
    assert found.problem is not None
    assert found.problem.startswith(problem)


def test_an_integer_that_python_will_not_write_is_still_named() -> None:
    problem = read_returned(10**5000, ["loss"]).problem
    assert problem == "the objective returned a int that cannot be shown (int) for 'loss', not a number"


class Endless(Sequence[float]):
    """Says that it holds two, and never ends."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, _: Any) -> Any:
        return 1.0

    def __iter__(self) -> Iterator[float]:
        while True:
            yield 1.0


def test_no_more_is_read_than_there_is_said_to_be() -> None:
    assert read_returned(Endless(), TWO).values == (1.0, 1.0)


def test_not_a_number_is_a_value_and_is_known() -> None:
    assert read_returned(math.nan, ["loss"]).nan
    assert read_returned([1.0, math.nan], TWO).nan
    assert not read_returned(math.inf, ["loss"]).nan
    assert not read_returned(None, ["loss"]).nan


@given(JUNK)
def test_whatever_comes_back_is_values_or_a_sentence(returned: Any) -> None:
    found = read_returned(returned, ["loss"])
    assert (found.values is None) is (found.problem is not None)
    assert found.values is None or len(found.values) == 1
    assert found.problem is None or len(found.problem) < 500
