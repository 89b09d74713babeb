import json
import math

import pytest

from hpotool.study.forecast import FORECAST_ATTRIBUTE, Forecast

FORECAST = Forecast(step=12, expected=0.3111, deviation=0.0234, best=0.2199)


def test_it_says_what_was_expected_and_of_what_it_fell_short() -> None:
    assert FORECAST.sentence() == "predicted 0.311 ± 0.02 against 0.22"


def test_it_reads_back_from_json() -> None:
    stored = json.loads(json.dumps({FORECAST_ATTRIBUTE: FORECAST.as_data()}))
    assert Forecast.of(stored) == FORECAST


@pytest.mark.parametrize(
    "data",
    [
        None,
        3,
        "text",
        [],
        {},
        {"step": 1},
        {**FORECAST.as_data(), "best": None},
        {**FORECAST.as_data(), "expected": math.nan},
    ],
)
def test_what_is_no_forecast_is_none(data: object) -> None:
    assert Forecast.of({FORECAST_ATTRIBUTE: data}) is None
    assert Forecast.of({}) is None
