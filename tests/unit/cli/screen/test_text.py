"""Cells and sentences for a terminal: short, and nothing that it would obey."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hpotool.cli.screen.text import cell, words


def printed(part: Any) -> str:
    file = io.StringIO()
    Console(file=file, width=500, highlight=False, soft_wrap=True).print(part)
    return file.getvalue().removesuffix("\n")


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


@given(TEXTS)
def test_a_cell_is_shown_as_it_is_never_as_markup(text: str) -> None:
    shown = printed(cell(text))
    assert "\x1b" not in shown
    assert "\n" not in shown
    if text.isascii() and text.isprintable():
        assert shown.strip() == text.strip()


@given(TEXTS)
def test_a_sentence_keeps_its_lines_and_nothing_a_terminal_obeys(text: str) -> None:
    plain = words(text).plain
    assert not any(character in plain for character in "\x1b\x00\x07\u202e\r")
    assert plain.count("\n") >= text.replace("\r\n", "\n").count("\n")


@pytest.mark.parametrize("text", ["[red]", "[/]", "[bold]x[/bold]", "\\[a]", "[a][b]", "[link=http://x]y[/link]"])
def test_square_brackets_are_square_brackets(text: str) -> None:
    assert printed(cell(text)) == text
    assert words(text).plain == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "True"),
        (0, "0"),
        (123456789, "123456789"),
        (0.1 + 0.2, "0.3"),
        (9999.4, "9999"),
        (9999.6, "10000"),
        (1e15, "1e+15"),
        (-0.0, "-0"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ([1, "a"], '\\[1, "a"]'),
        ({"a": None}, '{"a": null}'),
        (("x",), '\\["x"]'),
    ],
)
def test_a_value_of_each_kind_is_short(value: Any, shown: str) -> None:
    assert cell(value).replace("\\[", "[") == shown.replace("\\[", "[")
