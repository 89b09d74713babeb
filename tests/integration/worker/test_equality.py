"""Real objectives with pruning, through the child and in plain `study.optimize`: trial by trial the same."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.study.outcome import Outcome
from hpotool.study.spec import MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.attempt.runner import AttemptRunner
from hpotool.worker.child.import_objective import load_objective

pytestmark = pytest.mark.xdist_group("torch")

OBJECTIVES = [
    ("objectives.xgboost_digits:objective", 8),
    ("objectives.pytorch_digits:objective", 7),
    ("tests.callback_objective:objective", 12),
]


def new_study() -> optuna.Study:
    return optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=4, n_startup_trials=5),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=2),
    )


@pytest.mark.parametrize(("reference", "trials"), OBJECTIVES, ids=["xgboost", "pytorch", "pruning-callback"])
def test_a_real_objective_gives_the_trials_of_plain_optuna(tmp_path: Path, reference: str, trials: int) -> None:
    pytest.importorskip("torch" if "torch" in reference else "xgboost")
    spec = StudySpec("s", ObjectiveSpec(python=reference), (MetricSpec("accuracy", "maximize"),))
    ours, plain = new_study(), new_study()
    with AttemptRunner(spec, tmp_path) as runner:

        def in_a_child(trial: optuna.Trial) -> Any:
            result = runner.run(trial)
            if result.outcome is Outcome.PRUNED:
                raise optuna.TrialPruned
            return result.values

        ours.optimize(in_a_child, n_trials=trials)
    plain.optimize(load_objective(reference), n_trials=trials)

    def content(study: optuna.Study) -> list[Any]:
        return [(trial.state, trial.params, trial.values, trial.intermediate_values) for trial in study.trials]

    assert content(ours) == content(plain)
    assert {trial.state for trial in ours.trials} == {TrialState.COMPLETE, TrialState.PRUNED}
