from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from hpotool.search.tpe import InformedTPESampler
from hpotool.study.forecast import FORECAST_ATTRIBUTE, Forecast

SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}


@pytest.fixture
def study() -> optuna.Study:
    """Values that are best in the middle; whatever is above 0.6 fails."""
    study = optuna.create_study(sampler=InformedTPESampler(seed=0))
    for x in np.linspace(0, 1, 41):
        params = {"x": float(x)}
        if x > 0.6:
            study.add_trial(create_trial(state=TrialState.FAIL, params=params, distributions=SPACE))
        else:
            study.add_trial(create_trial(value=abs(x - 0.55), params=params, distributions=SPACE))
    return study


def proposals(study: optuna.Study) -> list[float]:
    return [study.ask(SPACE).params["x"] for _ in range(30)]


def test_failed_trials_are_bad_ones(study: optuna.Study) -> None:
    unaware = np.mean(np.asarray(proposals(study)) > 0.6)
    sampler = InformedTPESampler(seed=0)
    sampler.failed = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    study.sampler = sampler
    assert np.mean(np.asarray(proposals(study)) > 0.6) < unaware / 2


def test_failed_trials_of_another_space_tell_nothing(study: optuna.Study) -> None:
    sampler = InformedTPESampler(seed=0)
    other = {"x": FloatDistribution(0, 9)}
    sampler.failed = [create_trial(state=TrialState.FAIL, params={"x": 0.5}, distributions=other)]
    plain = InformedTPESampler(seed=0)
    chosen = []
    for each in (sampler, plain):
        study.sampler = each
        trial = study.ask(SPACE)
        chosen.append(trial.params["x"])
        study.tell(trial, state=TrialState.FAIL)
    assert chosen[0] == chosen[1]


def test_candidates_are_weighed_by_the_chance_that_they_succeed(study: optuna.Study) -> None:
    sampler = InformedTPESampler(seed=0)
    sampler.log_chance = lambda samples: np.where(samples["x"] > 0.5, -1e6, 0.0)
    study.sampler = sampler
    assert max(proposals(study)) <= 0.5


def test_a_pruned_trial_is_good_or_bad_by_what_was_foretold_of_it() -> None:
    space = FloatDistribution(0.0, 1.0)

    def add(study: optuna.Study, x: float, foretold: float) -> None:
        attributes = {FORECAST_ATTRIBUTE: Forecast(0, foretold, 0.1, 0.0).as_data()}
        study.add_trial(
            create_trial(
                state=TrialState.PRUNED,
                params={"x": x},
                distributions={"x": space},
                value=9.0,
                intermediate_values={0: 9.0},
                system_attrs=attributes,
            )
        )

    found = []
    for good in (0.1, 0.9):
        study = optuna.create_study(sampler=InformedTPESampler(seed=0))
        for place in range(30):
            x = place / 30
            add(study, x, abs(x - good))
        found.append(np.median([study.ask({"x": space}).params["x"] for _ in range(20)]))
    assert found[0] < 0.4
    assert found[1] > 0.6
