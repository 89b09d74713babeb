"""Attempts as a person meets them: workers, outcomes, logs, signals and checkpoints through the command line."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path

from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from tests.acceptance.command_line import CommandLine, wait_until

BADLY = """
import os, optuna
def objective(trial):
    print(f"trial {trial.number} speaks")
    if trial.number == 0:
        raise ValueError("no such column")
    if trial.number == 1:
        os._exit(9)
    if trial.number == 2:
        return float("nan")
    return trial.suggest_float("x", 0, 1)
"""
SLOWLY = """
import time, hpotool
def objective(trial):
    newest = hpotool.latest_checkpoint()
    start = hpotool.checkpoint_step(newest) + 1 if newest else 0
    print("starting at", start, flush=True)
    for step in range(start, 10):
        with hpotool.save_checkpoint(step) as folder:
            (folder / "state").write_text(str(step))
        print("step", step, flush=True)
        while step == 5 and start == 0:
            time.sleep(0.02)
            if trial.should_stop():
                return None
    return float(start)
"""


def create(hpotool: CommandLine, folder: Path, code: str, more: str) -> CommandLine:
    (folder / "own_objective.py").write_text(code)
    (folder / "study.yaml").write_text(
        "study: s\nobjective: {python: own_objective:objective}\nmetrics: {value: minimize}\n" + more
    )
    there = CommandLine(hpotool.url, folder, {**hpotool.environment, "HPOTOOL_HOME": str(folder / "home")})
    there.run("create-study", "study.yaml")
    return there


def test_a_worker_goes_on_after_bad_endings_and_says_what_they_were(hpotool: CommandLine, tmp_path: Path) -> None:
    there = create(hpotool, tmp_path, BADLY, "budget: {trials: 2}\nretry: {crash: 0}\n")
    there.run("worker", "--gpu", "none")
    trials = {trial["number"]: trial for trial in there.json("trials")}
    assert [trials[number]["outcome"] for number in range(5)] == ["error", "error", "nan", "complete", "complete"]
    reasons = [trials[number]["attempts"][-1]["reason"] for number in range(3)]
    assert reasons == [
        "ValueError: no such column",
        "its process exited with code 9 and without a result",
        "the objective returned nan: value=nan",
    ]
    printed = there.run("logs", "0").stdout
    assert printed.startswith("trial 0 speaks\n")
    assert "in objective" in printed
    assert "trial 77" in there.run("logs", "77", code=3).stderr


def test_a_log_of_another_machine_is_told_by_its_last_lines(hpotool: CommandLine, tmp_path: Path) -> None:
    there = create(hpotool, tmp_path, BADLY, "budget: {trials: 1}\nretry: {crash: 0}\n")
    there.run("worker", "--gpu", "none")
    elsewhere = CommandLine(there.url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "another")})
    told = elsewhere.run("logs", "3")
    assert told.stdout == "trial 3 speaks\n"
    assert f"the log is not, or no longer, below {tmp_path / 'another'}" in told.stderr
    with closing(Connection(DatabaseUrl.parse(there.url))) as connection:
        connection.run("UPDATE hpotool.attempts SET host = 'another-machine'")
    assert "the whole log is on another-machine" in elsewhere.run("logs", "3").stderr


def test_a_worker_that_gets_sigterm_hands_its_trial_on_from_its_checkpoint(
    hpotool: CommandLine, tmp_path: Path
) -> None:
    there = create(hpotool, tmp_path, SLOWLY, "search_space: {x: {float: [0, 1]}}\nbudget: {trials: 1}\n")
    log = tmp_path / "worker.log"
    with there.start("worker", "--gpu", "none", log=log) as worker:
        wait_until(lambda: "step 5" in there.run("logs", "0", code=None).stdout, "the fifth step is printed")
        following = tmp_path / "following.log"
        with there.start("logs", "0", "--follow", log=following) as follower:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 75, log.read_text()
            assert follower.wait(60) == 0
        assert following.read_text().endswith("step 5\n")
    there.run("worker", "--gpu", "none")
    outcomes = [trial["outcome"] for trial in there.json("trials")]
    assert outcomes == ["preempted", "complete"]
    assert there.run("logs", "1").stdout.startswith("starting at 6\n")
    assert there.json("best")["trials"][0]["values"] == {"value": 6.0}
