"""``hpotool check`` and ``hpotool schema``: without a database."""

import json
from pathlib import Path

import pytest

from tests.acceptance.command_line import ROOT, CommandLine

FILE = """
study: checked
objective: {{python: "{objective}"}}
metrics: {{loss: minimize}}
search_space: {{x: {{float: [0, 1]}}, kind: {{choice: [a, b]}}, y: {{int: [1, 9], when: {{kind: b}}}}}}
warm_start: [{{x: 0.5, kind: b, y: 3}}]
"""
MODULE = """
def good(trial):
    print("seen by nobody")
    return trial.params["x"]

def keeps(trial):
    import hpotool
    (trial.checkpoint_dir / "model").write_text(str(hpotool.steps(0)))
    return float(hpotool.steps(0))

def bad(trial):
    raise ValueError("no data here")
"""


@pytest.fixture
def here(tmp_path: Path) -> CommandLine:
    (tmp_path / "mine.py").write_text(MODULE)
    return CommandLine(url=None, folder=tmp_path)


def write(here: CommandLine, objective: str) -> str:
    (here.folder / "study.yaml").write_text(FILE.format(objective=objective))
    return "study.yaml"


def test_a_good_file_shows_its_first_points_and_runs_a_dry_trial(here: CommandLine) -> None:
    done = here.run("check", write(here, "mine:good"), "--run", "--format", "json")
    found = json.loads(done.stdout)
    assert found["points"][0] == {"x": 0.5, "kind": "b", "y": 3}
    assert len(found["points"]) == 3
    assert found["run"]["outcome"] == "complete"
    assert found["run"]["values"] == {"loss": 0.5}
    assert "study.yaml is valid: study 'checked', 3 parameters, minimize loss" in done.stderr
    assert "sampler auto, which is a Gaussian process and TPE in turns: " in done.stderr
    assert "those that only some trials have: y" in done.stderr
    assert found["search"]["chosen"] == "a Gaussian process and TPE in turns"
    assert "the trial ended complete" in done.stderr
    again = json.loads(here.run("check", "study.yaml", "--format", "json").stdout)
    assert again["points"] == found["points"]
    assert again["run"] is None


@pytest.mark.parametrize("objective", ["mine:keeps", "mine:good"])
def test_a_dry_trial_of_tiers_tells_whether_others_could_go_on_from_it(here: CommandLine, objective: str) -> None:
    tiers = "tiers=[{trials: 4, steps: 3}, {trials: 2, steps: 9}]"
    done = here.run("check", write(here, objective), "--run", "--set", tiers)
    assert ("left no checkpoint" in done.stderr) == (objective == "mine:good")
    if objective == "mine:keeps":
        assert "loss = 3" in done.stderr


def test_trackers_that_do_not_answer_are_warned_of_and_end_nothing(here: CommandLine) -> None:
    """Trials run without them."""
    file = here.folder / write(here, "mine:good")
    text = "tracking: {mlflow: 'http://127.0.0.1:9', tensorboard: runs, wandb: 'http://127.0.0.1:9/ann/digits'}\n"
    file.write_text(file.read_text() + text)
    said = here.run("check", "study.yaml").stderr
    assert "warning: mlflow http://127.0.0.1:9: it does not answer" in said
    assert "hint: start it, or correct the address in tracking" in said
    assert "tensorboard runs: it can be used" in said
    assert "warning: wandb http://127.0.0.1:9/ann/digits: " in said
    assert not (here.folder / "runs").exists()


def test_a_failing_dry_trial_shows_what_it_said(here: CommandLine) -> None:
    done = here.run("check", write(here, "mine:bad"), "--run", code=1)
    assert "the trial ended error: ValueError: no data here" in done.stderr


def test_an_objective_that_cannot_be_imported_is_found_without_running_it(here: CommandLine) -> None:
    done = here.run("check", write(here, "nowhere:f"), code=2)
    assert "No module named 'nowhere'" in done.stderr


def test_every_problem_is_shown_at_its_place(here: CommandLine) -> None:
    (here.folder / "bad.yaml").write_text("study: a b\nmetrics: {loss: minimise}\n")
    done = here.run("check", "bad.yaml", "--set", "budget.trials=x", code=2)
    assert done.stderr.count("error: ") == 4
    assert "bad.yaml:2:17: expected maximize or minimize, got 'minimise'; did you mean 'minimize'?" in done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.name)
def test_every_study_of_the_repository_is_good(path: Path) -> None:
    CommandLine(url=None).run("check", str(path))


def test_the_schema_is_json_schema() -> None:
    schema = json.loads(CommandLine(url=None).run("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert set(schema["required"]) == {"study", "objective", "metrics"}


STEPS = """
def sixteen(trial):
    for step in range(16):
        trial.report(trial.params["x"], step)
        trial.should_prune()
    return trial.params["x"]
"""


def test_a_dry_trial_shows_that_the_pruner_expects_other_steps(here: CommandLine) -> None:
    (here.folder / "steps.py").write_text(STEPS)
    file = write(here, "steps:sixteen")
    told = here.run("check", file, "--run", "--set", "pruner={name: hyperband, max_resource: 81}").stderr
    assert "warning: hyperband's max_resource is 81" in told
    assert "write max_resource: 16" in told
    assert (
        "warning"
        not in here.run("check", file, "--run", "--set", "pruner={name: hyperband, max_resource: 16}").stderr
    )
    silent = here.run("check", write(here, "mine:good"), "--run", "--set", "pruner=median").stderr
    assert "warning: a trial completed without a report, and the pruner median cannot prune such trials" in silent


COMMAND = """
study: commanded
objective:
  command: [python, {script}, --lr, "{{lr}}", -v, --betas, "{{beta1}}", "{{beta2}}", "${{DATA}}", "{{seed}}"]
  patterns: {{loss: 'loss=([\\d.]+)'}}
metrics: {{loss: minimize}}
search_space:
  optimizer: {{choice: [sgd, adam]}}
  lr: {{float: [-1, 1]}}
  beta1: {{float: [0, 1], when: {{optimizer: adam}}}}
  beta2: {{float: [0, 1], when: {{optimizer: adam}}}}
warm_start: [{{optimizer: sgd, lr: -0.00001}}]
"""


def test_the_command_of_an_example_point_is_shown_and_what_it_can_lack(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('epoch 0 val_loss 0.2')\nprint('epoch 1 val_loss 0.1')")
    here = CommandLine(url=None, folder=tmp_path, environment={"DATA": "/secret"})
    (tmp_path / "study.yaml").write_text(COMMAND.format(script="train.py"))
    done = here.run("check", "study.yaml", "--format", "json")
    command = ["python", "train.py", "--lr", "-0.00001", "-v", "${DATA}", "{seed}"]
    assert json.loads(done.stdout)["command"] == command
    assert "the first point runs: python train.py --lr -0.00001 -v '${DATA}' '{seed}'" in done.stderr
    assert "left out without beta1, beta2: --betas {beta1} {beta2}" in done.stderr
    failed = here.run("check", "study.yaml", "--run", code=1)
    assert r"its pattern 'loss=([\\d.]+)' matched none of 2 lines" in failed.stderr
    assert "last output of the trial:\n  epoch 0 val_loss 0.2\n" in failed.stderr
    assert "hint" not in failed.stderr
    (tmp_path / "study.yaml").write_text(COMMAND.format(script="trainn.py"))
    missing = here.run("check", "study.yaml", code=2)
    assert "there is no file 'trainn.py' here" in missing.stderr
