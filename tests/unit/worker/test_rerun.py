from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from hpotool.study.file.reader import read_study_file
from hpotool.study.file.resolved import to_document
from hpotool.study.origins.recipe import Recipe, say_other_results
from hpotool.worker.rerun import PruneAt, rerun
from tests.unit.study.origins.test_recipe import RECIPE

MODULE = """
import os
import optuna

def train(trial):
    x = trial.suggest_float("x", 0, 1)
    for step in range(5):
        trial.report(x + step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    told = f"{trial.number} {os.environ['HPOTOOL_PHASE']} {os.environ.get('HPOTOOL_HOLDOUT')}"
    trial.set_user_attr("told", told)
    open("told", "w").write(f"{told} {os.listdir(os.environ['HPOTOOL_CHECKPOINT_DIR'])}")
    if x > 0.9:
        raise RuntimeError("too large")
    return trial.seed + x
"""
STUDY = """
study: s
objective: {python: "again:train", isolation: none}
metrics: {loss: minimize}
pruner: median
holdout: [late]
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    (tmp_path / "again.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    study = to_document(read_study_file(STUDY))
    return replace(RECIPE, study=study, params={"x": 0.25}, values={"loss": 7.25}, reports={})


def test_the_trial_runs_with_its_number_seed_and_parameters(recipe: Recipe) -> None:
    done = rerun(recipe)
    assert done.values == {"loss": 7.25}
    assert done.reports == {str(step): 0.25 + step for step in range(5)}
    assert Path("told").read_text() == "3 search None []"
    assert say_other_results(recipe, done.result.outcome.value, done.values, done.reports) == []


def test_choices_that_are_lists_are_chosen_again_without_a_word(
    recipe: Recipe, recwarn: pytest.WarningsRecorder
) -> None:
    suggest = (
        'shape = trial.suggest_categorical("shape", [[64, 32], [128]])\n    trial.set_user_attr("told", told)'
    )
    Path("listed.py").write_text(
        MODULE.replace('trial.set_user_attr("told", told)', suggest).replace("+ x", "+ len(shape)")
    )
    study = {**recipe.study, "objective": {"python": "listed:train", "isolation": "none"}}
    done = rerun(replace(recipe, study=study, params={"x": 0.25, "shape": [64, 32]}))
    assert done.values == {"loss": 9.0}
    assert not [warning for warning in recwarn if "Choices" in str(warning.message)]


def test_a_trial_apart_from_the_search_is_told_its_phase(recipe: Recipe) -> None:
    reevaluation = {"phase": "final", "point": "trial 1", "replicate": 0}
    assert rerun(replace(recipe, reevaluation=reevaluation)).values == {"loss": 7.25}
    assert Path("told").read_text() == "3 final late []"


def test_a_pruned_trial_is_pruned_where_it_was(recipe: Recipe) -> None:
    pruned = replace(recipe, state="PRUNED", outcome="pruned", values={}, reports={"0": 0.25, "2": 2.25})
    done = rerun(pruned)
    assert done.result.outcome.value == "pruned"
    assert list(done.reports) == ["0", "1", "2"]


def test_a_trial_that_failed_fails_again(recipe: Recipe) -> None:
    done = rerun(replace(recipe, params={"x": 0.95}, state="FAIL", outcome="error"))
    assert (done.result.outcome.value, done.values) == ("error", {})
    assert "too large" in str(done.result.reason)


def test_pruning_waits_for_its_step() -> None:
    study = optuna.create_study()
    trial = study.ask()
    asked = []
    for step in range(4):
        trial.report(1.0, step)
        asked.append(PruneAt(2).prune(study, study.trials[0]))
    assert asked == [False, False, True, True]
    assert not PruneAt(2).prune(study, optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING))
