"""A document reads back as what was written, and each part of it knows its place."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hpotool.errors import StudyFileError
from hpotool.study.yaml.document import (
    Node,
    Place,
    Problems,
    did_you_mean,
    format_yaml,
    from_plain,
    parse_scalar,
    parse_yaml,
)
from tests.unit.study.yaml.documents import MAPPINGS, SCALARS


@given(MAPPINGS)
def test_what_is_written_reads_back_here_and_elsewhere(data: dict[str, Any]) -> None:
    text = format_yaml(data)
    assert parse_yaml(text, None).plain() == data
    assert yaml.safe_load(text) == data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1.", 1.0), (".5", 0.5), ("-.inf", float("-inf")), ("0x1F", 31), ("0o17", 15),
        ("017", 17), ("~", None), ("", None), ("True", True), ("yes", "yes"), ("on", "on"), ("1:30", "1:30"),
        ("1_000", "1_000"), ("2026-01-01", "2026-01-01"), ("'1'", "1"), ("+3", 3),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    read = parse_yaml(f"k: {text}", None).plain()
    assert read == {"k": value}
    assert type(read["k"]) is type(value)  # type: ignore[index,call-overload]


def test_each_key_and_value_knows_its_line_and_column() -> None:
    content = parse_yaml("one: 1\ntwo:\n  - a\n  - {b: c}\n", "s.yaml").content
    assert isinstance(content, dict)
    assert content["two"].key_place == Place("s.yaml", 2, 1)
    items = content["two"].value.content
    assert isinstance(items, list)
    assert [item.place for item in items] == [Place("s.yaml", 3, 5), Place("s.yaml", 4, 5)]


def test_problems_are_raised_as_a_reader_meets_them_each_once() -> None:
    problems = Problems()
    problems.add(Place("--set x=1"), "a flag")
    problems.add(Place("s.yaml", 9, 1), "late")
    problems.add(Place("s.yaml", 2, 5), "early")
    problems.add(Place("s.yaml", 2, 5), "early")
    with pytest.raises(StudyFileError) as raised:
        problems.raise_if_any()
    assert str(raised.value).splitlines() == ["s.yaml:2:5: early", "s.yaml:9:1: late", "--set x=1: a flag"]


def test_nothing_is_raised_without_a_problem() -> None:
    Problems().raise_if_any()


def test_what_is_put_replaces_what_was_noted_there() -> None:
    problems, here = Problems(), Place("s.yaml", 1, 1)
    problems.add(here, "one")
    problems.add(Place("s.yaml", 2, 1), "two")
    problems.put(here, "instead")
    assert [message for _, message in problems.found] == ["two", "instead"]


def test_an_unknown_key_is_passed_over_where_a_newer_release_may_have_written_it() -> None:
    strict, lenient = Problems(), Problems(allows_unknown_keys=True)
    for problems in (strict, lenient):
        problems.add_unknown_key(Place(), "unknown")
    assert (len(strict.found), len(lenient.found)) == (1, 0)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("minimise", "; did you mean 'minimize'?"), ("zebra", "; known: minimize, maximize")],
)
def test_a_near_miss_is_named_and_else_all_that_is_known(name: str, hint: str) -> None:
    assert did_you_mean(name, ["minimize", "maximize"]) == hint


def test_where_nothing_is_known_there_is_no_hint() -> None:
    assert did_you_mean("x", []) == ""


def document(data: object) -> Node:
    return from_plain(data, Place("s.yaml", 1, 1))


def test_what_is_no_data_cannot_stand_in_a_document() -> None:
    with pytest.raises(TypeError, match="a document cannot contain object"):
        document({"a": object()})


@pytest.mark.parametrize(
    ("text", "tag"),
    [("!!int abc", "!!int"), ("!!int ''", "!!int"), ("!!int 0b11", "!!int"), ("!!float 1.2.3", "!!float"),
     ("!!float ''", "!!float"), ("!!bool maybe", "!!bool"), ("!!int 1.5", "!!int"), ("!!float 0x10", "!!float")],
)  # fmt: skip
def test_a_tag_that_its_text_does_not_fit_is_a_mistake_at_its_place(text: str, tag: str) -> None:
    with pytest.raises(StudyFileError) as caught:
        parse_yaml(f"fine: 1\nbad: {text}\n", "s.yaml")
    [problem] = caught.value.problems
    assert (problem.line, problem.column) == (2, 6)
    assert problem.message.endswith(f"cannot be read as {tag}; remove the tag")


@pytest.mark.parametrize(
    "text", ["!!int 12", "!!int 0x1F", "!!float 1", "!!float .inf", "!!bool true", "!!str 12"]
)
def test_a_tag_that_fits_gives_the_type_that_it_names(text: str) -> None:
    tag, _, written = text.partition(" ")
    value = {"k": parse_yaml(f"k: {text}", None).plain()}["k"]["k"]  # type: ignore[index,call-overload]
    assert type(value).__name__ == tag.removeprefix("!!")
    assert float(str(value).lower().replace("true", "1")) == float(
        {"0x1F": "31", ".inf": "inf", "true": "1"}.get(written, written)
    )


@pytest.mark.parametrize("character", ["\ud800", "\0", "\x07", "\ufffe"])
@pytest.mark.parametrize("length", [0, 30_000])  # short texts and long ones are read by different readers
def test_a_character_that_yaml_forbids_is_a_mistake_at_its_place_in_a_text_of_any_length(
    character: str, length: int
) -> None:
    with pytest.raises(StudyFileError) as caught:
        parse_yaml(f"long: {'x' * length}\nkey: a{character}\n", "s.yaml")
    [problem] = caught.value.problems
    assert (problem.line, problem.column) == (2, 7)
    assert repr(character) in problem.message


@pytest.mark.parametrize("depth", [150, 1_500, 40_000])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ("{a: ", "}"), ("- ", "")])
@pytest.mark.parametrize("length", [0, 30_000])  # beyond 20,000, a reader in C would overflow its stack
def test_a_document_of_any_depth_is_refused_with_a_sentence(
    opens: str, closes: str, depth: int, length: int
) -> None:
    with pytest.raises(StudyFileError, match="nested too deeply"):
        parse_yaml(f"# {'x' * length}\n{opens * depth}1{closes * depth}", None)


@pytest.mark.parametrize("length", [0, 30_000])
def test_how_deep_a_document_may_be_depends_neither_on_its_length_nor_on_who_calls(length: int) -> None:
    deep = "[" * 90 + "1" + "]" * 90

    def call(frames: int) -> Any:
        return call(frames - 1) if frames else parse_yaml(f"k: {deep}\nlong: {'x' * length}", None).plain()

    assert call(0) == call(200)


@given(st.text(max_size=30))
def test_any_text_is_a_scalar_or_itself(text: str) -> None:
    value = parse_scalar(text)
    assert value is None or isinstance(value, (bool, int, float, str))


@given(SCALARS)
def test_a_scalar_written_as_yaml_is_read_back_from_a_command_line(value: Any) -> None:
    written = format_yaml([value]).removeprefix("- ").rstrip("\n")
    read = parse_scalar(written)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", ["😀", "a😀b", "\U0010ffff"])
@pytest.mark.parametrize("length", [0, 30_000])
def test_json_is_read_as_yaml_with_every_character(text: str, length: int) -> None:
    data = {text: [text, {"inner": text}], "long": "x" * length}
    assert parse_yaml(json.dumps(data), None).plain() == data  # escapes it as two halves
    assert parse_yaml(json.dumps(data, ensure_ascii=False), None).plain() == data


@pytest.mark.parametrize("escape", [r"\ud800", r"\udc00\ud800", r"\0", r"\x00", r"\u0000"])
@pytest.mark.parametrize("line", ['k: "a{}"', '"a{}": 1', 'k: ["{}"]'])
def test_a_text_that_no_database_stores_is_a_mistake(escape: str, line: str) -> None:
    with pytest.raises(StudyFileError, match="a character that no database can store; remove it"):
        parse_yaml(line.replace("{}", escape), None)
