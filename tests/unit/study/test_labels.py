import json

import pytest

from hpotool.study.labels import (
    has_tag,
    join_note,
    join_stored_note,
    note_prefix,
    read_tags,
    split_note,
    tags_of,
)


def test_a_trial_has_the_tags_of_its_attribute() -> None:
    assert tags_of({"hpotool:tags": {"owner": "ann", "n": 3}}) == {"owner": "ann", "n": "3"}
    assert tags_of({}) == tags_of({"hpotool:tags": "broken"}) == {}


def test_tags_are_read_with_what_removes_one() -> None:
    assert read_tags(["owner=ann", "url=http://a?b=c", "gpu="]) == {
        "owner": "ann",
        "url": "http://a?b=c",
        "gpu": "",
    }


@pytest.mark.parametrize("text", ["owner", "=ann", "a b=c", " owner=ann", "owner =ann", ""])
def test_what_is_no_tag_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="is not a tag: write key=value"):
        read_tags(["fine=1", text])


@pytest.mark.parametrize(
    ("wanted", "has"),
    [("owner", True), ("owner=ann", True), ("owner=eve", False), ("owner=", False), ("paper", False), ("", False)],
)
def test_a_tag_is_asked_for_by_key_or_by_value(wanted: str, has: bool) -> None:
    assert has_tag({"owner": "ann"}, wanted) is has


@pytest.mark.parametrize("length", [0, 1, 2044, 2045, 2046, 4090, 4091, 10_000])
def test_a_note_comes_back_whatever_its_length(length: int) -> None:
    text = "".join(chr(97 + i % 26) for i in range(length))
    attributes = split_note(text, note_prefix(7))
    assert all(key.startswith("dashboard:7:note_str:") and len(part) <= 2045 for key, part in attributes.items())
    assert join_note(attributes, note_prefix(7)) == text
    assert join_note(attributes, note_prefix(None)) == join_note(attributes, note_prefix(77)) == ""
    stored = {key: json.dumps(part) for key, part in attributes.items()}
    assert join_stored_note(stored, note_prefix(7)) == text


def test_a_note_that_lacks_a_part_ends_there() -> None:
    attributes = split_note("x" * 5000, note_prefix(None))
    del attributes["dashboard:note_str:1"]
    assert join_note(attributes, note_prefix(None)) == "x" * 2045
    assert join_stored_note(None, note_prefix(None)) == ""
