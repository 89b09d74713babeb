"""What a report is made of: blocks that know nothing of HTML or Markdown. Their texts are as they were stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A title; 1 is the report's, 2 a study's, 3 a part's."""

    text: str
    level: int = 3


@dataclass(frozen=True)
class Paragraph:
    """A sentence or two; a warning is what somebody should look at."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True)
class Facts:
    """The few numbers that a reader looks for first, each under its name."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Grid:
    """A table; columns whose every cell is a number stand at the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG, made of numbers and escaped texts, and the sentence that says what it shows."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Code:
    """Text to copy, as it is. A long one is folded away in a browser, under its title."""

    text: str
    title: str = ""


Block = Heading | Paragraph | Facts | Grid | Figure | Code
