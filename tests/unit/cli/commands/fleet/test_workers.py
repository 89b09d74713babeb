"""A study's workers in a terminal, and which of those that were wanted are missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hpotool.api.fleet import Row
from hpotool.cli.commands.fleet.workers import _as_table_row, _draw, _say_shortfall
from tests.unit.cli.drawing import HOSTILE, drawn

ROW = Row("alive", "gpu7-1-ab", 12, 3.2, "", "slurm-1", "15_0", "gpu7", "gpu 0")
PENDING = Row("pending", None, None, None, "Resources", "slurm-1", "15_1", None, None)


def launch(here: int, coming: int, wanted: int = 3, error: str | None = None) -> dict[str, Any]:
    return {
        "launch": "l-1", "target": "slurm", "wanted": wanted, "here": here, "coming": coming, "is_stopped": False,
        "error": error,
    }  # fmt: skip


def test_a_worker_that_has_not_registered_is_named_by_its_job() -> None:
    assert _as_table_row(ROW)["worker"] == "gpu7-1-ab"
    assert _as_table_row(ROW)["last seen"] == "3.2 s ago"
    waiting = _as_table_row(PENDING)
    assert (waiting["worker"], waiting["last seen"], waiting["why"]) == ("15_1", None, "Resources")


def test_who_has_left_was_not_seen_so_long_ago() -> None:
    assert _as_table_row(replace(ROW, state="left"))["last seen"] is None


def test_a_reason_of_several_lines_is_one() -> None:
    assert _as_table_row(replace(ROW, why="gpu 0:\n  no room"))["why"] == "gpu 0: no room"


@pytest.mark.parametrize("width", [70, 80, 160])
@pytest.mark.parametrize("rows", [[ROW], [ROW, PENDING], [ROW] * 40], ids=["one", "two", "many"])
def test_the_table_fits_and_has_a_line_for_each_worker(rows: list[Row], width: int) -> None:
    lines = drawn(_draw(rows), width).splitlines()
    assert max(map(len, lines)) <= width
    assert sum("alive" in line for line in lines) == sum(row.state == "alive" for row in rows)


def test_columns_in_which_nothing_stands_are_left_out_but_the_trial_stays() -> None:
    header = drawn(_draw([replace(ROW, launch=None, job=None, trial=None, slot="cpu")]), 160).splitlines()[0]
    assert header.split() == ["state", "worker", "trial", "last", "seen", "host"]
    assert "slot" in drawn(_draw([ROW]), 160).splitlines()[0]


def test_nothing_that_a_worker_says_is_obeyed_by_a_terminal() -> None:
    text = drawn(_draw([replace(ROW, worker=HOSTILE, why=HOSTILE, host=HOSTILE)]), 400)
    assert "\x1b[31m" not in text
    assert "[red]x[/red]" in text


@pytest.mark.parametrize(
    ("here", "coming", "said"),
    [
        (3, 0, []),
        (1, 2, []),
        (4, 0, []),
        (1, 0, ["l-1: 1 running, 0 coming, 3 wanted; --scale 3 starts the rest"]),
        (0, 1, ["l-1: 0 running, 1 coming, 3 wanted; --scale 3 starts the rest"]),
    ],
)
def test_workers_that_are_missing_are_said_with_what_starts_them(
    here: int, coming: int, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _say_shortfall([launch(here, coming)], 0)
    assert capsys.readouterr().err.splitlines() == said


def test_a_system_that_does_not_answer_is_named_and_who_left_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _say_shortfall([launch(0, 0, error="squeue: timed out")], 4)
    assert capsys.readouterr().err.splitlines() == [
        "l-1: slurm does not answer: squeue: timed out",
        "4 left within the last hour (--left shows them)",
    ]
