"""Every text of ``--help`` is shown as it is written, square brackets included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from hpotool.cli.app import app, main


def pages(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Each command's words, and the texts that its help must show."""
    yield (
        words,
        [text for text in (command.help, *(getattr(each, "help", None) for each in command.params)) if text],
    )
    for name, inner in getattr(command, "commands", {}).items():
        yield from pages(inner, (*words, name))


PAGES = dict(pages(get_command(app)))


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_help_shows_every_text(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("TERMINAL_WIDTH", "400")
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    shown = " ".join(re.sub(r"[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    for text in PAGES[words]:
        for paragraph in text.split("\n\n"):
            assert " ".join(paragraph.split()) in shown
    assert "<bool>" not in shown, "a switch takes no value"


def test_there_are_brackets_to_lose() -> None:
    assert sum(text.count("[default: ") for texts in PAGES.values() for text in texts) > 40
