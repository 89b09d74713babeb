"""Keys by their characters and names, from a real terminal."""

from __future__ import annotations

import os
import pty
import sys

import pytest

from hpotool.cli.screen.keys import name_key, single_keys


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("q", "q"), ("ü", "ü"), ("\n", "enter"), ("\r", "enter"), ("\x7f", "backspace"), ("\x1b", "escape"),
        ("\x1b[A", "up"), ("\x1bOB", "down"), ("\x1b[5~", "page up"), ("\x1b[6~", "page down"),
        ("\x1b[15~", None), ("pasted", None),
    ],
)  # fmt: skip
def test_a_key_has_a_name(sent: str, name: str | None) -> None:
    assert name_key(sent) == name


def test_keys_are_read_from_a_terminal_without_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with single_keys() as read_key:
            assert read_key(0) is None
            os.write(ours, b"\x1b[B")
            assert read_key(30) == "down"
            os.write(ours, "o12ü\n\x1b[15~\x1bq".encode())  # at once, as a slow connection sends them
            keys = [read_key(30) for _ in range(8)]
            assert keys == ["o", "1", "2", "ü", "enter", None, "escape", "q"]
            assert read_key(0) is None
    os.close(ours)
