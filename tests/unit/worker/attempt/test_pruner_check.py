from dataclasses import replace

import optuna

from hpotool.study.outcome import Outcome
from hpotool.study.spec import MetricSpec, ObjectiveSpec, PrunerSpec, StudySpec, TierSpec
from hpotool.worker.attempt.pruner_check import read_step_mismatch
from hpotool.worker.attempt.running_attempt import AttemptResult

SPEC = StudySpec("s", ObjectiveSpec(python="m:f"), (MetricSpec("loss", "minimize"),), pruner=PrunerSpec("median"))
COMPLETE = AttemptResult(Outcome.COMPLETE, values=(1.0,))


def test_a_complete_trial_without_reports_does_not_fit_a_pruner() -> None:
    trial = optuna.create_study().ask()
    assert "without a report" in (read_step_mismatch(SPEC, trial, COMPLETE) or "")


def test_what_did_not_complete_or_goes_on_from_another_shows_nothing() -> None:
    trial = optuna.create_study().ask()
    tiered = replace(SPEC, tiers=(TierSpec(2, 1), TierSpec(1, 2)))
    assert read_step_mismatch(SPEC, trial, AttemptResult(Outcome.CRASH)) is None
    assert read_step_mismatch(tiered, trial, COMPLETE) is None
