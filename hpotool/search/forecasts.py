"""The final values that a pruner foretold, as samplers read them."""

from __future__ import annotations

import json
import math

from optuna.trial import FrozenTrial, TrialState

from hpotool.storage.optuna.stored_trial import StoredTrial
from hpotool.study.forecast import FORECAST_ATTRIBUTE, Forecast


def foretold_value(trial: FrozenTrial) -> float:
    """Return what a trial that was ended early was going to end with; NaN where nobody foretold it."""
    if trial.state != TrialState.PRUNED or len(trial.values or ()) > 1:
        return math.nan
    if isinstance(trial, StoredTrial):  # of which no other attribute is decoded
        keys, texts = trial.system_attributes
        if FORECAST_ATTRIBUTE not in keys:
            return math.nan
        forecast = Forecast.of({FORECAST_ATTRIBUTE: json.loads(texts[keys.index(FORECAST_ATTRIBUTE)])})
    else:
        forecast = Forecast.of(trial.system_attrs)
    return math.nan if forecast is None else forecast.expected
