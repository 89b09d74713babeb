"""A note's words: whose it is, and that it is one text."""

from __future__ import annotations

import pytest

from hpotool.cli.commands.keep.note import _read, _read_number
from hpotool.errors import InputError


@pytest.mark.parametrize(
    ("words", "number", "text"),
    [
        ([], None, ""),
        (["good"], None, "good"),
        (["15"], 15, ""),
        (["15", "good"], 15, "good"),
        (["015", "good"], 15, "good"),
        (["15 good"], None, "15 good"),
        (["-3"], None, "-3"),
        (["1.5"], None, "1.5"),
        (["two words"], None, "two words"),
        (["15", "16"], 15, "16"),
        ([""], None, ""),
    ],
)
def test_a_number_comes_first_and_the_rest_is_one_text(words: list[str], number: int | None, text: str) -> None:
    assert _read(words) == (number, text)


@pytest.mark.parametrize(("words", "parts"), [(["looks", "good"], 2), (["15", "looks", "very", "good"], 3)])
def test_a_text_without_quotes_is_refused_with_how_to_write_it(words: list[str], parts: int) -> None:
    with pytest.raises(InputError, match=f"the note has {parts} parts") as refused:
        _read(words)
    assert refused.value.hint == "put it in quotes: hpotool note STUDY 'TEXT'"


@pytest.mark.parametrize("words", [["owner=ann"], ["½"], ["²"], ["1e3"], ["0x1f"]])
def test_what_is_no_number_is_text(words: list[str]) -> None:
    assert _read_number(words) == (None, words)
