"""The screen of `watch`: lays out a study's parts over exactly the available lines and columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from hpotool.cli.screen import study_parts as parts
from hpotool.study.doors import visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from hpotool.analysis.status import StudyStatus

Line = list[Segment]

_TWO_COLUMNS = 150  # from this width on
_GAP = 3  # between two columns
_EMPTY: Line = [Segment("")]


@dataclass(frozen=True)
class Footer:
    """The last line: the keys, a question, or a message."""

    text: str
    style: str = "dim"


@dataclass(frozen=True)
class WatchScreen:
    """A study's state, as large as the terminal. ``best_first`` sorts the latest trials."""

    found: StudyStatus
    footer: Footer
    best_first: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or console.height
        paper = _Paper(console, options)
        top = [line for part in self._top() for line in paper.draw(part, width)][: max(0, height - 1)]
        room = height - len(top) - 1
        body = self._two_columns(paper, width, room) if width >= _TWO_COLUMNS else self._one(paper, width, room)
        lines = [*top, *body[: max(0, room)]]
        lines += [_EMPTY] * (height - 1 - len(lines))
        lines += paper.draw(
            Text(visible(self.footer.text), style=self.footer.style, no_wrap=True, overflow="ellipsis"), width
        )
        for place, line in enumerate(lines[-height:]):
            yield from [Segment.line()] * bool(place)
            yield from line

    def _top(self) -> Iterator[Any]:
        yield parts.headline(self.found)
        yield parts.progress_line(self.found)
        yield parts.counts_line(self.found)
        pace = parts.pace_line(self.found)
        if pace is not None:
            yield pace
        for number, tier in enumerate(self.found.tiers, start=1):
            yield Text(
                f"tier {number}: {tier.finished}/{tier.trials} up to step {tier.steps}, {tier.running} running"
            )
        yield from parts.confirmation_lines(self.found)
        yield from parts.warning_lines(self.found)

    def _one(self, paper: _Paper, width: int, room: int) -> list[Line]:
        best, workers, failures = self._sections(paper, width)
        latest = self._latest(paper, width, room)
        # In reading order; the numbers say which section shrinks first if there is not enough room.
        sections = [best, failures, workers, latest]
        heights = share(room, [len(section) for section in sections], [5, 3, 4, 5])
        return [*_stack(sections[:-1], heights[:-1]), *latest[: heights[-1]]]

    def _two_columns(self, paper: _Paper, width: int, room: int) -> list[Line]:
        left_width = (width - _GAP) * 11 // 20
        right_width = width - _GAP - left_width
        right = list(self._sections(paper, right_width))
        left = self._latest(paper, left_width, room)
        rights = _stack(right, share(room, [len(section) for section in right], [5, 6, 4]))
        lefts = left[: max(0, room)]
        return [
            [*_pad(_at(lefts, row), left_width + _GAP), *_at(rights, row)]
            for row in range(max(len(lefts), len(rights)))
        ]

    def _sections(self, paper: _Paper, width: int) -> tuple[list[Line], list[Line], list[Line]]:
        first, *others = parts.best_parts(self.found)  # parameters come last: of those, some may be left out
        shown = [first, *parts.outlook_lines(self.found), *others]
        best = [line for part in shown for line in paper.draw(part, width)]
        workers = paper.section(parts.workers_table(self.found, is_compact=True), width)
        failures = paper.section(parts.failures_table(self.found, is_compact=True), width)
        return [_EMPTY, *best], workers, failures

    def _latest(self, paper: _Paper, width: int, room: int) -> list[Line]:
        rows = max(1, room - 2)  # below an empty line and the column headings
        return paper.section(parts.latest_table(self.found, rows, best_first=self.best_first), width)


@dataclass(frozen=True)
class _Paper:
    """Draws a part as lines of exactly the given width."""

    console: Console
    options: ConsoleOptions
    more: Style = field(default_factory=lambda: Style(dim=True))

    def draw(self, part: Any, width: int) -> list[Line]:
        return self.console.render_lines(part, self.options.update(width=width, height=None), pad=False)

    def section(self, part: Any, width: int) -> list[Line]:
        """A part with an empty line above it; nothing if there is no part."""
        return [] if part is None else [_EMPTY, *self.draw(part, width)]


def share(room: int, wanted: Sequence[int], least: Sequence[int]) -> list[int]:
    """The share of ``room`` lines for each section: first its minimum, then what it wants, in order.

    If there is not enough room for all minimums, the first sections get theirs.
    """
    given: list[int] = []
    for want, low in zip(wanted, least, strict=True):
        given.append(min(want, low, max(0, room - sum(given))))
    for place, want in enumerate(wanted):
        given[place] += min(want - given[place], max(0, room - sum(given)))
    return given


def _stack(sections: Sequence[list[Line]], heights: Sequence[int]) -> list[Line]:
    return [line for section, height in zip(sections, heights, strict=True) for line in _cut(section, height)]


def _cut(section: list[Line], height: int) -> list[Line]:
    """The first lines of a section; the last of them says how many are left out."""
    if len(section) <= height:
        return section
    if height < 3:  # an empty line and the column headings, with nothing below them
        return []
    left = len(section) - height + 1
    return [*section[: height - 1], [Segment(f"… {left} more", Style(dim=True))]]


def _pad(line: Line, width: int) -> Line:
    return [*line, Segment(" " * max(0, width - Segment.get_line_length(line)))]


def _at(lines: Sequence[Line], row: int) -> Line:
    return lines[row] if row < len(lines) else _EMPTY
