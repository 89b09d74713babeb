"""Every text of ``--help`` is shown as it is written, and every command has examples that can be pasted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from hpotool.cli.app import app, command_line, main
from hpotool.cli.examples import EXAMPLES


def pages(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Each command's words, and the texts that its help must show."""
    yield (
        words,
        [text for text in (command.help, *(getattr(each, "help", None) for each in command.params)) if text],
    )
    for name, inner in getattr(command, "commands", {}).items():
        yield from pages(inner, (*words, name))


PAGES = dict(pages(get_command(app)))
LINES = [line for lines in EXAMPLES.values() for line in lines]


_shown: dict[tuple[tuple[str, ...], int], str] = {}  # each page is looked at several times


def page(words: tuple[str, ...], width: int, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> str:
    if (words, width) not in _shown:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERMINAL_WIDTH", str(width))
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        _shown[words, width] = capsys.readouterr().out
    return _shown[words, width]


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_help_shows_every_text(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = " ".join(re.sub(r"[│╭╮╰╯─]", " ", page(words, 400, capsys, monkeypatch)).split())
    for text in PAGES[words]:
        for paragraph in text.split("\n\n"):
            assert " ".join(paragraph.split()) in shown


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_help_names_values_as_a_person_does(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = page(words, 80, capsys, monkeypatch)
    assert not re.search(r"<[a-z]|x[<>]=|\[\[|\{[A-Z]", shown), "a type, a range or brackets of Python's"


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_help_leaves_room_for_its_texts_in_a_narrow_terminal(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 80 columns a text has 26 of them at least: names, short names and values do not crowd it out."""
    lines = page(words, 80, capsys, monkeypatch).splitlines()
    start = next(line.index("Show this message") for line in lines if "--help" in line and "Show" in line)
    assert start <= 80 - 26 - 1


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_every_command_has_examples(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if words in [("launch",), ("db",)]:
        return  # their commands have them
    shown = [line.strip() for line in page(words, 80, capsys, monkeypatch).splitlines()]
    assert "Examples:" in shown
    for line in EXAMPLES[" ".join(words)]:
        assert line in shown, "an example is pasted from one line"


@pytest.mark.parametrize("line", LINES)
def test_an_example_can_be_pasted(line: str) -> None:
    found = re.search(r"hpotool ([^)]*)", line)
    if found is None or line.startswith("#"):
        assert line.startswith(("export HPOTOOL_", "# ", "again/reproduce.sh"))
        return
    words = shlex.split(found[1].split(" > ")[0], comments=True)
    command = command_line()
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not getattr(command, "commands", {}) or command.invoke_without_command, "an example names a command"
    command.make_context("hpotool", words)  # raises what a person would be told


def test_examples_belong_to_commands() -> None:
    assert {tuple(path.split()) for path in EXAMPLES} <= set(PAGES)


def test_there_are_brackets_to_lose() -> None:
    assert sum(text.count("[default: ") for texts in PAGES.values() for text in texts) > 40
