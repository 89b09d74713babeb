"""Tables for people, in which no number is cut, whatever the width of the terminal.

If the columns do not fit, a single record is shown as a list of names and values. Several records show the columns
that fit, say how many are left out, and shorten long text. When piped, a table is as wide as its content.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from hpotool.cli.screen.text import cell, words
from hpotool.study.doors import visible
from hpotool.study.wording import count_of, plain_cell

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_GAP = 2  # between two columns
_SHORTEST = 12  # a text column is shortened to this width before a column is left out


@dataclass(frozen=True)
class Fitted:
    """Rows, fitted to the terminal.

    Attributes:
        style: the colour of each row, if any.
        is_compact: one line per row and one for the headings, without a note about columns left out.
    """

    rows: Sequence[Mapping[str, Any]]
    title: str | None = None
    style: Callable[[Mapping[str, Any]], str] = lambda _: ""
    is_compact: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = [_Column.of(name, self.rows) for name in _names(self.rows)]
        if self.title:
            yield words(self.title, "bold")
        if _width(columns) > options.max_width and len(self.rows) == 1 and not self.is_compact:
            yield record(self.rows[0])
            return
        shown = _fit(columns, options.max_width)
        yield self._draw(shown)
        if len(shown) < len(columns) and not self.is_compact:
            left = [column.name for column in columns if column.name not in {one.name for one in shown}]
            sentence = f"… {count_of(len(left), 'more column')}: {', '.join(left)}"
            yield Text(visible(sentence), style="dim", overflow="ellipsis", no_wrap=True)

    def _draw(self, columns: Sequence[_Column]) -> Table:
        drawn = Table(
            box=None if self.is_compact else box.SIMPLE_HEAD,
            header_style="dim" if self.is_compact else "table.header",
            pad_edge=False,
            show_edge=False,
            padding=(0, _GAP if self.is_compact else _GAP - 1, 0, 0),  # the box already has a blank
        )
        for column in columns:
            drawn.add_column(
                cell(column.name),
                justify="right" if column.is_numeric else "left",
                width=column.width,
                no_wrap=True,
                overflow="ellipsis",
            )
        for row in self.rows:
            drawn.add_row(*(cell(row.get(column.name)) for column in columns), style=self.style(row))
        return drawn


@dataclass(frozen=True)
class _Column:
    name: str
    width: int
    is_numeric: bool

    @classmethod
    def of(cls, name: str, rows: Sequence[Mapping[str, Any]]) -> _Column:
        values = [row.get(name) for row in rows]
        widest = max(cell_len(plain_cell(value)) for value in values)
        numeric = all(isinstance(value, (int, float)) or value is None for value in values)
        return cls(name, max(cell_len(visible(name)), widest), numeric)

    @property
    def least(self) -> int:
        """The smallest useful width of a column; a number is never cut."""
        return self.width if self.is_numeric else min(self.width, max(_SHORTEST, cell_len(visible(self.name))))


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _width(columns: Sequence[_Column]) -> int:
    return sum(column.width + _GAP for column in columns)


def _fit(columns: Sequence[_Column], width: int) -> list[_Column]:
    """The first columns that fit at their smallest width; the remaining width is given out from the left."""
    shown: list[_Column] = []
    used = 0
    for column in columns:
        if shown and used + column.least + _GAP > width:
            break
        shown.append(column)
        used += column.least + _GAP
    spare = width - used
    fitted = []
    for column in shown:
        given = min(column.width, column.least + max(0, spare))
        spare -= given - column.least
        fitted.append(_Column(column.name, given, column.is_numeric))
    return fitted


def record(row: Mapping[str, Any], least: int = 0) -> Table:
    """One record as a list of names and values; the names take at least ``least`` columns."""
    drawn = Table.grid(padding=(0, _GAP, 0, 0))
    drawn.add_column(style="dim", no_wrap=True, min_width=least)
    drawn.add_column(overflow="fold")
    for name, value in row.items():
        if value is not None:
            drawn.add_row(cell(name), cell(value))
    return drawn
