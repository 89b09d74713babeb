"""The limits of a study beside what is used of each."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hpotool.cli.commands.describe.budget import _answer
from hpotool.cli.output import Format
from hpotool.study.file.reader import read_study_file
from hpotool.study.rules.budget import Progress, ReachedLimit, Usage
from hpotool.study.rules.regret import Regret
from hpotool.study.spec import StudySpec
from tests.unit.cli.drawing import in_every_format

FILE = "study: my-study\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"
USED = Usage(
    complete=7,
    failed=2,
    wall=timedelta(hours=1),
    gpu_hours=2.5,
    cost=3.0,
    progress=Progress(finished_since_improvement=4),
    regret=(None, Regret(0.01, 0.02, 30, 5)),
)


def spec(budget: str = "") -> StudySpec:
    return read_study_file(FILE + (f"budget: {{{budget}}}\n" if budget else ""))


@pytest.mark.parametrize(
    ("budget", "name", "limit", "used"),
    [
        ("trials: 10", "trials", 10, 7),
        ("wall: 2h", "wall_s", 7200.0, 3600.0),
        ("gpu_hours: 5", "gpu_hours", 5.0, 2.5),
        ("patience: 20", "patience", 20, 4),
        ("regret: 0.05", "regret", 0.05, 0.02),
        ("failed: 3", "failed", 3, 2),
    ],
)
def test_each_limit_is_shown_with_what_is_used(budget: str, name: str, limit: float, used: float) -> None:
    answer = _answer(spec(budget), USED, None)
    assert answer.data["limits"] == {name: {"limit": limit, "used": used}}
    assert answer.rows == [{"budget": name, "limit": limit, "used": used}]


def test_a_target_has_nothing_that_is_used_up() -> None:
    limits = _answer(spec("target: 0.1"), USED, None).data["limits"]
    assert limits == {"target": {"limit": {"loss": 0.1}, "used": None}}


def test_a_study_without_a_limit_says_how_to_set_one(capsys: pytest.CaptureFixture[str]) -> None:
    answer = _answer(spec(), USED, None)
    assert answer.data == {"study": "my-study", "reached": None, "limits": {}}
    assert answer.empty == "the study has no limit; to set one: hpotool budget --study my-study --trials 100"
    assert in_every_format(answer, capsys)[Format.VALUE] == ""


def test_the_limit_that_was_reached_is_the_value_for_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    answer = _answer(spec("trials: 7"), USED, ReachedLimit("trials", "7 of 7 trials are finished"))
    assert in_every_format(answer, capsys)[Format.VALUE] == "trials\n"
    assert answer.data["reached"] == "trials"


def test_what_is_not_known_yet_is_empty() -> None:
    limits = _answer(spec("regret: 0.05"), Usage(), None).data["limits"]
    assert limits == {"regret": {"limit": 0.05, "used": None}}
