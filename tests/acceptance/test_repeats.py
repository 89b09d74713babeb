"""Points that are tried twice, and workers that are not what the study was made with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine

MODULE = """
import pathlib

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
