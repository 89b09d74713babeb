import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.reporting import HIGHEST_STEP, report
from hpotool.study.doors import (
    check_name,
    check_step,
    one_line,
    refuse_name,
    storable,
    to_json,
    visible,
    visible_lines,
)

TEXTS = st.text(st.characters(), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats(allow_nan=False) | TEXTS,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(TEXTS, parts, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_json_knows_is_copied_as_it_is(value: Any) -> None:
    copied = to_json(value)
    assert copied == value
    assert type(copied) is type(value)


@given(st.text(st.characters(codec=None)))
def test_what_is_shown_holds_nothing_that_a_terminal_obeys_and_can_be_written(text: str) -> None:
    for shown, allowed in ((visible(text), ""), (visible_lines(text), "\n\t"), (one_line(text), "")):
        shown.encode()
        assert not [one for one in shown if (ord(one) < 32 or 0x7F <= ord(one) < 0xA0) and one not in allowed]
    storable(text).encode()
    assert "\0" not in storable(text)


def test_a_value_that_doubles_at_each_level_is_refused_before_it_fills_the_memory() -> None:
    value: Any = [0]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(TypeError, match="is larger than 4 MiB"):
        to_json(value)


@pytest.mark.parametrize("name", ["x" * 513, "a\0", "a\udcef", 5, None, b"a"])
def test_a_name_that_no_database_holds_is_refused(name: Any) -> None:
    assert refuse_name(name)
    with pytest.raises((TypeError, ValueError)):
        check_name(name)


def test_steps_are_whole_numbers_of_31_bits() -> None:
    assert [check_step(step) for step in (0, HIGHEST_STEP, 2.0, True)] == [0, HIGHEST_STEP, 2, 1]
    for step in (-1, HIGHEST_STEP + 1, 10**5000, math.nan, math.inf, "x", None):
        with pytest.raises((TypeError, ValueError)):
            check_step(step)


def test_a_script_is_told_of_a_step_that_cannot_be_stored() -> None:
    report(step=HIGHEST_STEP, loss=1.0)
    for step in (HIGHEST_STEP + 1, -1):
        with pytest.raises(ValueError, match="a step must be a whole number"):
            report(step=step, loss=1.0)


def test_a_text_of_ten_megabytes_becomes_a_sentence() -> None:
    text = one_line("x" * (10 << 20))
    assert len(text) < 2_100
    assert text.endswith("(10485760 characters in all)")
