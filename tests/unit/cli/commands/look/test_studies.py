"""The list of studies: a line each, at any width, also of studies that only plain Optuna knows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hpotool.cli.commands.look.studies import _draw, _format_ago, _row, _style
from hpotool.storage.control.overviews import StudyOverview
from hpotool.storage.control.studies import StudySummary
from tests.unit.cli.drawing import HOSTILE, drawn

SUMMARY = StudySummary("digits", {"loss": "minimize"}, {"COMPLETE": 30, "PRUNED": 10, "FAIL": 2, "RUNNING": 1})
FOUND = StudyOverview(SUMMARY, "running", 60, 0, 7200.0, 3.0, 2, 0.25)
PLAIN = StudyOverview(StudySummary("plain", {"a": "minimize", "b": "maximize"}, {}))


def test_a_row_has_a_count_for_each_state_even_if_it_is_none() -> None:
    row = _row(FOUND)
    assert [row[state] for state in ("complete", "pruned", "fail", "running", "waiting")] == [30, 10, 2, 1, 0]
    assert (row["metrics"], row["best"], row["budget"], row["workers"]) == ("loss (minimize)", 0.25, 60, 2)
    plain = _row(PLAIN)
    assert (plain["state"], plain["budget"], plain["best"], plain["made_s"]) == (None, None, None, None)
    assert plain["metrics"] == "a (minimize), b (maximize)"


@pytest.mark.parametrize("width", [60, 80, 120, 300])
def test_each_study_is_one_line_that_begins_with_its_name(width: int) -> None:
    lines = drawn(_draw([FOUND, PLAIN] * 5), width).splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.startswith("digits") for line in lines) == 5
    assert sum(line.startswith("plain") for line in lines) == 5


def test_progress_age_and_state_are_in_words() -> None:
    text = drawn(_draw([FOUND, PLAIN]), 300)
    for part in ("40/60", "2 h ago", "3.0 s ago", "plain Optuna", "running"):
        assert part in text


@pytest.mark.parametrize(
    ("state", "complete", "shown"),
    [("running", 59, "running"), ("running", 60, "done"), ("paused", 60, "paused"), ("done", 1, "done")],
)
def test_a_study_whose_budget_is_used_up_is_done(state: str, complete: int, shown: str) -> None:
    summary = replace(SUMMARY, trials={"COMPLETE": complete})
    assert _row(replace(FOUND, summary=summary, state=state))["state"] == shown


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, ""), (0.0, "0.0 s ago"), (-3.0, "0.0 s ago"), (90_000.0, "1 d 1 h ago")]
)
def test_an_age_is_never_negative(seconds: float | None, said: str) -> None:
    assert _format_ago(seconds) == said


@pytest.mark.parametrize(
    ("state", "workers", "style"),
    [
        ("running", 2, "cyan"),
        ("running", 0, "yellow"),
        ("paused", 0, "yellow"),
        ("stopped", 0, "red"),
        ("done", 0, ""),
        ("plain Optuna", 0, ""),
    ],
)
def test_a_study_that_nobody_works_on_stands_out(state: str, workers: int, style: str) -> None:
    assert _style({"state": state, "workers": workers}) == style


def test_a_name_that_plain_optuna_allows_is_text() -> None:
    odd = replace(PLAIN, summary=replace(PLAIN.summary, name=HOSTILE))
    text = drawn(_draw([odd]), 300)
    assert "[red]x[/red]" in text
    assert "\x1b" not in text
