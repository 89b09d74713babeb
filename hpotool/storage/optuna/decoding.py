"""Converts rows of Optuna's tables to trials and back.

Repeated data is shared: a distribution is parsed once per distinct text, and trials with the same parameters share
one dict of distributions. By Optuna's contract, nobody may change the objects that a storage returns.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    distribution_to_json,
    json_to_distribution,
)
from optuna.trial import FrozenTrial, TrialState

from hpotool.storage.optuna.stored_trial import (
    NO_ATTRIBUTES,
    NO_STEPS,
    Attributes,
    StepIndex,
    StepValues,
    StoredTrial,
    to_local_time,
)

__all__ = ["TrialDecoder", "decode_attributes", "finite_or_none", "to_local_time", "to_stored_time", "value_types"]

StepLoader = Callable[[StoredTrial], StepValues]
Distributions = dict[str, BaseDistribution]

_STATES = {state.name: state for state in TrialState}


def value_types(values: Sequence[float]) -> list[str]:
    """Optuna's type of each value: infinities and NaN have a type but no value."""
    return [
        "FINITE" if math.isfinite(value) else "NAN" if math.isnan(value) else "INF_POS" if value > 0 else "INF_NEG"
        for value in values
    ]


def finite_or_none(values: Sequence[float]) -> list[float | None]:
    """The values to store next to their types."""
    return [value if math.isfinite(value) else None for value in values]


def to_stored_time(local: datetime | None) -> datetime | None:
    """The inverse of `to_local_time`."""
    return local and local.astimezone(timezone.utc).replace(tzinfo=None)


def decode_attributes(keys: Sequence[str] | None, texts: Sequence[str] | None) -> dict[str, Any]:
    """Attributes from their JSON texts."""
    return _attributes(keys, texts).decode()


def pack(numbers: Sequence[float]) -> bytes:
    """Numbers of eight bytes each, in network byte order, as Postgres sends them."""
    return np.array(numbers, dtype=">f8").tobytes()


class TrialDecoder:
    """Turns rows into trials."""

    def __init__(self, load_steps: StepLoader) -> None:
        self._load_steps = load_steps
        self._distributions: dict[str, BaseDistribution] = {}
        self._sets_by_text: dict[tuple[str, ...], Distributions] = {}
        self._sets_by_hash: dict[bytes, Distributions] = {b"": {}}
        self._sets: dict[tuple[tuple[str, str], ...], Distributions] = {}
        self._step_indexes: dict[tuple[int, ...], StepIndex] = {}

    def distribution(self, text: str) -> BaseDistribution:
        """The distribution of a JSON text, parsed once."""
        found = self._distributions.get(text)
        if found is None:
            found = self._distributions[text] = _parse(text)
        return found

    def trial(self, row: Sequence[Any]) -> FrozenTrial:
        """The trial in a row of ``trial_columns``: compact if finished, else with all its reports."""
        trial_id, _, number, state_name, started, completed, values = row[:7]
        names, numbers, texts, user_keys, user_texts, system_keys, system_texts = row[7:14]
        steps, step_values, last_step, last_value = row[14:18]
        distributions = self._distributions_of(names, texts)
        state = _STATES[state_name]
        if state.is_finished():
            last = None if last_step is None else (last_step, last_value)
            return StoredTrial(
                trial_id=trial_id,
                number=number,
                state=state,
                stored_times=(started, completed),
                values=values,
                distributions=distributions,
                packed_params=pack(numbers or ()),
                user_attributes=_attributes(user_keys, user_texts),
                system_attributes=_attributes(system_keys, system_texts),
                last_step_and_value=last,
                steps=NO_STEPS if last is None else self.steps(steps, step_values) if steps else None,
                load_steps=self._load_steps,
            )
        trial = FrozenTrial.__new__(FrozenTrial)
        trial.__dict__.update(
            _number=number,
            state=state,
            _values=values,
            _datetime_start=to_local_time(started),
            datetime_complete=to_local_time(completed),
            _params={
                name: distribution.to_external_repr(value)
                for (name, distribution), value in zip(distributions.items(), numbers or (), strict=True)
            },
            _user_attrs=decode_attributes(user_keys, user_texts),
            _system_attrs=decode_attributes(system_keys, system_texts),
            intermediate_values=dict(zip(steps or (), step_values or (), strict=True)),
            _distributions=dict(distributions),
            _trial_id=trial_id,
        )
        return trial

    def unknown_hashes(self, rows: Sequence[Sequence[Any]]) -> dict[bytes, int]:
        """Combinations of parameters that are new in these rows of ``read_history``, each with a trial's id."""
        found = {bytes(row[6]): row[0] for row in rows if row[6] is not None}
        return {hashes: trial_id for hashes, trial_id in found.items() if hashes not in self._sets_by_hash}

    def learn_hash(self, hashes: bytes, names: Sequence[str], texts: Sequence[str]) -> None:
        """Record a combination of parameters."""
        self._sets_by_hash[hashes] = self._distributions_of(names, texts)

    def finished_trial(self, row: Sequence[Any]) -> StoredTrial:
        """The finished trial in a row of ``read_history``."""
        trial_id, number, state_name, started, completed, values, hashes, packed = row[:8]
        user_keys, user_texts, system_keys, system_texts, last_step, last_value = row[8:14]
        return StoredTrial(
            trial_id=trial_id,
            number=number,
            state=_STATES[state_name],
            stored_times=(started, completed),
            values=values,
            distributions=self._sets_by_hash[bytes(hashes or b"")],
            packed_params=bytes(packed or b""),
            user_attributes=_attributes(user_keys, user_texts),
            system_attributes=_attributes(system_keys, system_texts),
            last_step_and_value=None if last_step is None else (last_step, last_value),
            steps=NO_STEPS if last_step is None else None,
            load_steps=self._load_steps,
        )

    def ended(
        self, trial: FrozenTrial, state: TrialState, values: list[float] | None, completed: datetime | None
    ) -> StoredTrial:
        """An ended trial of this process, as other processes will read it."""
        steps = trial.intermediate_values
        return StoredTrial(
            trial_id=trial._trial_id,
            number=trial._number,
            state=state,
            stored_times=(to_stored_time(trial._datetime_start), to_stored_time(completed)),
            values=trial._values if values is None else values,
            distributions=self._shared(trial._distributions),
            packed_params=pack(
                [space.to_internal_repr(trial._params[name]) for name, space in trial._distributions.items()]
            ),
            user_attributes=_encoded(trial._user_attrs),
            system_attributes=_encoded(trial._system_attrs),
            last_step_and_value=max(steps.items(), default=None),
            steps=self.steps(list(steps), list(steps.values())),
            load_steps=self._load_steps,
        )

    def steps(self, steps: Sequence[int], values: Sequence[float]) -> StepValues:
        """Intermediate values in compact form."""
        key = tuple(steps)
        index = self._step_indexes.get(key)
        if index is None:
            index = self._step_indexes[key] = StepIndex(key)
        return StepValues(index, array("d", values))

    def _distributions_of(self, names: Sequence[str] | None, texts: Sequence[str] | None) -> Distributions:
        key = (*(names or ()), *(texts or ()))
        found = self._sets_by_text.get(key)
        if found is None:
            texts_by_name = zip(names or (), texts or (), strict=True)
            found = self._shared({name: self.distribution(text) for name, text in texts_by_name})
            self._sets_by_text[key] = found
        return found

    def _shared(self, distributions: Mapping[str, BaseDistribution]) -> Distributions:
        # Keyed by text, because choices may be lists, which are not hashable.
        key = tuple((name, distribution_to_json(space)) for name, space in distributions.items())
        return self._sets.setdefault(key, dict(distributions))


def _parse(text: str) -> BaseDistribution:
    content = json.loads(text)
    if content.get("name") != CategoricalDistribution.__name__:
        return json_to_distribution(text)
    # Created without its choices, because the constructor would warn every reader about choices that are lists.
    distribution = CategoricalDistribution((None,))
    distribution.choices = tuple(content["attributes"]["choices"])
    return distribution


def _attributes(keys: Sequence[str] | None, texts: Sequence[str] | None) -> Attributes:
    return NO_ATTRIBUTES if keys is None or texts is None else Attributes(keys, texts)


def _encoded(attributes: Mapping[str, Any]) -> Attributes:
    return Attributes(list(attributes), [json.dumps(value) for value in attributes.values()])
