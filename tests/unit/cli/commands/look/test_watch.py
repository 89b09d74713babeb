"""A study that is followed without a terminal is a line for each change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hpotool.analysis.status import StudyStatus
from hpotool.cli.commands.look import watch as module
from hpotool.cli.commands.look.watch import _line, _watch_lines
from tests.unit.cli.screen.test_watch_screen import FOUND, FRONT, NEW


def test_a_line_has_the_name_the_state_the_counts_and_the_best() -> None:
    assert (
        _line(FOUND) == "lightgbm running  15/60 finished  3 running, 15 complete, 30 fail  best accuracy=0.9649"
    )


def test_a_study_that_has_not_begun_is_a_short_line() -> None:
    assert _line(NEW) == "new running  0 finished"


def test_of_a_front_no_trial_is_called_the_best() -> None:
    assert "best" not in _line(FRONT)


def test_trials_of_another_study_are_named_apart() -> None:
    other = replace(FOUND, progress=replace(FOUND.progress, taken_over=5))
    assert "10/60 finished (+5 from another study)" in _line(other)


def test_only_changes_are_said_until_it_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = replace(FOUND.progress.summary, trials={"COMPLETE": 60})
    done = replace(FOUND, progress=replace(FOUND.progress, summary=summary, state="done", workers=()))
    looks: list[StudyStatus] = [FOUND, FOUND, NEW, NEW, done, FOUND]
    slept: list[float] = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    _watch_lines(lambda: looks.pop(0), 2.5)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0:2] for line in lines] == [
        ["lightgbm", "running"],
        ["new", "running"],
        ["lightgbm", "done"],
    ]
    assert slept == [2.5] * 4
    assert looks == [FOUND], "nobody looks again once it is over"
