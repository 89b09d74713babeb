"""What the keys of `watch` do, one by one, on a screen that nobody sees."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from hpotool.analysis.status import StudyStatus
from hpotool.cli.screen.live_screen import LiveScreen, Wish, _Footer, _wish
from hpotool.errors import DatabaseUnreachableError, NotFoundError
from tests.unit.cli.screen.test_watch_screen import FOUND

PAUSED = replace(FOUND, progress=replace(FOUND.progress, state="paused"))


class Study:
    """What a screen asks a study for, and what it was asked to do."""

    def __init__(self) -> None:
        self.found: StudyStatus = FOUND
        self.is_away = False
        self.moves: list[Wish] = []
        self.opened: list[int] = []

    def look(self) -> StudyStatus:
        if self.is_away:
            raise DatabaseUnreachableError("the database does not answer")
        return self.found

    def move(self, state: Wish) -> None:
        if self.is_away:
            raise DatabaseUnreachableError("the database does not answer")
        self.moves.append(state)
        self.found = PAUSED if state == "paused" else FOUND

    def open_trial(self, number: int) -> Text:
        if number > 50:
            raise NotFoundError(f"study 's' has no trial {number}", "its trials are 0 to 50")
        self.opened.append(number)
        return Text(f"trial {number}")


@pytest.fixture
def study() -> Study:
    return Study()


@pytest.fixture
def screen(study: Study) -> LiveScreen:
    console = Console(file=io.StringIO(), width=80, height=24)
    made = LiveScreen(console, study.look, study.move, study.open_trial, 1.0)
    made._footer.has_keys = True
    return made


def press(screen: LiveScreen, *keys: str) -> str:
    """Press the keys; what the last line says then."""
    for key in keys:
        screen._obey(key)
    return screen._draw_footer().text


KEYS = "q quit · p pause · s best trials first · o open a trial"


def test_the_last_line_names_the_keys(screen: LiveScreen, study: Study) -> None:
    assert press(screen) == KEYS
    study.found = PAUSED
    screen._look_again()
    assert "p resume" in press(screen)


def test_without_keys_only_ctrl_c_is_named(screen: LiveScreen) -> None:
    screen._footer.has_keys = False
    assert press(screen) == "Ctrl-C to quit"


@pytest.mark.parametrize("yes", ["y", "Y"])
def test_a_study_is_paused_and_resumed_after_a_question(yes: str, screen: LiveScreen, study: Study) -> None:
    assert press(screen, "p") == "pause lightgbm? y for yes, any other key for no"
    assert study.moves == []
    assert press(screen, yes) == "paused: running trials will finish"
    assert press(screen, "P") == "resume lightgbm? y for yes, any other key for no"
    assert press(screen, yes) == "running again"
    assert study.moves == ["paused", "running"]


@pytest.mark.parametrize("no", ["n", "enter", "escape", "p", "s", "o", " "])
def test_any_other_key_is_a_no(no: str, screen: LiveScreen, study: Study) -> None:
    press(screen, "p", no)
    assert study.moves == []
    assert screen._footer.question is None
    assert screen._best_first is False
    assert screen._footer.number is None


@pytest.mark.parametrize("key", ["s", "S"])
def test_the_order_of_the_latest_trials_is_turned_and_turned_back(key: str, screen: LiveScreen) -> None:
    assert "s latest trials first" in press(screen, key)
    assert "s best trials first" in press(screen, key)


@pytest.mark.parametrize(
    ("keys", "typed"),
    [
        (["o"], ""),
        (["o", "1", "2"], "12"),
        (["o", "1", "x", "up", "2"], "12"),
        (["o", "1", "2", "backspace"], "1"),
        (["o", "backspace"], ""),
        (["o", "٣", "½", "7"], "7"),
        (["o", *"12345678901234"], "123456789"),
    ],
)
def test_a_number_is_typed_digit_by_digit(keys: list[str], typed: str, screen: LiveScreen) -> None:
    assert press(screen, *keys) == f"open trial: {typed}▏ Enter to open, Esc to cancel"


@pytest.mark.parametrize("key", ["escape", "q", "Q"])
def test_typing_can_be_given_up(key: str, screen: LiveScreen, study: Study) -> None:
    assert press(screen, "o", "1", key) == KEYS
    assert study.opened == []


def test_enter_opens_the_trial_that_was_typed_or_the_one_that_ended_last(screen: LiveScreen, study: Study) -> None:
    press(screen, "o", "1", "2", "enter")
    assert screen._page is not None
    press(screen, "q")
    assert screen._page is None
    press(screen, "o", "enter")
    assert study.opened == [12, 45]


def test_a_study_whose_first_trial_has_not_ended_opens_the_first(screen: LiveScreen, study: Study) -> None:
    study.found = replace(FOUND, activity=replace(FOUND.activity, latest=()))
    screen._look_again()
    press(screen, "o", "enter")
    assert study.opened == [0]


def test_a_trial_that_is_not_there_is_said_below_the_screen(screen: LiveScreen) -> None:
    said = press(screen, "o", "9", "9", "enter")
    assert said == "study 's' has no trial 99; its trials are 0 to 50"
    assert screen._page is None


def test_keys_go_to_the_open_trial(screen: LiveScreen, study: Study) -> None:
    press(screen, "o", "7", "enter", "n", "n", "p", "s", "p")
    assert study.opened == [7, 8, 9, 8, 7]
    assert screen._best_first is False
    assert study.moves == []
    press(screen, "escape", "s")
    assert screen._best_first is True


def test_while_the_database_is_away_the_last_figures_are_kept_and_called_old(
    screen: LiveScreen, study: Study
) -> None:
    study.is_away = True
    screen._look_again()
    assert press(screen).startswith("the database has not answered for 0.")
    assert screen._found is FOUND
    study.is_away = False
    screen._look_again()
    assert press(screen) == KEYS


def test_an_order_that_fails_is_said_and_changes_nothing(screen: LiveScreen, study: Study) -> None:
    press(screen, "p")
    study.is_away = True
    assert press(screen, "y") == "the database does not answer"
    study.is_away = False
    assert screen._found is FOUND


def test_a_message_goes_away_by_itself() -> None:
    footer = _Footer(has_keys=True)
    footer.note("paused")
    assert footer.draw(FOUND, best_first=False).text == "paused"
    footer.news_until = 0.0
    assert footer.draw(FOUND, best_first=False).text == KEYS


@pytest.mark.parametrize(
    ("state", "wish"),
    [
        ("running", "paused"),
        ("paused", "running"),
        ("draining", "running"),
        ("stopped", "running"),
        ("done", "running"),
    ],
)
def test_what_a_key_would_ask_for(state: str, wish: str) -> None:
    assert _wish(replace(FOUND, progress=replace(FOUND.progress, state=state))) == wish
