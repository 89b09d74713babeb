import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.reporting import HIGHEST_STEP, report
from hpotool.study.doors import (
    check_name,
    check_step,
    join_escapes,
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
    value: Any = ["x" * 500]  # of smaller ones it only takes longer until the size is known
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


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_characters_written_as_two_escapes_are_joined(text: str) -> None:
    halves = json.loads(json.dumps(text))  # Python's own reader joins them; this undoes it
    split = "".join(
        chr(0xD800 + (ord(c) - 0x10000 >> 10)) + chr(0xDC00 + (ord(c) - 0x10000 & 0x3FF)) if ord(c) > 0xFFFF else c
        for c in halves
    )
    assert join_escapes(split) == text
    assert join_escapes(text) == text


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "\udc00\ud800", "é\0", "😀\ud83d"])
def test_half_a_character_and_nul_are_refused(text: str) -> None:
    with pytest.raises(UnicodeError):
        join_escapes(text)


@given(st.text(st.characters(codec=None), max_size=200), st.integers(5, 60))
def test_a_shortened_sentence_is_one_line_and_says_how_much_there_was(text: str, longest: int) -> None:
    line = one_line(text, longest)
    assert "\n" not in line
    assert line == one_line(line, len(line) + 1), "to shorten it again changes nothing"
    if line.endswith(" characters in all)"):
        assert f"({len(text)} characters in all)" in line


@pytest.mark.parametrize(
    ("value", "copied"),
    [
        (np.float32(0.5), 0.5), (np.int64(3), 3), (np.bool_(True), True), (np.array(2.5), 2.5),
        (np.str_("a"), "a"),
        (Decimal("0.1"), 0.1), (Fraction(1, 4), 0.25), ((1, (2,)), [1, [2]]), ({True: 1}, {"true": 1}),
        ({1: "a", None: "b"}, {"1": "a", "null": "b"}), (math.inf, math.inf), (-0.0, 0.0),
        (Decimal("Infinity"), math.inf),
    ],
)  # fmt: skip
def test_numbers_of_other_libraries_become_plain_ones(value: Any, copied: Any) -> None:
    found = to_json(value)
    assert found == copied
    assert type(found) is type(copied)


@pytest.mark.parametrize(
    "value",
    [{1, 2}, b"bytes", object(), 1j, np.array([1, 2]), {(1, 2): 3}, {1: "a", "1": "b"}, 10**4001, Decimal("1e400"),
     [[object()]], float, lambda: 0, range(3), {"a": {"b": b""}}],
)  # fmt: skip
def test_what_json_cannot_represent_is_refused_as_the_end_of_a_sentence(value: Any) -> None:
    with pytest.raises(TypeError) as caught:
        to_json(value)
    assert str(caught.value).split()[0] in ("is", "holds", "has", "contains")


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(TypeError, match="contains itself"):
        to_json(value)


@given(JSON)
def test_a_copy_shares_nothing_with_the_original(value: Any) -> None:
    copied = to_json({"inner": [value]})
    again = to_json({"inner": [value]})
    copied["inner"].append("changed")
    assert to_json({"inner": [value]}) == again
