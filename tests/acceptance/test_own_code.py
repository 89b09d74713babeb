"""A sampler, a pruner or an objective of somebody's own may raise anything: a worker says so and leaves with 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine

CODE = """
import optuna

class KeySampler(optuna.samplers.RandomSampler):
    def __init__(self, seed):
        raise KeyError("lr")

class OddPruner(optuna.pruners.NopPruner):
    def __init__(self):
        class Odd(BaseException):
            def __str__(self):
                raise SystemExit(0)
        raise Odd

class LeavingSampler(optuna.samplers.RandomSampler):
    def sample_independent(self, study, trial, name, distribution):
        if trial.number < 2:
            raise SystemExit(0)
        return super().sample_independent(study, trial, name, distribution)

def objective(trial):
    return trial.params["x"]
"""
LEAVES = "import sys\nprint('not for machines')\nsys.exit(0)\n"
STUDY = """
study: own
objective: {python: "own:objective"}
metrics: {x: minimize}
search_space: {x: {float: [0, 1]}}
budget: {trials: 5}
"""
WRONG = {
    "sampler=own:KeySampler": "the sampler 'own:KeySampler' cannot be created: KeyError: 'lr'",
    "pruner=own:OddPruner": "the pruner 'own:OddPruner' cannot be created: Odd: it cannot be shown",
    "sampler=leaves:Sampler": "the sampler 'leaves:Sampler' cannot be imported: SystemExit: 0",
    "objective.python=leaves:objective": "the objective 'leaves:objective' cannot be imported: SystemExit: 0",
}


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> CommandLine:
    """The modules lie in the folder in which the commands run, and nowhere else."""
    (tmp_path / "own.py").write_text(CODE)
    (tmp_path / "leaves.py").write_text(LEAVES)
    (tmp_path / "study.yaml").write_text(STUDY)
    return CommandLine(database_url, tmp_path)


@pytest.mark.parametrize("change", WRONG)
def test_a_worker_and_check_say_what_was_raised_and_leave_with_2(here: CommandLine, change: str) -> None:
    here.run("create-study", "study.yaml", "--set", change)
    for words in (("worker", "--gpu", "none"), ("check", "study.yaml", "--set", change)):
        said = here.run(*words, code=2).stderr
        assert f"error: {WRONG[change]}\nhint: it was " in said
        assert "Traceback" not in said
    assert here.json("status")["trials"] == {}


def test_a_worker_of_a_pool_says_what_was_raised_and_serves_the_others(here: CommandLine) -> None:
    here.run("create-study", "study.yaml", "--set", "pool=p", "--set", "sampler=random")
    here.run(
        "create-study", "study.yaml", "--set", "pool=p", "--set", "study=bad", "--set", "pruner=own:OddPruner"
    )
    left = here.run("worker", "--pool", "p", "--gpu", "none", code=1).stderr
    assert f"{WRONG['pruner=own:OddPruner']} (hint: it was raised in line " in left
    assert left.count("opening the study failed") == 1, "with the traceback, which nobody can ask for later"
    assert here.json("status", "own")["trials"] == {"COMPLETE": 5}


def test_a_sampler_that_leaves_ends_its_trial_and_not_the_worker(here: CommandLine) -> None:
    here.run("create-study", "study.yaml", "--set", "sampler=own:LeavingSampler")
    here.run("worker", "--gpu", "none")
    assert here.json("status")["trials"] == {"COMPLETE": 5, "FAIL": 2}
    assert "SystemExit: 0" in here.run("show", "0").stdout
