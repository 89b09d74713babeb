"""Conditions as people type them: what they hold for, and what is none."""

from __future__ import annotations

import json
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.analysis.conditions import read_conditions
from hpotool.errors import InputError

ROW = {"lr": 0.2, "booster": "dart", "reason": "RuntimeError: CUDA out of memory", "depth": 3, "state": "FAIL"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("lr>0.1", True),
        ("lr > 1e-1 and depth<=3", True),
        ("lr>0.1 and depth<3", False),
        ("booster=DART", True),
        ("booster!=gbtree", True),
        ("state==fail", True),
        ("reason~out of memory", True),
        ("reason~cuda", True),
        ("reason~disk", False),
        ("lr~0.2", True),
        ("depth~4", False),
        ("missing~x", False),
        ("reason ~ 'CUDA' and lr < 1", True),
    ],
)
def test_a_condition_holds_for_a_row(text: str, holds: bool) -> None:
    assert all(one.holds(ROW) for one in read_conditions(text)) is holds


@pytest.mark.parametrize("text", ["", "lr", "lr 0.1", "> 3", "lr>0.1 or depth=3", "reason~"])
def test_what_is_no_comparison_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"is not a comparison like lr>0\.1"):
        read_conditions(text)


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("reason~'a and b'", ["a and b"]),
        ("reason~'a and b' and lr>0.1", ["a and b", "0.1"]),
        ('lr>0.1 and reason~"x and y and z"', ["0.1", "x and y and z"]),
        ("reason=it's and lr>0.1", ["it's", "0.1"]),
        ("host='and' and worker='and'", ["and", "and"]),
        ("band=sandy and android=1", ["sandy", "1"]),
        ("lr>0.1\tand\ndepth<3", ["0.1", "3"]),
        ("reason~'x>=y'", ["x>=y"]),
    ],
)
def test_an_and_inside_quotes_is_text(text: str, texts: list[str]) -> None:
    assert [one.text for one in read_conditions(text)] == texts


SIGNS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.sampled_from([2**53, 2**53 + 1, -0.0, 0])


@given(NUMBERS, st.sampled_from(sorted(SIGNS)), NUMBERS)
def test_numbers_of_any_size_are_compared_exactly(value: float, sign: str, number: float) -> None:
    [condition] = read_conditions(f"x{sign}{number!r}")
    assert condition.holds({"x": value}) is SIGNS[sign](value, number)


@given(NUMBERS)
def test_every_number_equals_itself_and_lies_between_its_bounds(value: float) -> None:
    conditions = read_conditions(f"x={value!r} and x<={value!r} and x>={value!r} and y!={value!r}")
    assert all(condition.holds({"x": value, "y": "text"}) for condition in conditions)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\"'"), min_size=1, max_size=12),
    st.sampled_from("'\""),
)
def test_any_text_in_quotes_is_found_in_a_row_that_has_it(text: str, quote: str) -> None:
    [found] = read_conditions(f"note={quote}{text}{quote}")
    assert found.holds({"note": text})
    assert found.holds({"note": text.upper()}) or text.upper().lower() != text.lower()
    [part] = read_conditions(f"note~{quote}{text}{quote}")
    assert part.holds({"note": f"before{text}after"})


@given(st.lists(st.sampled_from(["a>1", "b=x", "c~y", "d!='p and q'"]), min_size=1, max_size=4))
def test_conditions_joined_by_and_are_the_conditions(parts: list[str]) -> None:
    joined = read_conditions(" and ".join(parts))
    assert list(joined) == [condition for part in parts for condition in read_conditions(part)]


@pytest.mark.parametrize("value", [True, False, None, "1", [1], {"a": 1}])
@pytest.mark.parametrize("text", ["x=1", "x>0", "x~1", "x!=1", "x<='z'"])
def test_a_value_of_another_type_is_compared_as_text_or_not_at_all(value: object, text: str) -> None:
    [condition] = read_conditions(text)
    expected = json.loads(json.dumps(value)) is not None and SIGNS.get(condition.sign, operator.contains)(
        str(value).lower(), condition.text
    )
    assert condition.holds({"x": value}) is expected
    assert condition.holds({}) is False
