from datetime import timedelta

import optuna
import pytest

from hpotool.errors import CheckpointStoreError
from hpotool.study.outcome import Outcome
from hpotool.worker.attempt.runner import _with_unheard, _without_checkpoints
from hpotool.worker.attempt.running_attempt import AttemptResult, RunningAttempt

AWAY = CheckpointStoreError("s3://b is away")


@pytest.mark.parametrize(("begins_anew", "outcome"), [(False, Outcome.PREEMPTED), (True, Outcome.LOST)])
def test_an_attempt_without_its_checkpoints_is_tried_again(begins_anew: bool, outcome: Outcome) -> None:
    running = RunningAttempt(optuna.create_study().ask(), begins_anew=begins_anew)
    result = _without_checkpoints(running, AWAY)
    assert (result.outcome, result.broke) == (outcome, AWAY.message)
    assert result.reason == "its checkpoints are not available: s3://b is away"


def test_what_was_asked_of_it_comes_before_its_checkpoints() -> None:
    running = RunningAttempt(optuna.create_study().ask())
    running.stop(Outcome.CANCELLED, "enough", timedelta(0))
    assert _without_checkpoints(running, AWAY) == AttemptResult(Outcome.CANCELLED, "enough")


def test_a_result_says_what_of_it_was_not_stored() -> None:
    result = AttemptResult(Outcome.ERROR, "it raised")
    assert _with_unheard(result, None) is result
    assert _with_unheard(result, KeyError("k")).reason == (
        "it raised; one of its writes was not stored: KeyError: 'k'"
    )
