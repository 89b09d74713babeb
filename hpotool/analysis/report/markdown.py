"""Blocks as Markdown for a merge request: tables and numbers, without the drawings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from typing_extensions import assert_never

from hpotool.analysis.report.blocks import Block, Code, Facts, Figure, Grid, Heading, Paragraph
from hpotool.study.doors import visible, visible_lines

_MARKUP = re.compile(r"([\\`*_{}\[\]()#!|<>~$@&]|^[-+=]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
_LISTED = re.compile(r"^(\d{1,9})\.(?=\s|$)")  # what would begin a list; other numbers stay as they are
_FOLDED_LINES = 14


def render_markdown(blocks: Sequence[Block]) -> str:
    """Return the text. Whatever an objective stored is shown as it is, never as markup."""
    parts = [_render(block) for block in _without_empty_parts(blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _without_empty_parts(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks without drawings, and without the headings of parts that were drawings only."""
    kept = [block for block in blocks if not isinstance(block, Figure)]
    return [
        block
        for place, block in enumerate(kept)
        if not isinstance(block, Heading)
        or block.level < 3
        or (place + 1 < len(kept) and not isinstance(kept[place + 1], Heading))
    ]


def _escape(text: str) -> str:
    """Return one line in which nothing is markup, not even a mention or a link."""
    return _LISTED.sub(r"\1\\.", _MARKUP.sub(r"\\\1", " ".join(visible(text).split())))


def _render(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {_escape(block.text)}"
        case Paragraph():
            return f"**{_escape(block.text)}**" if block.is_warning else _escape(block.text)
        case Facts():
            return _table(("", ""), block.pairs)
        case Grid():
            return _table(block.columns, block.rows)
        case Code():
            return _fence(block)
        case Figure():
            return ""
        case _:
            assert_never(block)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, *rows]
    written = ["| " + " | ".join(_escape(cell) for cell in line) + " |" for line in lines]
    return "\n".join([written[0], "|" + "---|" * len(columns), *written[1:]])


def _fence(code: Code) -> str:
    """Return a fence that is longer than any in the text."""
    text = visible_lines(code.text).rstrip("\n")
    ticks = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`{3,}", text))])
    fenced = f"{ticks}\n{text}\n{ticks}"
    if code.title and text.count("\n") >= _FOLDED_LINES:
        return f"<details><summary>{_escape(code.title)}</summary>\n\n{fenced}\n\n</details>"
    return fenced
