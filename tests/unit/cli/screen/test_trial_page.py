"""A trial on the whole screen: it scrolls within its lines, turns to its neighbours, and fills any terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from hpotool.cli.screen.trial_page import TrialPage
from hpotool.errors import NotFoundError


def console(height: int) -> Console:
    return Console(file=io.StringIO(), width=80, height=height, force_terminal=True, color_system=None)


def open_trial(number: int) -> Text:
    if number > 1 or number < 0:
        raise NotFoundError(f"the study has no trial {number}", "its trials are 0 to 1")
    return Text("\n".join(f"trial {number} line {line}" for line in range(30)))


def lines(page: TrialPage, drawn_by: Console) -> list[str]:
    with drawn_by.capture() as captured:
        drawn_by.print(page.draw(), end="")
    return [line.rstrip() for line in captured.get().split("\n")]


@pytest.mark.parametrize("height", [5, 24, 50])
def test_a_trial_fills_the_screen_and_ends_with_the_keys(height: int) -> None:
    terminal = console(height)
    shown = lines(TrialPage(terminal, open_trial, 0), terminal)
    assert len(shown) == height
    assert shown[0] == "trial 0 line 0"
    assert shown[-1].startswith("q back · n next · p previous")
    assert ("more lines below" in shown[-1]) == (height < 31)


def test_it_scrolls_no_farther_than_its_lines() -> None:
    terminal = console(11)
    page = TrialPage(terminal, open_trial, 0)
    for key, top in {"down": 1, "j": 2, "page down": 12, " ": 20, "up": 19, "page up": 9, "k": 8}.items():
        assert page.press(key)
        assert lines(page, terminal)[0] == f"trial 0 line {top}"
    for _ in range(20):
        page.press("up")
    assert lines(page, terminal)[0] == "trial 0 line 0"


def test_it_turns_to_the_next_trial_and_says_where_there_is_none() -> None:
    terminal = console(8)
    page = TrialPage(terminal, open_trial, 0)
    page.press("page down")
    page.press("n")
    assert lines(page, terminal)[0] == "trial 1 line 0"
    page.press("n")
    assert lines(page, terminal)[-1] == "the study has no trial 2; its trials are 0 to 1"
    page.look_again()
    page.press("p")
    assert lines(page, terminal)[0] == "trial 0 line 0"


@pytest.mark.parametrize("key", ["q", "Q", "escape", "enter", "backspace"])
def test_it_is_closed(key: str) -> None:
    assert not TrialPage(console(8), open_trial, 0).press(key)
