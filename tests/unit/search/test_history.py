from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from hpotool.search.history import History
from hpotool.study.outcome import FAILED_ATTRIBUTE

BLAMED = {FAILED_ATTRIBUTE: "error"}


def history_of(*trials: tuple[TrialState, dict[str, Any]]) -> History:
    study = optuna.create_study()
    for state, attributes in trials:
        study.add_trial(
            create_trial(
                state=state,
                value=1.0 if state == TrialState.COMPLETE else None,
                params={"x": 0.5},
                distributions={"x": FloatDistribution(0, 1)},
                system_attrs=attributes,
            )
        )
    return History.of(study, study.ask()._cached_frozen_trial)


def numbers(trials: Any) -> list[int]:
    return [trial.number for trial in trials]


def test_only_what_the_parameters_are_to_blame_for_is_a_failure() -> None:
    history = history_of((TrialState.FAIL, {}), (TrialState.FAIL, BLAMED), (TrialState.COMPLETE, {}))
    assert numbers(history.failed) == [1]
    assert numbers(history.finished) == [2]


def test_a_failure_that_a_later_attempt_of_the_trial_refuted_is_none() -> None:
    retry = {"failed_trial": 0, "retry_history": [0]}
    history = history_of((TrialState.FAIL, BLAMED), (TrialState.COMPLETE, retry), (TrialState.FAIL, BLAMED))
    assert numbers(history.failed) == [2]


def test_what_a_constraint_ended_before_any_result_is_a_failure() -> None:
    history = history_of((TrialState.PRUNED, {"constraints:memory": 1.0}), (TrialState.PRUNED, {}))
    assert numbers(history.failed) == [0]
    assert numbers(history.finished) == [1]


def test_the_share_of_failures_is_that_of_the_latest_trials() -> None:
    failed, complete = (TrialState.FAIL, BLAMED), (TrialState.COMPLETE, dict[str, Any]())
    assert history_of(*[failed] * 10, *[complete] * 20).recent_failures == 0.0
    assert history_of(*[complete] * 10, *[failed, complete] * 10).recent_failures == 0.5
    assert history_of().recent_failures == 0.0


def test_of_the_others_those_run_of_which_it_is_known_where() -> None:
    study = optuna.create_study()
    first, second, _ = study.ask(), study.ask(), study.ask()
    first.suggest_float("x", 0, 1)
    second.suggest_float("x", 0, 1)
    assert numbers(History.of(study, first._cached_frozen_trial).running) == [second.number]


def test_a_failure_before_the_first_parameter_is_counted_and_lies_nowhere() -> None:
    study = optuna.create_study()
    study.add_trial(create_trial(state=TrialState.FAIL, system_attrs=BLAMED))
    history = History.of(study, study.ask()._cached_frozen_trial)
    assert numbers(history.failed) == [0]
    assert list(history.latest_failed) == []
    assert history.recent_failures == 1.0
