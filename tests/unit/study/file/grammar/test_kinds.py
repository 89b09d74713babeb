"""Each kind reads back what it writes, notes what is wrong at its place, and tells editors the same."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.study.file.grammar.kinds import (
    BROKEN,
    DURATION,
    SIZE,
    Anything,
    Flag,
    Items,
    Key,
    Kind,
    Number,
    OneOf,
    Record,
    Table,
    Text,
    describe,
    reject,
)
from hpotool.study.yaml.document import Node, Place, Problems, from_plain

WORD = Text("a word")
PAIRS = Table(Number(), WORD, "names with numbers, like {a: 1}", at_least=1)
RECORD = Record(
    "a thing", {"size": Key(Number(), "how large", True, "size: 3"), "name": Key(WORD, "its name")}, "{size: 3}"
)


def read(kind: Kind, data: object) -> tuple[Any, list[str]]:
    problems = Problems()
    value = kind.read(from_plain(data, Place()), problems)
    return value, [message for _, message in problems.found]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({}, "a mapping"),
        ([1], "a list"),
        (None, "nothing"),
        (True, "true"),
        (1.5, "1.5"),
        ("x", "'x'"),
        ("y" * 99, f"'{'y' * 56}…"),
    ],
)
def test_a_value_is_shown_in_few_characters(content: object, text: str) -> None:
    assert describe(from_plain(content, Place())) == text


def test_what_is_rejected_is_broken_and_noted_at_its_place() -> None:
    problems, place = Problems(), Place("s.yaml", 3, 4)
    assert reject(Node(place, 7), "a word", problems, "; say it") is BROKEN
    assert problems.found == [(place, "expected a word, got 7; say it")]


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        (WORD, "x", "x"),
        (Number(), 3, 3.0),
        (Number(whole=True), 3.0, 3),
        (Number(low=0, high=1), 1, 1.0),
        (Flag(), False, False),
        (OneOf(("a", "b")), "b", "b"),
        (Anything(), None, None),
        (Items(WORD, "words"), ["a", "b"], ("a", "b")),
        (Items(WORD, "words", alone=True), "a", ("a",)),
        (PAIRS, {"a": 1}, {"a": 1.0}),
        (PAIRS, [{"b": 2}, {"a": 1}], {"b": 2.0, "a": 1.0}),
        (RECORD, {"size": 3}, {"size": 3.0}),
    ],
)
def test_what_is_right_is_read_without_a_problem(kind: Kind, data: object, value: object) -> None:
    found, messages = read(kind, data)
    assert (found, messages) == (value, [])
    assert jsonschema.Draft202012Validator(kind.json_schema()).is_valid(data)


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        (WORD, "", "expected a word, got ''"),
        (WORD, 3, 'expected a word, got 3; to make it text, put it in quotes: "3"'),
        (DURATION, 3, "expected a duration with a unit, like 90s, 30m, 12h or 1h30m, got 3"),
        (SIZE, "3", "'3' is not a size: write a number with a unit, like 512MB, 2GB or 1.5GiB"),
        (Number(), True, "expected a number, got true"),
        (Number(), "3", "expected a number, got '3'; remove the quotes"),
        (Number(), "three", "expected a number, got 'three'"),
        (Number(), float("inf"), "expected a number, got inf, which is not finite"),
        (Number(whole=True, low=1), 1.5, "expected a whole number, 1 or more, got 1.5"),
        (Number(low=0, high=1), 1.1, "expected a number from 0 to 1, got 1.1"),
        (Number(above=0), 0, "expected a number above 0, got 0"),
        (Flag(), "yes", "expected true or false, got 'yes'"),
        (OneOf(("last", "min", "max")), "mni", "expected last, min or max, got 'mni'; did you mean 'min'?"),
        (OneOf(("a", "b")), 3, "expected a or b, got 3"),
        (Anything(), [1], "expected text, a finite number, true, false or null, got a list"),
        (Items(WORD, "words", at_least=2), ["a"], "expected a list of words, got a single one"),
        (Items(WORD, "words", at_least=2), [], "expected a list of words, got an empty one"),
        (Items(WORD, "words"), "a", "expected a list of words, got 'a'"),
        (PAIRS, {}, "expected names with numbers, like {a: 1}, got none"),
        (PAIRS, 3, "expected names with numbers, like {a: 1}, got 3"),
        (PAIRS, [{"a": 1, "b": 2}], "expected names with numbers, like {a: 1}, got a mapping"),
        (PAIRS, [{"a": 1}, {"a": 2}], "duplicate 'a'; keep one"),
        (RECORD, 3, "expected a thing as a mapping, like {size: 3}, got 3"),
        (RECORD, {"name": "x"}, "a thing has no 'size'; add how large, like size: 3"),
        (RECORD, {"size": 3, "nmae": "x"}, "unknown key 'nmae' in a thing; did you mean 'name'?"),
    ],
)
def test_what_is_wrong_gets_one_sentence(kind: Kind, data: object, message: str) -> None:
    assert read(kind, data)[1] == [message]


def test_the_good_items_beside_a_broken_one_are_kept() -> None:
    assert read(Items(WORD, "words"), ["a", 3, "b"])[0] == ("a", BROKEN, "b")
    assert read(PAIRS, {"a": 1, "b": "x"})[0] == {"a": 1.0, "b": BROKEN}
    assert read(RECORD, {"size": "x", "name": "y"})[0] == {"size": BROKEN, "name": "y"}


def test_keys_with_the_authors_prefix_are_his_own() -> None:
    record = Record("a thing", RECORD.keys, "{size: 3}", ignored_prefix="x-")
    assert read(record, {"size": 1, "x-note": [1]}) == ({"size": 1.0}, [])
    assert jsonschema.Draft202012Validator(record.json_schema()).is_valid({"size": 1, "x-note": [1]})


def test_a_lone_scalar_stands_for_the_key_that_it_is_short_for() -> None:
    record = Record("a thing", RECORD.keys, "{size: 3}", short="size")
    assert read(record, 4) == ({"size": 4.0}, [])
    assert jsonschema.Draft202012Validator(record.json_schema()).is_valid(4)
    assert read(record, None)[1] == ["expected a thing as a mapping, like {size: 3}, got nothing"]


KINDS = [
    (Number(), st.floats(-1e300, 1e300)),
    (Number(whole=True), st.integers(-(2**53), 2**53)),
    (DURATION, st.timedeltas(min_value=DURATION.check("1s"), max_value=DURATION.check("100d"))),
    (SIZE, st.integers(1, 2**50)),
    (Flag(), st.booleans()),
    (Items(Number(), "numbers"), st.lists(st.floats(-9, 9)).map(tuple)),
    (Table(Flag(), WORD, "flags"), st.dictionaries(st.text(min_size=1), st.booleans(), min_size=1)),
]


@given(st.data(), st.sampled_from(KINDS))
def test_a_value_reads_back_from_what_is_written(data: st.DataObject, kind_and_values: Any) -> None:
    kind, values = kind_and_values
    value = data.draw(values)
    written = kind.write(value)
    assert read(kind, written) == (value, [])
    assert jsonschema.Draft202012Validator(kind.json_schema()).is_valid(written)


def test_a_table_may_be_empty_unless_it_must_not() -> None:
    assert read(Table(WORD, WORD, "words"), None) == ({}, [])
    assert read(PAIRS, None)[0] is BROKEN
    assert read(Table(WORD, WORD, "words"), 3) == (BROKEN, ["expected words, got 3"])
