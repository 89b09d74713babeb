"""`watch` in a terminal: refreshes, reacts to keys, follows the terminal's size, survives outages."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hpotool.cli.screen.keys import single_keys
from hpotool.cli.screen.trial_page import OpenTrial, TrialPage
from hpotool.cli.screen.watch_screen import Footer, WatchScreen
from hpotool.errors import DatabaseUnreachableError, HpotoolError
from hpotool.study.wording import format_elapsed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from hpotool.analysis.status import StudyStatus

_NOTICES_S = 0.2  # how soon a resized terminal is noticed
_MOST_DIGITS = 9
_NEWS_S = 5.0  # how long the footer shows a message

Wish = Literal["running", "paused"]


@dataclass
class _Footer:
    """The text of the last line: a question takes precedence over a message, and a message over the keys."""

    has_keys: bool
    question: Wish | None = None
    number: str | None = None  # of the trial to open, as far as it is typed
    news: str = ""
    news_until: float = 0.0

    def note(self, news: str) -> None:
        self.news, self.news_until = news, time.monotonic() + _NEWS_S

    def draw(self, found: StudyStatus, *, best_first: bool) -> Footer:
        if self.question is not None:
            verb = "pause" if self.question == "paused" else "resume"
            return Footer(f"{verb} {found.progress.summary.name}? y for yes, any other key for no", "bold yellow")
        if self.number is not None:
            return Footer(f"open trial: {self.number}▏ Enter to open, Esc to cancel", "bold yellow")
        if time.monotonic() < self.news_until:
            return Footer(self.news, "yellow")
        if not self.has_keys:
            return Footer("Ctrl-C to quit")
        verb = "resume" if _wish(found) == "running" else "pause"
        other = "latest" if best_first else "best"
        return Footer(f"q quit · p {verb} · s {other} trials first · o open a trial")


class LiveScreen:
    """A study's screen, shown until the study ends or the user quits.

    ``move`` pauses and resumes the study, ``open_trial`` draws one of its trials.
    """

    def __init__(
        self,
        console: Console,
        look: Callable[[], StudyStatus],
        move: Callable[[Wish], None],
        open_trial: OpenTrial,
        interval_s: float,
    ) -> None:
        self._console = console
        self._look = look
        self._move = move
        self._open_trial = open_trial
        self._page: TrialPage | None = None
        self._interval_s = interval_s
        self._found = look()
        self._footer = _Footer(has_keys=sys.stdin.isatty())
        self._best_first = False
        self._away_since: float | None = None

    def run(self) -> StudyStatus:
        """Show the screen; return the last state seen.

        Raises:
            KeyboardInterrupt: Ctrl-C; the terminal is restored.
        """
        from rich.live import Live

        with (
            single_keys() as read_key,
            Live(console=self._console, screen=True, auto_refresh=False, vertical_overflow="crop") as live,
        ):
            while not self._found.is_over or self._page is not None:
                if not self._wait(live, read_key):
                    break
                self._look_again()
        return self._found

    def _wait(self, live: Live, read_key: Callable[[float], str | None]) -> bool:
        """Show the screen until the next refresh; False: the user quits."""
        look_at = time.monotonic() + self._interval_s
        while True:
            self._draw(live)
            size = self._console.size
            while (left := look_at - time.monotonic()) > 0 and self._console.size == size:
                key = read_key(min(_NOTICES_S, left))
                if key is not None:
                    if key in ("q", "Q") and self._page is None and self._footer.number is None:
                        return False
                    self._obey(key)
                    break
            if left <= 0:
                return True

    def _draw(self, live: Live) -> None:
        if self._page is not None:
            live.update(self._page.draw(), refresh=True)
            return
        live.update(WatchScreen(self._found, self._draw_footer(), self._best_first), refresh=True)

    def _draw_footer(self) -> Footer:
        if self._away_since is not None:
            away = format_elapsed(time.monotonic() - self._away_since)
            return Footer(f"the database has not answered for {away}; these are its last figures", "bold red")
        return self._footer.draw(self._found, best_first=self._best_first)

    def _look_again(self) -> None:
        try:
            self._found = self._look()
            if self._page is not None:
                self._page.look_again()
        except DatabaseUnreachableError:
            self._away_since = self._away_since or time.monotonic()
        else:
            self._away_since = None

    def _obey(self, key: str) -> None:
        wish, self._footer.question = self._footer.question, None
        if self._page is not None:
            self._page = self._page if self._page.press(key) else None
        elif self._footer.number is not None:
            self._type_number(self._footer.number, key)
        elif wish is not None:
            if key in ("y", "Y"):
                self._ask_for(wish)
        elif key in ("p", "P"):
            self._footer.question = _wish(self._found)
        elif key in ("s", "S"):
            self._best_first = not self._best_first
        elif key in ("o", "O"):
            self._footer.number = ""

    def _type_number(self, typed: str, key: str) -> None:
        """Take a digit of the trial's number, open that trial, or give it up."""
        if key.isdecimal() and key.isascii() and len(typed) < _MOST_DIGITS:
            self._footer.number = typed + key
        elif key == "backspace":
            self._footer.number = typed[:-1]
        elif key == "enter":
            self._footer.number = None
            self._open(int(typed) if typed else self._newest())
        elif key in ("escape", "q", "Q"):
            self._footer.number = None

    def _newest(self) -> int:
        """The trial that ended last, else the first one."""
        latest = self._found.activity.latest
        return int(latest[0]["trial"]) if latest else 0

    def _open(self, number: int) -> None:
        try:
            self._page = TrialPage(self._console, self._open_trial, number)
        except HpotoolError as error:
            self._footer.note(f"{error.message}; {error.hint}" if error.hint else error.message)

    def _ask_for(self, wish: Wish) -> None:
        try:
            self._move(wish)
        except HpotoolError as error:
            self._footer.note(error.message)
            return
        self._footer.note("paused: running trials will finish" if wish == "paused" else "running again")
        self._look_again()


def _wish(found: StudyStatus) -> Wish:
    return "paused" if found.progress.state == "running" else "running"
