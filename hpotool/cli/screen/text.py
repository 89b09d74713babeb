"""Values and sentences for a terminal: short, and without control sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpotool.study.doors import visible_lines
from hpotool.study.wording import plain_cell

if TYPE_CHECKING:
    from rich.text import Text


def cell(value: Any) -> str:
    """One value for people, escaped as Rich markup."""
    from rich.markup import escape

    return escape(plain_cell(value))


def words(text: str, style: str = "") -> Text:
    """Text of a picture, line by line, with control sequences escaped."""
    from rich.text import Text

    return Text(visible_lines(text), style=style)
