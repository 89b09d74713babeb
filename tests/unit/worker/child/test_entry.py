"""Thousands of generated things that an objective may hand over, through the child's own functions."""

from __future__ import annotations

import io
import json
import random
import sys
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from hpotool.study.doors import LONGEST_REASON
from hpotool.study.outcome import Outcome
from hpotool.study.spec import MetricSpec, ObjectiveSpec
from hpotool.worker.attempt.in_process import CallLink
from hpotool.worker.attempt.running_attempt import RunningAttempt
from hpotool.worker.attempt.trial_server import TrialServer
from hpotool.worker.child.entry import call_objective
from hpotool.worker.child.objective_trial import ObjectiveTrial
from hpotool.worker.process.protocol import Job, StudyView
from tests.examples import examples
from tests.handover import Accepted, Case, same

CASES = examples(1_900)
METRICS = (MetricSpec("loss", "minimize"),)


def hand_over(case: Case) -> tuple[dict[str, Any], optuna.trial.FrozenTrial]:
    """How the child says that the case ended, and its trial as Optuna has it."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    view = StudyView("s", (study.direction,), ("loss",), (), "loss")
    job = Job(trial._cached_frozen_trial, view, ObjectiveSpec(python="tests.handover:objective"))
    link = CallLink(TrialServer(trial, METRICS, "loss"), RunningAttempt(trial))
    child = ObjectiveTrial(job, link, lambda: False)
    end = call_objective(job, lambda: case.run, child, lambda: False)
    return end, study._storage.get_trial(trial._trial_id)


def check_accepted(accepted: Accepted, stored: optuna.trial.FrozenTrial, extra: dict[str, Any]) -> None:
    """Exactly what was accepted is there, in type and value."""
    assert same({**stored.user_attrs, **extra}, {**stored.user_attrs, **extra} | accepted.user_attrs)
    assert {**stored.user_attrs, **extra}.keys() == accepted.user_attrs.keys()
    assert same(dict(stored.intermediate_values), accepted.reports)
    assert same(stored.constraints, accepted.constraints)
    assert same(stored.params, accepted.params)


@pytest.mark.filterwarnings("ignore")
def test_what_is_handed_over_is_kept_as_it_is_or_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    state = random.getstate()
    for number in range(CASES):
        with monkeypatch.context() as context:
            context.setattr(sys, "stderr", io.StringIO())  # a case may take it away
            context.setattr(sys, "stdout", io.StringIO())
            case = Case(number)
            told, stored = hand_over(case)
        end = json.loads(json.dumps(told))
        assert (end["end"], same(end.get("values"), case.accepted.values)) == (case.accepted.outcome, True), (
            number,
            end,
        )
        check_reason(end)
        assert bool(case.accepted.left_out) == (end["end"] == "complete" and bool(end["reason"])), (number, end)
        check_accepted(case.accepted, stored, end.get("extra", {}))
    random.setstate(state)


def check_reason(end: dict[str, Any]) -> None:
    """Every end that is no plain result says why: one line that can be stored and shown."""
    reason = end["reason"]
    if Outcome(end["end"]) is not Outcome.COMPLETE:
        assert reason
    if reason:
        assert len(reason) <= LONGEST_REASON + 40
        reason.encode()
        assert not any(ord(one) < 32 for one in reason)


def test_a_pruned_trial_says_what_it_had_reached() -> None:
    def prune(trial: ObjectiveTrial) -> float:
        trial.report(0.5, 3)
        trial.report(0.251, 7)
        raise optuna.TrialPruned

    class Pruned(Case):
        run = staticmethod(prune)  # type: ignore[assignment]

    end, _ = hand_over(Pruned(0))
    assert (end["end"], end["reason"]) == ("pruned", "at step 7: loss 0.251")


def test_a_traceback_begins_in_the_objective(capsys: pytest.CaptureFixture[str]) -> None:
    def objective(_: Any) -> float:
        try:
            return 1 / 0
        except ZeroDivisionError as error:
            raise ValueError("no loss") from error

    case: Any = SimpleNamespace(run=objective)
    end, _ = hand_over(case)
    assert end["reason"] == "ValueError: no loss"
    said = capsys.readouterr().err
    first, second = (part.splitlines() for part in said.split("Traceback (most recent call last):\n")[1:])
    assert first[0].endswith("in objective")
    assert "ZeroDivisionError: division by zero" in first
    assert second[0].endswith("in objective")
    assert second[-1] == "ValueError: no loss"
