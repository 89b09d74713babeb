"""A worker of a study's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import optuna

from hpotool.study.outcome import Outcome
from hpotool.worker.attempt.running_attempt import AttemptResult
from hpotool.worker.start import FinalTraining, _keeping


def test_a_final_training_keeps_what_it_returned_by_the_names_of_its_metrics() -> None:
    kept: list[Any] = []
    keeper: Any = SimpleNamespace(keep=lambda _, values: kept.append(values))
    spec: Any = SimpleNamespace(metrics=[SimpleNamespace(name="loss"), SimpleNamespace(name="size")])
    assert _keeping(None, spec) is None
    keep = _keeping(FinalTraining(1, keeper), spec)
    assert keep is not None
    trial: Any = optuna.create_study().ask()
    keep(trial, AttemptResult(Outcome.CRASH))
    keep(trial, AttemptResult(Outcome.COMPLETE, values=(0.5, 3.0)))
    assert kept == [{"loss": 0.5, "size": 3.0}]
