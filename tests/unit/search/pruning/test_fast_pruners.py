"""A retry stays in the Hyperband bracket of the trial that was tried first."""

from __future__ import annotations

import optuna
import pytest

from hpotool.search.pruning.fast_pruners import fast_pruner


@pytest.fixture
def study() -> optuna.Study:
    study = optuna.create_study(study_name="brackets", pruner=optuna.pruners.HyperbandPruner(1, 81))
    study.pruner._try_initialization(study)
    return study


def _retry_of(number: int, new_number: int) -> optuna.trial.FrozenTrial:
    trial = optuna.create_trial(value=1.0, system_attrs={"failed_trial": number})
    trial.number = new_number
    return trial


def test_plain_optuna_moves_retries_to_other_brackets(study: optuna.Study) -> None:
    brackets = [study.pruner._get_bracket_id(study, _retry_of(7, new)) for new in range(8, 40)]

    assert len(set(brackets)) > 1


def test_a_retry_stays_in_its_bracket_and_no_other_trial_moves(study: optuna.Study) -> None:
    ours = fast_pruner(study.pruner)
    untried = optuna.create_trial(value=1.0)
    for number in range(50):
        untried.number = number
        bracket = study.pruner._get_bracket_id(study, untried)
        assert ours._get_bracket_id(study, untried) == bracket
        assert {ours._get_bracket_id(study, _retry_of(number, new)) for new in range(50, 70)} == {bracket}


def test_the_sampler_sees_a_retry_in_the_same_bracket(study: optuna.Study) -> None:
    study.pruner = fast_pruner(study.pruner)
    for number in range(12):
        study.add_trial(_retry_of(3, number))

    seen = optuna.pruners._filter_study(study, _retry_of(3, 99)).get_trials()

    assert len(seen) == 12
