"""With `isolation: none` an objective gets the answers of the same server, and its end is the attempt's."""

from __future__ import annotations

import copy
import os
import pickle
from datetime import timedelta
from typing import Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError

from hpotool.errors import DatabaseUnreachableError
from hpotool.study.outcome import Outcome
from hpotool.study.spec import MetricSpec
from hpotool.worker.attempt.in_process import CallLink
from hpotool.worker.attempt.running_attempt import RunningAttempt
from hpotool.worker.attempt.trial_server import TrialServer
from hpotool.worker.process.classify_end import Cause


@pytest.fixture
def trial() -> optuna.Trial:
    return optuna.create_study().ask()


def _link(trial: optuna.Trial) -> tuple[CallLink, RunningAttempt]:
    attempt = RunningAttempt(trial)
    return CallLink(TrialServer(trial, (MetricSpec("loss", "minimize"),), "loss"), attempt), attempt


def test_answers_are_copies_that_the_objective_may_change(trial: optuna.Trial) -> None:
    trial.set_user_attr("list", [1])
    link, _ = _link(trial)
    trials = link.ask({"do": "get_trials", "states": None})
    trials[0].user_attrs["list"].append(2)
    assert trial.user_attrs == {"list": [1]}


def test_an_error_of_one_call_ends_that_call_and_not_the_attempt(trial: optuna.Trial) -> None:
    link, attempt = _link(trial)
    with pytest.raises(ValueError, match="must be non-negative"):
        link.tell({"do": "report", "values": {"loss": 1.0}, "step": -1})
    link.tell({"do": "report", "values": {"loss": 1.0}, "step": 0})
    assert trial.study.trials[0].intermediate_values == {0: 1.0}
    assert attempt.asked is None


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (UpdateFinishedTrialError(), Cause(Outcome.CANCELLED, "its trial now belongs to another attempt")),
        (DatabaseUnreachableError("it is away"), Cause(Outcome.PREEMPTED, "it is away")),
    ],
    ids=["taken away", "an outage"],
)
def test_an_error_that_ends_the_attempt_is_its_cause(
    trial: optuna.Trial, monkeypatch: pytest.MonkeyPatch, error: Exception, cause: Cause
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    link, attempt = _link(trial)
    monkeypatch.setattr(trial.storage, "set_trial_user_attr", refuse)
    with pytest.raises(type(error)):
        link.ask({"do": "set_user_attr", "key": "a", "value": 1})
    assert attempt.asked == cause
    attempt.stop(Outcome.CANCELLED, "later", timedelta(0))
    assert attempt.asked == cause


def test_it_stays_in_its_process(trial: optuna.Trial) -> None:
    link, _ = _link(trial)
    assert copy.deepcopy(link) is link
    with pytest.raises(TypeError, match="isolation: process"):
        pickle.dumps(link)
    reader, writer = os.pipe()
    if os.fork() == 0:  # a fork must not use its parent's connection
        try:
            link.ask({"do": "should_prune"})
            os.write(writer, b"answered")
        except RuntimeError:
            os.write(writer, b"refused")
        finally:
            os._exit(0)
    os.wait()
    assert os.read(reader, 20) == b"refused"
    os.close(reader)
    os.close(writer)
