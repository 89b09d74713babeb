"""One trial over the whole screen of `watch`, as `show` describes it, and longer than the screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Group
from rich.segment import Segment, Segments
from rich.text import Text

from hpotool.errors import HpotoolError
from hpotool.study.doors import visible
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

OpenTrial = Callable[[int], "RenderableType"]

_KEYS = "q back · n next · p previous · ↑ ↓ scroll"


class TrialPage:
    """A trial that is shown; ``press`` says whether it stays so.

    Raises:
        NotFoundError: there is no such trial.
    """

    def __init__(self, console: Console, open_trial: OpenTrial, number: int) -> None:
        self._console = console
        self._open = open_trial
        self._number = number
        self._content = open_trial(number)
        self._first = 0  # the line at the top
        self._news = ""

    def look_again(self) -> None:
        """Describe the trial as it is by now."""
        self._content = self._open(self._number)

    def press(self, key: str) -> bool:
        """Obey a key; False: the page is closed."""
        self._news = ""
        rows = self._console.height - 1
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -rows, "page down": rows, " ": rows}
        if key in ("n", "N"):
            self._turn_to(self._number + 1)
        elif key in ("p", "P"):
            self._turn_to(self._number - 1)
        elif key in moves:
            self._first += moves[key]
        return key not in ("q", "Q", "escape", "enter", "backspace")

    def draw(self) -> RenderableType:
        """The lines that the terminal has room for, above the keys."""
        console, height = self._console, self._console.height
        lines = console.render_lines(self._content, console.options.update(height=None), pad=False)
        self._first = max(0, min(self._first, len(lines) - (height - 1)))
        shown = lines[self._first : self._first + height - 1]
        below = len(lines) - self._first - len(shown)
        footer = self._news or _KEYS + (f" · {count_of(below, 'more line')} below" if below else "")
        shown += [[] for _ in range(height - 1 - len(shown))]
        above = Segments([segment for line in shown for segment in (*line, Segment.line())])
        style = "yellow" if self._news else "dim"
        return Group(above, Text(visible(footer), style=style, no_wrap=True, overflow="ellipsis", end=""))

    def _turn_to(self, number: int) -> None:
        try:
            self._content = self._open(number)
        except HpotoolError as error:
            self._news = f"{error.message}; {error.hint}" if error.hint else error.message
        else:
            self._number, self._first = number, 0
