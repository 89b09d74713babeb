"""New trials, as objects and as rows."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState

from hpotool.storage.optuna.decoding import finite_or_none, to_stored_time, value_types
from hpotool.storage.optuna.study_records import check_name


def running_trial(trial_id: int, number: int, started: datetime | None) -> FrozenTrial:
    """A trial that has just been created."""
    return FrozenTrial(
        number=number,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=started,
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=trial_id,
    )


def template_columns(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters of ``create_trial_from_template``.

    Raises:
        StorageInternalError: the database would refuse one of its names.
    """
    for name in (*trial.params, *trial.user_attrs, *trial.system_attrs):
        check_name(name)
    distributions = [trial.distributions[name] for name in trial.params]
    values = [float(value) for value in trial.values or ()]
    steps = [float(value) for value in trial.intermediate_values.values()]
    return {
        "state": trial.state.name,
        "datetime_start": to_stored_time(trial.datetime_start),
        "datetime_complete": to_stored_time(trial.datetime_complete),
        "values": finite_or_none(values),
        "value_types": value_types(values),
        "param_names": list(trial.params),
        "param_values": [
            float(distribution.to_internal_repr(value))
            for distribution, value in zip(distributions, trial.params.values(), strict=True)
        ],
        "distributions": [distribution_to_json(distribution) for distribution in distributions],
        "steps": [int(step) for step in trial.intermediate_values],
        "step_values": finite_or_none(steps),
        "step_types": value_types(steps),
        "user_keys": list(trial.user_attrs),
        "user_values": [json.dumps(value) for value in trial.user_attrs.values()],
        "system_keys": list(trial.system_attrs),
        "system_values": [json.dumps(value) for value in trial.system_attrs.values()],
    }
