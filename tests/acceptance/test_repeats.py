"""Points that are tried twice, and workers that are not what the study was made with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine

MODULE = """
import pathlib

def bowl(trial):
    return (trial.suggest_float("x", 0, 1) - 0.3) ** 2 + abs(trial.suggest_float("y", 1e-3, 1, log=True) - 0.1)

def counted(trial):
    with pathlib.Path("runs").open("a") as runs:
        runs.write("x")
    return float(trial.suggest_int("n", 1, 3))
"""


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "mine.py").write_text(MODULE)
    return CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")})


def create(here: CommandLine, *flags: str) -> None:
    study = ["--study", "s", "--objective", "mine:counted", "--metric", "n:minimize", "--param", "n=int(1, 3)"]
    here.run("create-study", *study, "--trials", "12", "--sampler", "random", "--seed", "1", *flags)


def test_a_point_that_has_a_result_takes_it_over_when_duplicates_are_skipped(here: CommandLine) -> None:
    create(here, "--set", "duplicates=skip")
    here.run("worker")
    trials = here.json("trials")
    assert len(trials) == 12
    assert all(trial["values"]["n"] == trial["params"]["n"] for trial in trials)
    assert len((here.folder / "runs").read_text()) == len({trial["params"]["n"] for trial in trials})
    reasons = [trial["attempts"][0]["reason"] for trial in trials]
    assert any("the same point as trial" in (reason or "") for reason in reasons)


def test_a_strict_study_refuses_a_worker_with_other_code_and_another_study_tells_it(here: CommandLine) -> None:
    create(here, "--set", "strict=true")
    (here.folder / "mine.py").write_text(MODULE + "# changed\n")
    refused = here.run("worker", code=2)
    assert "the objective's code (SHA-256) is" in refused.stderr
    assert "the study is strict" in refused.stderr
    create(here, "--set", "strict=false")
    (here.folder / "mine.py").write_text(MODULE + "# changed again\n")
    assert "the objective's code (SHA-256) is" in here.run("worker").stderr
    assert here.json("status")["state"] == "done"


NOISY = """
def noisy(trial):
    x = trial.suggest_int("x", 1, 3)
    lucky = trial.number == 0
    trial.set_user_attr("seed", __import__("os").environ["HPOTOOL_SEED"])
    return 0.0 if lucky else x + trial.number / 100
"""


def test_a_point_that_comes_again_is_a_replicate_and_its_mean_is_compared(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(NOISY)
    here = CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")})
    study = ["--study", "s", "--objective", "mine:noisy", "--metric", "loss:minimize", "--param", "x=int(1, 3)"]
    here.run("create-study", *study, "--seed", "1", "--trials", "5", "--set", "duplicates=replicate")
    for x in (3, 3, 1, 1, 3):
        here.run("enqueue", f"x={x}")
    here.run("worker")

    [best] = here.json("best")["trials"]
    assert best["params"] == {"x": 1}
    assert best["number"] == 2
    assert best["values"]["loss"] == pytest.approx((1.02 + 1.03) / 2)
    assert best["replicates"] == {"n": 2, "trials": [2, 3], "standard_error": {"loss": pytest.approx(0.005)}}
    assert here.json("pareto")["trials"] == here.json("status")["best"] == [best]
    assert json.loads(here.run("export", "params", "--format", "json").stdout) == {"x": 1}
    assert "loss_se" in here.run("best").stdout

    trials = here.json("trials")
    assert [trial.get("replicate_of") for trial in trials] == [None, 0, None, 2, 0]
    shown = [here.json("show", str(number))["user_attributes"] for number in range(5)]
    assert len({attributes["seed"] for attributes in shown}) == 5
    assert shown[4]["replicate_of"] == 0

    here.run("create-study", *study, "--seed", "1", "--trials", "5", "--set", "duplicates=allow")
    assert here.json("best")["trials"][0]["number"] == 0


def test_replicates_on_several_workers_count_whoever_was_faster(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NOISY)
    here = CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")})
    study = ["--study", "s", "--objective", "mine:noisy", "--metric", "loss:minimize", "--param", "x=int(1, 3)"]
    here.run("create-study", *study, "--trials", "8", "--set", "duplicates=replicate")
    (tmp_path / "points.csv").write_text("x\n" + "2\n" * 8)
    here.run("enqueue", "points.csv")
    here.run("worker", "--workers", "3")
    status = here.json("status")
    [best] = status["best"]
    assert best["replicates"]["trials"] == [trial["number"] for trial in here.json("trials") if trial["values"]]
    assert status["state"] == "done"


def _sixty_trials(here: CommandLine, name: str, *worker: str) -> list[tuple[object, object]]:
    study = ["--study", name, "--objective", "mine:bowl", "--metric", "height:minimize"]
    here.run("create-study", *study, "--trials", "60", "--seed", "3")
    here.run("worker", "--study", name, *worker)
    return [(trial["params"], trial["values"]) for trial in here.json("trials", "--study", name)]


def test_one_worker_makes_sixty_trials_twice_the_same(here: CommandLine) -> None:
    first = _sixty_trials(here, "first")
    assert len(first) == 60
    assert _sixty_trials(here, "second") == first


CURVES = """
import math
import optuna

def curve(trial):
    level = (trial.suggest_float("x", 0, 1) - 0.3) ** 2 + trial.suggest_int("k", 0, 3) / 10
    if trial.params["x"] > 0.9:
        raise ValueError("it diverges there")
    for step in range(15):
        value = level + math.exp(-0.4 * step)
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value
"""


@pytest.mark.parametrize("sampler", ["auto", "tpe"])
def test_a_worker_that_is_started_again_in_between_makes_the_same_trials(here: CommandLine, sampler: str) -> None:
    (here.folder / "mine.py").write_text(CURVES)
    ends = {}
    for name, budgets in (("once", [45]), ("often", [7, 22, 31, 45])):
        study = ["--study", name, "--objective", "mine:curve", "--metric", "loss:minimize", "--sampler", sampler]
        here.run("create-study", *study, "--seed", "5", "--pruner", "learned", "--trials", str(budgets[0]))
        for budget in budgets:
            here.run("budget", "--study", name, "--trials", str(budget))
            here.run("worker", "--study", name, "--gpu", "none", "--no-breaker")
        trials = here.json("trials", "--study", name)
        ends[name] = [(trial["state"], trial["params"], trial["values"]) for trial in trials]
    assert ends["often"] == ends["once"]
    assert {"PRUNED", "COMPLETE", "FAIL"} == {state for state, *_ in ends["once"]}


def test_eight_workers_never_make_the_same_suggestion_twice(here: CommandLine) -> None:
    trials = _sixty_trials(here, "eight", "--gpu", "none", "--workers", "8")
    assert len(trials) == 60
    for name in ("x", "y"):
        assert len({params[name] for params, _ in trials}) == 60
