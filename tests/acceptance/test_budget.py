"""Limits other than the number of trials end a study for everybody; a larger budget takes it up again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.command_line import PATIENCE_S, CommandLine

MODULE = """
import os

def rising(trial):
    trial.suggest_float("x", 0, 1)
    return float(trial.number)

def raising(trial):
    raise RuntimeError("no")
"""


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "mine.py").write_text(MODULE)
    return CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")})


def create(here: CommandLine, *budget: str, objective: str = "rising", direction: str = "maximize") -> None:
    limits = [word for limit in budget for word in ("--set", f"budget.{limit}")]
    study = ["--study", "s", "--objective", f"mine:{objective}", "--metric", f"value:{direction}"]
    here.run("create-study", *study, "--sampler", "random", *limits)


def test_a_target_ends_the_study_and_status_says_so(here: CommandLine) -> None:
    create(here, "target=4")
    done = here.run("worker")
    assert "the study is done: budget.target: a trial reached the target (value 4)" in done.stderr
    status = here.json("status")
    assert (status["state"], status["trials"]) == ("done", {"COMPLETE": 5})
    assert "budget.target" in status["reason"]


def test_patience_counts_finished_trials_without_improvement(here: CommandLine) -> None:
    create(here, "patience=3", direction="minimize")
    here.run("worker")
    assert here.json("status")["trials"] == {"COMPLETE": 4}
    budget = here.json("budget")
    assert budget["reached"] == "patience"
    assert budget["limits"]["patience"] == {"limit": 3, "used": 3}
    assert here.run("budget", "--format", "csv").stdout.splitlines() == ["budget,limit,used", "patience,3,3"]


def test_failed_trials_end_the_study(here: CommandLine) -> None:
    create(here, "failed=2", objective="raising")
    here.run("worker", code=None)
    assert here.json("status")["trials"] == {"FAIL": 2}


def test_a_budget_grows_on_a_study_that_is_done(here: CommandLine) -> None:
    create(here, "trials=2", "target=3")
    here.run("worker")
    assert here.json("status")["trials"] == {"COMPLETE": 2}
    done = here.run("budget", "--trials", "10", "--target", "5", "--format", "json")
    assert "budget.trials changes from 2 to 10" in done.stderr
    assert json.loads(done.stdout)["limits"]["trials"] == {"limit": 10, "used": 2}
    here.run("worker")
    assert here.json("status")["trials"] == {"COMPLETE": 6}
    here.run("budget", "--target", "none")
    here.run("worker")
    assert here.json("status")["trials"] == {"COMPLETE": 10}


def test_a_bad_limit_is_refused_and_nothing_changes(here: CommandLine) -> None:
    create(here, "trials=2")
    assert "expected a whole number, 1 or more, got 0" in here.run("budget", "--trials", "0", code=2).stderr
    assert here.json("budget")["limits"] == {"trials": {"limit": 2, "used": 0}}


def test_a_worker_without_a_price_does_not_start_on_a_budget_of_money(here: CommandLine) -> None:
    create(here, "cost=5", "prices={H100: 2}")
    done = here.run("worker", "--gpu", "0", code=2)
    assert "no price for" in done.stderr or "GPU" in done.stderr


def test_wall_time_ends_what_runs_and_a_larger_budget_goes_on_from_there(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "import pathlib, time\n"
        "def endless(trial):\n"
        "    x = trial.suggest_float('x', 0, 1)\n"
        "    while not pathlib.Path('enough').exists():\n"
        "        time.sleep(0.05)\n"
        "    return x\n"
    )
    quick = {"HPOTOOL_HEARTBEAT_INTERVAL_S": "1", "HPOTOOL_GRACE_PERIOD_S": "5"}
    here = CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home"), **quick})
    create(here, "trials=1", "wall=3s", objective="endless")
    done = here.run("worker", "--grace", "1s")
    assert "budget.wall" in done.stderr
    status = here.json("status")
    assert (status["state"], status["trials"]) == ("done", {"WAITING": 1, "FAIL": 1})
    (tmp_path / "enough").touch()
    here.run("budget", "--wall", "none")
    here.run("worker")
    status = here.json("status")
    assert (status["state"], status["trials"]) == ("done", {"COMPLETE": 1, "FAIL": 1})
    first, second = here.json("trials")
    assert first["params"] == second["params"]
    assert first["outcome"] == "preempted"


@pytest.mark.timeout(900)  # on a machine that may be busy
def test_a_regret_ends_the_study_for_three_workers_once(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import pathlib, time\n"
        "def bowl(trial):\n"
        "    x = trial.suggest_float('x', 0, 1)\n"
        "    if trial.number >= 25:  # the second look is at 25 finished trials\n"
        "        while not pathlib.Path('go-on').exists():\n"
        "            time.sleep(0.05)\n"
        "    return (x - 0.3) ** 2\n"
    )
    quick = {"HPOTOOL_HEARTBEAT_INTERVAL_S": "1", "HPOTOOL_GRACE_PERIOD_S": "20"}
    here = CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home"), **quick})
    create(here, "regret=0.01", objective="bowl", direction="minimize")
    with (
        here.start("worker", "--grace", "1s", log=tmp_path / "one") as one,
        here.start("worker", "--grace", "1s", log=tmp_path / "two") as two,
        here.start("worker", "--grace", "1s", log=tmp_path / "three") as three,
    ):
        codes = [worker.wait(4 * PATIENCE_S) for worker in (one, two, three)]
    assert codes == [0, 0, 0]
    status = here.json("status")
    assert status["state"] == "done"
    assert status["reason"].startswith("budget.regret: after ")
    assert status["regret"]["at_most"] <= 0.01
    assert status["trials"].get("RUNNING") is None
    ends = [event for event in here.json("events") if event["to"] == "done"]
    assert len(ends) == 1
    budget = here.json("budget")
    assert (budget["reached"], budget["limits"]["regret"]["limit"]) == ("regret", 0.01)
    assert 0 <= budget["limits"]["regret"]["used"] <= 0.01
    said = here.run("status").stdout
    assert "further search can improve value over trial " in " ".join(said.split())
    (tmp_path / "go-on").touch()
    here.run("budget", "--regret", "none", "--trials", "29")
    here.run("worker")
    assert here.json("status")["trials"]["COMPLETE"] == 29
