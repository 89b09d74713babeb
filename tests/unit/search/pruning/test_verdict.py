"""What a trial was held against, in words."""

from __future__ import annotations

import optuna
import pytest
from optuna.pruners import BasePruner, NopPruner, PatientPruner, PercentilePruner, ThresholdPruner, WilcoxonPruner

from hpotool.search.pruning.fast_pruners import fast_pruner
from hpotool.search.pruning.verdict import say_verdict


@pytest.mark.parametrize(
    ("pruner", "said"),
    [
        (ThresholdPruner(lower=0.5), "the pruner admits at least 0.5"),
        (ThresholdPruner(lower=0, upper=1e6), "the pruner admits at least 0 and at most 1e+06"),
        (PatientPruner(None, patience=3), "it got no better for 3 steps"),
        (
            PatientPruner(ThresholdPruner(upper=2), patience=3),
            "it got no better for 3 steps, and the pruner admits at most 2",
        ),
        (WilcoxonPruner(p_threshold=0.05), "by Wilcoxon's test it is worse than the best trial (p < 0.05)"),
        (NopPruner(), None),
        (fast_pruner(PercentilePruner(25)), None),  # it has ended no trial
    ],
)
def test_a_pruner_says_what_it_holds_against_a_trial(pruner: BasePruner, said: str | None) -> None:
    assert say_verdict(pruner) == said


def test_on_plain_optunas_storage_there_is_nothing_to_say() -> None:
    study = optuna.create_study(pruner=fast_pruner(PercentilePruner(25, n_startup_trials=0)))
    study.add_trial(optuna.create_trial(value=0, intermediate_values={0: 0.0}))
    trial = study.ask()
    trial.report(1.0, 0)
    assert trial.should_prune()
    assert say_verdict(study.pruner) is None
