"""``pause``, ``resume``, ``drain``, ``stop``, ``retry``, ``reap`` and ``events``, as typed."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from hpotool.storage.database.url import DatabaseUrl
from tests.acceptance.command_line import CommandLine, wait_until


@pytest.fixture
def study(hpotool: CommandLine, tmp_path: Path) -> optuna.Study:
    file = tmp_path / "study.yaml"
    file.write_text(
        "study: s\nobjective: {python: objectives.quadratic:objective}\nmetrics: {value: minimize}\n"
        "search_space: {x: {float: [0, 1]}}\nbudget: {trials: 3}\n"
    )
    hpotool.run("create-study", str(file))
    return optuna.load_study(study_name="s", storage=DatabaseUrl.parse(hpotool.url).sqlalchemy)


def test_a_study_is_paused_resumed_drained_and_stopped_and_the_log_says_by_whom(
    hpotool: CommandLine, study: optuna.Study
) -> None:
    hpotool.run("pause", "--reason", "the GPUs are needed")
    assert "already" in hpotool.run("pause").stderr
    for command in ("resume", "drain", "stop"):
        hpotool.run(command)

    moves = [event for event in hpotool.json("events") if event["event"] == "state"]
    assert [event["to"] for event in moves] == ["paused", "running", "draining", "stopped"]
    assert moves[0]["reason"] == "the GPUs are needed"
    assert all("@" in event["by"] for event in moves)


def test_one_trial_is_stopped_and_tried_again(hpotool: CommandLine, study: optuna.Study) -> None:
    study.enqueue_trial({"x": 0.5})

    hpotool.run("stop", "--trial", "0")
    assert "trial 0 is queued again, as trial 1" in hpotool.run("retry", "0").stderr

    states = [trial.state.name for trial in study.get_trials()]
    assert states == ["FAIL", "WAITING"]
    assert "already being retried, as trial 1" in hpotool.run("retry", "0", code=2).stderr
    assert "no trial 9" in hpotool.run("retry", "9", code=3).stderr


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_reap_watches_for_a_grace_period_and_reaps_nothing_that_it_did_not_watch(
    hpotool: CommandLine, study: optuna.Study
) -> None:
    assert "0 lost trials found" in hpotool.run("reap", "--grace", "1").stderr


def test_events_are_followed_as_they_happen_each_once(
    hpotool: CommandLine, study: optuna.Study, tmp_path: Path
) -> None:
    log = tmp_path / "events.log"
    with hpotool.start("events", "-f", log=log):
        wait_until(log.read_text, "the first line")
        hpotool.run("pause")
        hpotool.run("resume")
        wait_until(lambda: "paused → running" in log.read_text(), "the last line")

    lines = log.read_text().splitlines()
    assert sum("running → paused" in line for line in lines) == 1
    assert len(lines) == len(set(lines))
