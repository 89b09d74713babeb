"""What results come from: of two folders one has other data, which is told, recorded, and refused if strict.

Two working folders with a home folder each stand for machines here, and show where it is shown to people. Two
machines with a network and a disk each are in test_lineage_hosts.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hpotool.errors import EXIT_FAILED, EXIT_WRONG_INPUT
from tests.acceptance.command_line import ROOT, CommandLine

MODULE = """
import pathlib

def train(trial):
    rows = pathlib.Path("data/train/rows.csv").read_text()
    return trial.suggest_float("x", 0, 1) + len(rows)
"""
STUDY = """
study: churn
objective: {python: "mine:train"}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
sampler: {seed: 3}
budget: {trials: 1}
data: [data/train]
"""


def _machine(url: str, folder: Path) -> CommandLine:
    (folder / "data" / "train").mkdir(parents=True)
    (folder / "mine.py").write_text(MODULE)
    (folder / "study.yaml").write_text(STUDY)
    (folder / "data" / "train" / "rows.csv").write_text("1,2\n")
    (folder / "data" / "train" / "more.csv").write_text("3,4\n")
    return CommandLine(url, folder, {"HPOTOOL_HOME": str(folder / "home")})


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def commit(folder: Path) -> None:
    """Make a repository of the folder, in which all but the data and the home folder is committed."""
    (folder / ".gitignore").write_text("data\nhome\n__pycache__\n")
    _git(folder, "init", "-q")
    _git(folder, "add", "-A")
    _git(folder, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "all")


@pytest.fixture
def one(database_url: str, tmp_path: Path) -> CommandLine:
    return _machine(database_url, tmp_path / "one")


@pytest.fixture
def other(one: CommandLine, tmp_path: Path) -> CommandLine:
    """A second machine; a file of its data is another one."""
    folder = tmp_path / "other"
    machine = _machine(one.url or "", folder)
    (folder / "data" / "train" / "rows.csv").write_text("1,2\n5,6\n")
    return machine


def test_a_machine_with_other_data_is_told_recorded_and_refused_under_strict(
    one: CommandLine, other: CommandLine
) -> None:
    one.run("create-study", "study.yaml")
    assert "differs" not in one.run("worker", "churn").stderr
    one.run("budget", "churn", "--trials", "2")
    told = "data/train has another content (rows.csv differs)"
    assert told in other.run("worker", "churn").stderr

    changed, first = one.json("show", "--lineage")["origins"]
    assert [(origin["trials"], set(origin["differs"])) for origin in (first, changed)] == [
        ([0], set()),
        ([1], {"data data/train"}),
    ]
    assert changed["data"]["data/train"]["files"].keys() == {"rows.csv", "more.csv"}
    assert first["hashes"]["environment"] == changed["hashes"]["environment"]
    assert changed["environment"]["packages"]["optuna"].startswith("5.")
    drawn = one.run("show", "1", "--lineage").stdout
    assert "what differs from the study" in drawn
    assert "2 files" in drawn
    assert any(event["event"] == "drift" and told in event["reason"] for event in one.json("events"))
    one.run("report", "churn", "--output", "report.md")
    assert "data data/train was" in (one.folder / "report.md").read_text()

    one.run("create-study", "study.yaml", "--set", "strict=true", "--set", "budget.trials=3")
    refused = other.run("worker", "churn", code=EXIT_WRONG_INPUT).stderr
    assert "the study is strict" in refused
    assert told in refused


def _run_again(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the script with the Python of this test, whose packages are those of the trial."""
    return subprocess.run(
        [folder / "reproduce.sh", *options, "--format", "json"],
        env={**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("module", "change"),
    [("xgboost_digits", ("ROUNDS = 120", "ROUNDS = 12")), ("pytorch_digits", ("EPOCHS = 15", "EPOCHS = 2"))],
)
def test_the_examples_give_the_same_value_again(
    database_url: str, tmp_path: Path, module: str, change: tuple[str, str]
) -> None:
    """With uncommitted changes, which are gone by the time of the second run."""
    folder = tmp_path / "project"
    (folder / "objectives").mkdir(parents=True)
    (folder / "objectives" / "__init__.py").touch()
    source = folder / "objectives" / f"{module}.py"
    shutil.copy(ROOT / "objectives" / f"{module}.py", source)
    shutil.copy(ROOT / "studies" / f"{module}.yaml", folder / "study.yaml")
    commit(folder)
    committed = source.read_text()
    source.write_text(committed.replace(*change))
    here = CommandLine(database_url, folder, {"HPOTOOL_HOME": str(tmp_path / "home")})
    here.run("create-study", "study.yaml", "--set", "budget.trials=2", "--set", "pruner=none")
    here.run("worker")
    source.write_text(committed)

    wrote = here.json("reproduce", "1", "--output", "again")
    assert wrote["data_differs"] == []
    again = folder / "again"
    assert (again / "code" / "objectives" / f"{module}.py").read_text() == committed.replace(*change)
    assert "optuna==5." in (again / "requirements.txt").read_text()
    done = _run_again(again)
    assert done.returncode == 0, done.stderr
    found, lock = json.loads(done.stdout), json.loads((again / "lock.json").read_text())
    assert found["is_same"]
    assert found["values"] == lock["values"]
    assert len(lock["reports"]) == int(change[1].split()[-1])
    assert (lock["number"], lock["code"]["folder"]) == (1, ".")


def test_other_data_is_said_and_what_cannot_be_reproduced_is_refused(one: CommandLine) -> None:
    one.run("create-study", "study.yaml")
    one.run("worker", "churn")
    one.run("reproduce", "0")
    again = one.folder / "churn-0"
    assert json.loads(_run_again(again).stdout)["is_same"]

    rows = one.folder / "data" / "train" / "rows.csv"
    rows.write_text("1,2\n5,6\n")
    refused = _run_again(again)
    assert refused.returncode == EXIT_WRONG_INPUT
    assert "data/train has another content (rows.csv differs)" in refused.stderr
    anyway = _run_again(again, "--anyway")
    assert anyway.returncode == EXIT_FAILED
    assert json.loads(anyway.stdout)["differences"][0].startswith("loss is ")
    assert one.json("reproduce", "0", "--output", "other")["data_differs"]

    (one.folder / "mine.py").write_text("changed")
    said = one.run("reproduce", "0", "--output", "third", code=EXIT_WRONG_INPUT).stderr
    assert "mine.py is not the code of the trial" in said
    assert "exists and is not empty" in one.run("reproduce", "0", code=EXIT_WRONG_INPUT).stderr
