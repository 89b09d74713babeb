"""Each verdict of a fast pruner comes with what the trial was held against, and with nothing else."""

from __future__ import annotations

import math

import optuna
import pytest
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, PercentilePruner, SuccessiveHalvingPruner

from hpotool.search.pruning.fast_pruners import fast_pruner
from hpotool.search.pruning.verdict import say_verdict
from hpotool.storage.open import open_storage


@pytest.mark.parametrize(
    ("pruner", "direction", "worse", "said"),
    [
        (
            MedianPruner(n_startup_trials=0),
            "minimize",
            9.0,
            "median 2 of 5 trials, own best 9",
        ),
        (
            PercentilePruner(25, n_startup_trials=0),
            "maximize",
            2.5,
            "best 25 percent of 5 trials end at 3, own best 2.5",
        ),
        (MedianPruner(n_startup_trials=0), "minimize", math.nan, "it is not a number"),
        (
            SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
            "minimize",
            9.0,
            "5 of 6 trials at rung 0 are better, and 3 go on",
        ),
        (
            SuccessiveHalvingPruner(min_resource=1, reduction_factor=2, bootstrap_count=8),
            "minimize",
            0.0,
            "the first 8 trials at rung 0 are for others to be held against",
        ),
        (SuccessiveHalvingPruner(min_resource=1), "minimize", math.nan, "it is not a number"),
    ],
)
def test_a_trial_that_is_pruned_was_held_against_something(
    study_database_url: str, pruner: BasePruner, direction: str, worse: float, said: str
) -> None:
    study = _study_of_five(study_database_url, pruner, direction)
    trial = study.ask()
    trial.report(worse, 1)
    assert trial.should_prune()
    assert say_verdict(study.pruner) == said
    better = study.ask()
    better.report(-99.0 if direction == "minimize" else 99.0, 1)
    if not better.should_prune():
        assert say_verdict(study.pruner) is None


def test_hyperband_says_its_rung(study_database_url: str) -> None:
    pruner = HyperbandPruner(min_resource=1, max_resource=1, reduction_factor=2)  # one bracket
    study = _study_of_five(study_database_url, pruner, "minimize")
    trial = study.ask()
    trial.report(9.0, 1)
    assert trial.should_prune()
    assert say_verdict(study.pruner) == "5 of 6 trials at rung 0 are better, and 3 go on"


def _study_of_five(url: str, pruner: BasePruner, direction: str) -> optuna.Study:
    study = optuna.create_study(
        study_name="held-against", storage=open_storage(url), direction=direction, pruner=fast_pruner(pruner)
    )
    for value in range(5):
        study.add_trial(
            optuna.create_trial(
                value=value, intermediate_values={1: float(value)}, system_attrs={"completed_rung_0": float(value)}
            )
        )
    return study
