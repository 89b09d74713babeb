"""Rows of Optuna's tables to trials and back.

What repeats is shared: a distribution is parsed once per distinct text, and trials with the same parameters share
one dict of distributions. Nobody may change what a storage returns; that is Optuna's contract.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from hpotool.storage.stored_trial import NO_STEPS, StepIndex, StepValues, StoredTrial

StepLoader = Callable[[StoredTrial], StepValues]

_STATES = {state.name: state for state in TrialState}


def value_types(values: Sequence[float]) -> list[str]:
    """How Optuna marks each value: infinities and NaN have a type and no value."""
    return [
        "FINITE" if math.isfinite(value) else "NAN" if math.isnan(value) else "INF_POS" if value > 0 else "INF_NEG"
        for value in values
    ]


def finite_or_none(values: Sequence[float]) -> list[float | None]:
    """The values as they stand beside their types."""
    return [value if math.isfinite(value) else None for value in values]


def to_local_time(stored: datetime | None) -> datetime | None:
    """Optuna stores naive UTC and shows naive local time."""
    return stored and stored.replace(tzinfo=timezone.utc).astimezone().replace(tzinfo=None)


def to_stored_time(local: datetime | None) -> datetime | None:
    """The inverse of `to_local_time`."""
    return local and local.astimezone(timezone.utc).replace(tzinfo=None)


def decode_attributes(keys: Sequence[str] | None, values: Sequence[str] | None) -> dict[str, Any]:
    """Attributes from their JSON texts."""
    if keys is None or values is None:
        return {}
    return {key: json.loads(value) for key, value in zip(keys, values, strict=True)}


class TrialDecoder:
    """Turns rows of the query ``trial_columns`` into trials."""

    def __init__(self, load_steps: StepLoader) -> None:
        self._load_steps = load_steps
        self._distributions: dict[str, BaseDistribution] = {}
        self._distribution_sets: dict[tuple[str, ...], dict[str, BaseDistribution]] = {}
        self._step_indexes: dict[tuple[int, ...], StepIndex] = {}

    def distribution(self, text: str) -> BaseDistribution:
        """The distribution of a JSON text, parsed once."""
        found = self._distributions.get(text)
        if found is None:
            found = self._distributions[text] = json_to_distribution(text)
        return found

    def trial(self, row: Sequence[Any]) -> FrozenTrial:
        """The trial of one row: small when finished, else a FrozenTrial with all its intermediate values."""
        (trial_id, _, number, state_name, started, completed, values, *parameters) = row
        names, numbers, texts, user_keys, user_values, system_keys, system_values = parameters[:7]
        steps, step_values, last_step, last_value = parameters[7:11]
        distributions = self._distribution_set(names, texts)
        state = _STATES[state_name]
        fields = {
            "_number": number,
            "state": state,
            "_values": values,
            "_datetime_start": to_local_time(started),
            "datetime_complete": to_local_time(completed),
            "_params": {
                name: distribution.to_external_repr(value)
                for (name, distribution), value in zip(distributions.items(), numbers or (), strict=True)
            },
            "_user_attrs": decode_attributes(user_keys, user_values),
            "_system_attrs": decode_attributes(system_keys, system_values),
            "_distributions": distributions,
            "_trial_id": trial_id,
        }
        if state.is_finished():
            last = None if last_step is None else (last_step, last_value)
            known = NO_STEPS if last is None else self.steps(steps, step_values) if steps else None
            return self.finished(fields, known, last)
        trial = FrozenTrial.__new__(FrozenTrial)
        trial.__dict__.update(fields)
        trial.__dict__["_distributions"] = dict(distributions)
        trial.intermediate_values = dict(zip(steps or (), step_values or (), strict=True))
        return trial

    def finished(
        self, fields: Mapping[str, Any], steps: StepValues | None, last: tuple[int, float] | None
    ) -> StoredTrial:
        """A finished trial of these fields; ``steps`` is None when they are to be loaded when asked for."""
        return StoredTrial(
            {**fields, "_steps": steps, "last_step_and_value": last, "load_steps": self._load_steps}
        )

    def steps(self, steps: Sequence[int], values: Sequence[float]) -> StepValues:
        """Intermediate values in their small form."""
        key = tuple(steps)
        index = self._step_indexes.get(key)
        if index is None:
            index = self._step_indexes[key] = StepIndex(key)
        return StepValues(index, array("d", values))

    def _distribution_set(
        self, names: Sequence[str] | None, texts: Sequence[str] | None
    ) -> dict[str, BaseDistribution]:
        if not names or not texts:
            return {}
        key = (*names, *texts)
        found = self._distribution_sets.get(key)
        if found is None:
            found = {name: self.distribution(text) for name, text in zip(names, texts, strict=True)}
            self._distribution_sets[key] = found
        return found
