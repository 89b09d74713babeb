"""What a check says of a file and of the trial that it ran."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hpotool.cli.commands.describe.check import (
    _answer,
    _build_study,
    _example_command,
    _first_points,
    _judge,
    _say,
    _say_command,
)
from hpotool.errors import HpotoolError
from hpotool.study.file.reader import read_study_file
from hpotool.study.outcome import Outcome
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt.running_attempt import AttemptResult

FILE = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"
SPACE = "search_space: {lr: {float: [0.1, 1.0]}, depth: {int: [1, 9]}}\n"


def spec(more: str = SPACE) -> StudySpec:
    return read_study_file(FILE + more)


def test_two_checks_of_one_file_show_the_same_points() -> None:
    first, again = (_first_points(spec(), _build_study(spec()), 5) for _ in range(2))
    assert first == again
    assert len(first) == 5
    assert all(0.1 <= point["lr"] <= 1.0 and point["depth"] in range(1, 10) for point in first)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_warm_starts_come_first(count: int) -> None:
    warm = spec(f"{SPACE}warm_start: [{{lr: 0.25, depth: 3}}]\n")
    points = _first_points(warm, _build_study(warm), count)
    assert len(points) == count
    assert points[:1] == [{"lr": 0.25, "depth": 3}][:count]


def test_an_objective_that_suggests_its_parameters_has_no_points_to_show() -> None:
    assert _first_points(spec(""), _build_study(spec("")), 3) == []
    assert _answer(spec(""), [], None, None).empty == "the objective suggests its own parameters"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (SPACE, "my file.yaml is valid: study 's', 2 parameters, minimize loss"),
        ("search_space: {lr: {float: [0, 1]}}\n", "my file.yaml is valid: study 's', 1 parameter, minimize loss"),
        ("", "my file.yaml is valid: study 's', parameters suggested by the objective, minimize loss"),
    ],
)
def test_a_valid_file_is_told_in_a_sentence(more: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    _say(spec(more), Path("my file.yaml"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == said
    assert lines[-1] == "the objective can be imported"
    assert any(line.startswith("sampler ") for line in lines)
    assert any(line.startswith("pruner ") for line in lines)


COMMAND = "study: s\nobjective: {command: [train, --lr, '{lr}', --seed, '{seed}', --home, '${HOME}']}\n"


def test_the_command_of_the_first_point_leaves_what_only_an_attempt_knows_in_braces(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = read_study_file(f"{COMMAND}metrics: {{loss: minimize}}\nsearch_space: {{lr: {{float: [0, 1]}}}}\n")
    words = _example_command(command, [{"lr": 0.5}])
    assert words == ["train", "--lr", "0.5", "--seed", "{seed}", "--home", "${HOME}"]
    _say_command(command, words)
    assert capsys.readouterr().err.startswith("the first point runs: train --lr 0.5 --seed ")
    assert _example_command(command, []) is None
    assert _example_command(spec(), [{"lr": 0.5}]) is None


def ended(outcome: Outcome, **more: object) -> AttemptResult:
    return AttemptResult(outcome, duration=timedelta(seconds=1.25), **more)  # type: ignore[arg-type]


def test_a_trial_that_ended_well_is_told_with_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    _judge(spec(), ended(Outcome.COMPLETE, values=(0.5,)))
    assert capsys.readouterr().err == "the trial ended complete after 1.2 s: loss = 0.5\n"
    _judge(spec(), ended(Outcome.PRUNED))
    assert capsys.readouterr().err == "the trial ended pruned after 1.2 s\n"


def test_a_complete_trial_with_a_reason_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    _judge(spec(), ended(Outcome.COMPLETE, values=(0.5,), reason="it left 2 processes"))
    assert "warning: it left 2 processes" in capsys.readouterr().err


def test_a_trial_that_failed_is_an_error_below_its_last_output(capsys: pytest.CaptureFixture[str]) -> None:
    tail = "\n".join(f"line {number}" for number in range(1000))
    with pytest.raises(HpotoolError, match="the trial ended error: ValueError: no data"):
        _judge(spec(), ended(Outcome.ERROR, reason="ValueError: no data", output_tail=tail))
    said = capsys.readouterr().err
    assert said.startswith("last output of the trial:\n  ")
    assert said.endswith("  line 999\n")
    assert len(said) < 3500


def test_the_data_have_the_hash_the_search_and_the_trial() -> None:
    data = _answer(spec(), [{"lr": 0.5, "depth": 3}], None, ended(Outcome.COMPLETE, values=(0.5,))).data
    assert data["study"] == "s"
    assert len(data["hash"]) >= 16
    assert data["points"] == [{"lr": 0.5, "depth": 3}]
    assert data["run"] == {"outcome": "complete", "reason": None, "values": {"loss": 0.5}, "duration_s": 1.25}
    assert _answer(spec(), [], None, None).data["run"] is None
