"""A look finds what the trials that had finished first say, whoever looks and whenever."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.search.regret import looks as looks_module
from hpotool.search.regret.estimate import estimate_regret
from hpotool.search.regret.looks import RegretLooks, sort_by_end

BEGAN = datetime(2026, 1, 1, tzinfo=timezone.utc)
X = FloatDistribution(0, 1)


def ended(count: int, failed: tuple[int, ...] = ()) -> list[FrozenTrial]:
    """Trials that ended in the reverse order of their numbers."""
    rng = np.random.default_rng(0)
    trials = []
    for number in range(count):
        x, is_failed = float(rng.uniform()), number in failed
        state = TrialState.FAIL if is_failed else TrialState.COMPLETE
        value = None if is_failed else (x - 0.3) ** 2
        trial = create_trial(state=state, value=value, params={"x": x}, distributions={"x": X})
        trial.number = trial._trial_id = number
        trial.datetime_complete = BEGAN - timedelta(seconds=number)
        trials.append(trial)
    return trials


def test_there_is_no_look_before_twenty_trials_have_finished() -> None:
    looks = RegretLooks(StudyDirection.MINIMIZE)
    assert looks.judge(ended(21, failed=(3, 5))) == ()
    assert len(looks.judge(ended(22, failed=(3, 5)))) == 1


def test_a_look_is_made_from_those_that_ended_first_and_the_failures_until_then() -> None:
    trials = ended(33, failed=(30,))
    found = RegretLooks(StudyDirection.MINIMIZE).judge(trials)
    by_end = sort_by_end(trials)
    assert [trial.number for trial in by_end] == list(range(32, -1, -1))
    expected = [estimate_regret(by_end[:count], StudyDirection.MINIMIZE) for count in (26, 31)]
    assert list(found) == expected
    assert [look.trials for look in found if look] == [25, 30]


def test_whoever_looks_later_or_more_often_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def estimate(trials: list[FrozenTrial], *more: object) -> object:
        counted.append(len(trials))
        return estimate_regret(trials, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(looks_module, "estimate_regret", estimate)
    trials = ended(42)[::-1]  # in the order in which they ended
    patient, late = RegretLooks(StudyDirection.MINIMIZE), RegretLooks(StudyDirection.MINIMIZE)
    for count in (20, 22, 25, 29, 30, 34, 35, 39, 40, 42):
        often = patient.judge(trials[:count])
    assert counted == [20, 25, 30, 35, 40], "each look once"
    assert late.judge(trials) == often


def test_trials_that_run_or_never_ended_have_no_place() -> None:
    trials = ended(3)
    trials[1].state, trials[1].datetime_complete = TrialState.RUNNING, None
    assert [trial.number for trial in sort_by_end(trials)] == [2, 0]
