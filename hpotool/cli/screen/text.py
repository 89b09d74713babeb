"""Values and sentences for a terminal: short, and without control sequences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hpotool.study.doors import visible, visible_lines

if TYPE_CHECKING:
    from rich.text import Text


def cell(value: Any) -> str:
    """One value for people, escaped as Rich markup."""
    from rich.markup import escape

    return escape(plain_cell(value))


def plain_cell(value: Any) -> str:
    """One value for people: four significant digits; empty for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if 9999.5 <= abs(value) < 1e15 else f"{value:.4g}"
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str)
    return visible(str(value))


def count_of(count: int, noun: str) -> str:
    """``1 worker``, ``2 workers``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def words(text: str, style: str = "") -> Text:
    """Text of a picture, line by line, with control sequences escaped."""
    from rich.text import Text

    return Text(visible_lines(text), style=style)
