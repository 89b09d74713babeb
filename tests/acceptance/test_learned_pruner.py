"""The learned pruner in studies with real workers, and what people see of it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine

PYTHON = """
import math
import optuna

def falling(trial):
    level = (trial.params["x"] - 0.3) ** 2
    for step in range(1, 21):
        trial.report(level + math.exp(-0.3 * step), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return level + math.exp(-6.0)

def crossing(trial):
    for step in range(1, 21):
        trial.report(trial.params["x"] if step < 18 else -trial.params["x"], step)
        trial.should_prune()
    return -trial.params["x"]
"""
COMMAND = """
import math, sys, time
level = (float(sys.argv[1]) - 0.3) ** 2
for step in range(1, 21):
    print('{"step": %d, "loss": %r}' % (step, level + math.exp(-0.3 * step)), flush=True)
    time.sleep(0.02)
"""
STUDY = """
study: {name}
objective: {objective}
metrics: {{loss: minimize}}
search_space: {{x: {{float: [0, 1]}}}}
sampler: {{seed: 1}}
pruner: {pruner}
budget: {{trials: {trials}}}
"""
REASON = re.compile(r"at step \d+: loss -?[\d.e-]+; predicted -?[\d.e-]+ ± [\d.e-]+ against -?[\d.e-]+")


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "curves.py").write_text(PYTHON)
    (tmp_path / "train.py").write_text(COMMAND)
    return CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")})


def create(here: CommandLine, name: str, objective: str, pruner: str = "learned", trials: int = 40) -> None:
    text = STUDY.format(name=name, objective=objective, pruner=pruner, trials=trials)
    (here.folder / f"{name}.yaml").write_text(text)
    here.run("create-study", f"{name}.yaml")


@pytest.mark.parametrize(
    "objective",
    ['{python: "curves:falling"}', f'{{command: ["{sys.executable}", train.py, "{{x}}"]}}'],
    ids=["python", "command"],
)
def test_workers_end_bad_trials_and_say_what_was_expected_of_them(here: CommandLine, objective: str) -> None:
    create(here, "falling", objective)
    here.run("worker", "--workers", "2")
    trials = here.json("trials")
    ended = [trial for trial in trials if trial["state"] == "PRUNED"]
    assert len(ended) >= 5
    reasons = [trial["attempts"][-1]["reason"] for trial in ended]
    assert all(REASON.fullmatch(reason) for reason in reasons), reasons
    assert min(abs(trial["params"]["x"] - 0.3) for trial in trials if trial["state"] == "COMPLETE") < 0.1
    assert "risk" not in here.json("status")


def test_status_says_that_early_ranks_foretell_nothing(here: CommandLine) -> None:
    create(here, "crossing", '{python: "curves:crossing"}', "median", trials=16)
    here.run("worker")
    risk = here.json("status")["risk"]
    assert risk.startswith("ranks at step 5 of 20 hardly predict final ones (rank correlation -1.00, 16 trials)")
    assert "warning: ranks at step 5 of 20 hardly predict" in " ".join(here.run("status").stdout.split())
    checked = here.run("check", "crossing.yaml", "--curves-of", "crossing").stderr
    assert "warning: in study crossing, ranks at step 5 of 20 hardly predict" in checked
