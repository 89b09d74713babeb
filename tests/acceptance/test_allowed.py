"""``hpotool worker --only-objective``: what the database names and nobody allowed is not even imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine

CODE = """
from pathlib import Path
import optuna
Path("imported").touch()

class Sampler(optuna.samplers.RandomSampler):
    pass

class Pruner(optuna.pruners.NopPruner):
    pass

def objective(trial):
    return trial.suggest_float("x", 0, 1)
"""
HONEST = "def objective(trial):\n    return trial.suggest_float('x', 0, 1)\n"
STUDY = """
study: trained
objective: {python: "honest:objective"}
metrics: {x: minimize}
budget: {trials: 2}
"""


@pytest.fixture
def there(database_url: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "honest.py").write_text(HONEST)
    (tmp_path / "smuggled.py").write_text(CODE)
    (tmp_path / "study.yaml").write_text(STUDY)
    return CommandLine(database_url, tmp_path, {"PYTHONPATH": str(tmp_path)})


@pytest.mark.parametrize(
    ("change", "how"),
    [
        ("objective.python=smuggled:objective", "option"),
        ("objective.python=smuggled:objective", "several"),
        ("sampler=smuggled:Sampler", "option"),
        ("pruner=smuggled:Pruner", "variable"),
    ],
)
def test_a_study_that_names_other_code_is_refused_before_it_is_imported(
    there: CommandLine, change: str, how: str
) -> None:
    there.run("create-study", "study.yaml", "--set", change)
    words, environment = ["--only-objective", "honest:objective"], dict(there.environment)
    if how == "variable":
        words, environment["HPOTOOL_ALLOW"] = [], "honest:objective"
    if how == "several":
        words += ["--workers", "2"]
    guarded = CommandLine(there.url, there.folder, environment)
    refused = guarded.run("worker", "--gpu", "none", *words, code=None)
    assert refused.returncode != 0
    assert f"{change.partition('=')[2]!r} is not allowed" in refused.stderr
    assert not (there.folder / "imported").exists()
    assert there.json("status")["trials"] == {}


def test_what_is_allowed_runs(there: CommandLine) -> None:
    there.run("create-study", "study.yaml", "--set", "sampler=smuggled:Sampler")
    there.run(
        "worker", "--gpu", "none", "--only-objective", "honest:objective", "--only-objective", "smuggled:Sampler"
    )
    assert there.json("status")["trials"] == {"COMPLETE": 2}
