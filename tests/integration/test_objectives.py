"""The examples are plain Optuna objectives: they run under ``study.optimize`` and nothing else."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

xgboost_digits = pytest.importorskip("objectives.xgboost_digits")
pytorch_digits = pytest.importorskip("objectives.pytorch_digits")

from hpotool.study.file.reader import read_study_file  # noqa: E402 - the heavy ones decide whether this file runs
from objectives import forest_tradeoff, quadratic  # noqa: E402

ROOT = Path(__file__).parents[2]


class PruneAt(optuna.pruners.BasePruner):
    """Prunes every trial at one step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return trial.last_step == self.step


def new_study(**settings: object) -> optuna.Study:
    settings.setdefault("sampler", optuna.samplers.TPESampler(seed=0))
    return optuna.create_study(**settings)  # type: ignore[arg-type]


def test_quadratic_is_lower_nearer_to_its_minimum() -> None:
    study = new_study(direction="minimize")
    study.enqueue_trial({"x": 2.0, "y": -1.0})
    study.optimize(quadratic.objective, n_trials=20)
    assert study.best_trial.number == 0
    assert study.best_value == 0.0


def test_xgboost_reports_every_round_and_beats_97_percent() -> None:
    study = new_study(direction="maximize", pruner=optuna.pruners.NopPruner())
    study.optimize(xgboost_digits.objective, n_trials=6)
    assert study.best_value > 0.97
    for trial in study.trials:
        assert list(trial.intermediate_values) == list(range(xgboost_digits.ROUNDS))
        assert trial.value == trial.intermediate_values[xgboost_digits.ROUNDS - 1]


def test_xgboost_suggests_the_limit_of_its_growth_policy_alone() -> None:
    study = new_study(direction="maximize", pruner=PruneAt(0))
    study.enqueue_trial({"grow_policy": "depthwise"})
    study.enqueue_trial({"grow_policy": "lossguide"})
    study.optimize(xgboost_digits.objective, n_trials=2)
    assert [("max_depth" in trial.params, "max_leaves" in trial.params) for trial in study.trials] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize("objective", [xgboost_digits.objective, pytorch_digits.objective])
def test_a_pruned_trial_stops_where_the_pruner_says(objective: optuna.study.study.ObjectiveFuncType) -> None:
    study = new_study(direction="maximize", pruner=PruneAt(2))
    study.optimize(objective, n_trials=1)
    assert study.trials[0].state == TrialState.PRUNED
    assert study.trials[0].last_step == 2


def test_pytorch_learns_digits() -> None:
    study = new_study(direction="maximize", pruner=optuna.pruners.NopPruner())
    study.enqueue_trial(
        {"lr": 0.005, "layers": 2, "width_0": 128, "width_1": 64, "dropout": 0.1, "batch_size": 64}
    )
    study.optimize(pytorch_digits.objective, n_trials=1)
    assert study.best_value > 0.95
    assert len(study.trials[0].intermediate_values) == pytorch_digits.EPOCHS


def test_an_interrupted_network_continues_and_ends_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = {"lr": 0.003, "layers": 1, "width_0": 32, "dropout": 0.3, "weight_decay": 1e-4, "batch_size": 32}
    monkeypatch.setenv("HPOTOOL_SEED", "7")

    def run(pruner: optuna.pruners.BasePruner) -> optuna.trial.FrozenTrial:
        study = new_study(direction="maximize", pruner=pruner)
        study.enqueue_trial(parameters)
        study.optimize(pytorch_digits.objective, n_trials=1)
        return study.trials[0]

    undisturbed = run(optuna.pruners.NopPruner())

    trained: list[int] = []
    train_epoch = pytorch_digits.train_epoch
    monkeypatch.setattr(
        pytorch_digits, "train_epoch", lambda *arguments: (trained.append(1), train_epoch(*arguments))
    )
    monkeypatch.setenv("HPOTOOL_CHECKPOINT_DIR", str(tmp_path))
    run(PruneAt(6))  # the interruption: seven epochs are saved, the eighth never begins
    continued = run(optuna.pruners.NopPruner())

    assert len(trained) == pytorch_digits.EPOCHS  # none of them twice
    assert continued.intermediate_values == undisturbed.intermediate_values
    assert continued.value == undisturbed.value
    assert [path.name for path in tmp_path.iterdir()] == ["digits.pt"]


def test_forest_trades_accuracy_for_size() -> None:
    study = new_study(directions=["maximize", "minimize"])
    study.enqueue_trial({"trees": 2, "max_depth": 3})
    study.enqueue_trial({"trees": 60, "max_depth": 12, "min_samples_leaf": 1})
    study.optimize(forest_tradeoff.objective, n_trials=2)
    (small_accuracy, small), (large_accuracy, large) = (trial.values for trial in study.trials)
    assert small < large
    assert small_accuracy < large_accuracy
    assert len(study.best_trials) == 2


def test_the_training_script_prints_a_line_of_json_per_epoch() -> None:
    command = [sys.executable, "objectives/sgd_digits.py", "--learning-rate", "0.05", "--penalty", "l1"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["step"] for line in lines] == list(range(10))
    assert lines[-1]["accuracy"] > 0.9


@pytest.mark.parametrize(("x", "y", "height"), [("2", "-1", 0.0), ("-1.5e0", "1e-3", 13.252001)])
def test_the_shell_script_is_the_same_bowl(x: str, y: str, height: float) -> None:
    command = ["sh", "objectives/quadratic.sh", x, y]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert math.isclose(json.loads(printed)["height"], height, rel_tol=1e-12)


@pytest.mark.parametrize("name", ["quadratic", "xgboost_digits", "forest_tradeoff"])
def test_the_search_space_of_the_file_is_that_of_the_code(name: str) -> None:
    module = sys.modules[f"objectives.{name}"]
    spec = read_study_file((ROOT / "studies" / f"{name}.yaml").read_text())
    declared = {parameter.name: parameter.distribution for parameter in spec.search_space}
    study = optuna.create_study(
        directions=[metric.direction for metric in spec.metrics], sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(module.objective, n_trials=6)
    suggested = {name: found for trial in study.trials for name, found in trial.distributions.items()}
    assert suggested == declared
    for trial in study.trials:
        expected = {
            parameter.name
            for parameter in spec.search_space
            if all(trial.params[parent] in values for parent, values in parameter.when.items())
        }
        assert set(trial.params) == expected
