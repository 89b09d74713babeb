import math

import pytest
from optuna.trial import TrialState, create_trial

from hpotool.search.forecasts import foretold_value
from hpotool.study.forecast import FORECAST_ATTRIBUTE, Forecast

ATTRIBUTES = {FORECAST_ATTRIBUTE: Forecast(3, 0.4, 0.1, 0.2).as_data()}


def test_a_pruned_trial_is_worth_what_was_foretold() -> None:
    trial = create_trial(state=TrialState.PRUNED, value=2.0, intermediate_values={3: 2.0}, system_attrs=ATTRIBUTES)
    assert foretold_value(trial) == 0.4


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.FAIL])
def test_one_that_went_on_is_not(state: TrialState) -> None:
    value = 2.0 if state == TrialState.COMPLETE else None
    assert math.isnan(foretold_value(create_trial(state=state, value=value, system_attrs=ATTRIBUTES)))


@pytest.mark.parametrize("attributes", [{}, {FORECAST_ATTRIBUTE: "?"}, {FORECAST_ATTRIBUTE: {"expected": 1}}])
def test_one_of_which_nothing_was_foretold_is_not(attributes: dict[str, object]) -> None:
    trial = create_trial(state=TrialState.PRUNED, value=2.0, system_attrs=attributes)
    assert math.isnan(foretold_value(trial))


def test_nor_is_one_of_several_metrics() -> None:
    trial = create_trial(state=TrialState.PRUNED, values=[2.0, 1.0], system_attrs=ATTRIBUTES)
    assert math.isnan(foretold_value(trial))
