"""A pruner whose steps are not those of the objective, in a study with real workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine

STEPS = """
def sixteen(trial):
    for step in range(16):
        trial.report(trial.params["x"], step)
        trial.should_prune()
    return trial.params["x"]
"""
STUDY = """
study: steps
objective: {{python: "steps:sixteen"}}
metrics: {{loss: minimize}}
search_space: {{x: {{float: [0, 1]}}}}
pruner: {{name: hyperband, max_resource: {steps}}}
budget: {{trials: 8}}
"""


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "steps.py").write_text(STEPS)
    return CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")})


def create(here: CommandLine, steps: int) -> None:
    (here.folder / "study.yaml").write_text(STUDY.format(steps=steps))
    here.run("create-study", "study.yaml")


def test_workers_say_once_that_the_pruner_expects_other_steps(here: CommandLine) -> None:
    create(here, 81)
    logs = here.run("worker", "--workers", "2").stderr
    said = "hyperband's max_resource is 81, but a complete trial's last report was at step 15"
    assert 1 <= logs.count(said) <= 2  # each worker once
    noted = [event for event in here.json("events") if event["event"] == "pruner"]
    assert len(noted) == 1
    assert noted[0]["reason"].startswith(said)
    assert here.json("status")["warning"] == noted[0]["reason"]
    assert "warning: hyperband's max_resource is 81" in here.run("status").stdout


def test_workers_say_nothing_where_the_steps_fit(here: CommandLine) -> None:
    create(here, 16)
    assert "max_resource" not in here.run("worker").stderr
    assert all(event["event"] != "pruner" for event in here.json("events"))
    assert here.json("status")["warning"] is None
