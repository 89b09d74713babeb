"""Finished trials in memory: equivalent to Optuna's FrozenTrial at a tenth of its size.

A FrozenTrial with ten parameters and twenty reports takes 5 KB. Most readers use only a few of its fields, so this
class keeps the data in the database's form and decodes a field when it is accessed. Intermediate values, which
most readers never use, are loaded on access, for many trials at a time. Data that trials have in common is stored
once.
"""

from __future__ import annotations

import copy
import json
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

# FrozenTrial's own fields, which its equality compares.
FIELDS = (
    "_number",
    "state",
    "_values",
    "_datetime_start",
    "datetime_complete",
    "_params",
    "_user_attrs",
    "_system_attrs",
    "intermediate_values",
    "_distributions",
    "_trial_id",
)


def to_local_time(stored: datetime | None) -> datetime | None:
    """Convert naive UTC, which Optuna stores, to naive local time, which Optuna shows."""
    if stored is None:
        return None
    moment = stored.replace(tzinfo=timezone.utc)
    local = moment.astimezone().replace(tzinfo=None)
    # When clocks are set back, an hour comes twice; ``fold`` marks the second.
    return local if local.astimezone(timezone.utc) == moment else local.replace(fold=1)


class StepIndex:
    """A trial's steps and their positions in its values. Shared by trials that report the same steps."""

    __slots__ = ("positions",)

    def __init__(self, steps: tuple[int, ...]) -> None:
        self.positions = {step: position for position, step in enumerate(steps)}


class StepValues(Mapping[int, float]):
    """Intermediate values by step, in the order of reporting; immutable."""

    __slots__ = ("_index", "_values")

    def __init__(self, index: StepIndex, values: array[float]) -> None:
        self._index = index
        self._values = values

    def __getitem__(self, step: int) -> float:
        return self._values[self._index.positions[step]]

    def __contains__(self, step: object) -> bool:
        return step in self._index.positions

    def __iter__(self) -> Iterator[int]:
        return iter(self._index.positions)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self))


NO_STEPS = StepValues(StepIndex(()), array("d"))


class Attributes(NamedTuple):
    """Attributes by key, as JSON text."""

    keys: Sequence[str]
    texts: Sequence[str]

    def decode(self) -> dict[str, Any]:
        """The decoded attributes."""
        if not self.keys:
            return {}
        return {key: json.loads(text) for key, text in zip(self.keys, self.texts, strict=True)}


NO_ATTRIBUTES = Attributes((), ())


class StoredTrial(FrozenTrial):
    """A finished trial. Compares equal to the FrozenTrial with the same content, and is copied and pickled as one.

    ``packed_params`` are the parameters in their distributions' internal representation, in the order of
    ``_distributions``: eight bytes each, in network byte order.
    """

    __slots__ = (
        "_decoded_params",
        "_distributions",
        "_number",
        "_steps",
        "_stored_times",
        "_trial_id",
        "_values",
        "last_step_and_value",
        "load_steps",
        "packed_params",
        "state",
        "system_attributes",
        "user_attributes",
    )

    def __init__(
        self,
        *,
        trial_id: int,
        number: int,
        state: TrialState,
        stored_times: tuple[datetime | None, datetime | None],
        values: list[float] | None,
        distributions: dict[str, BaseDistribution],
        packed_params: bytes,
        user_attributes: Attributes,
        system_attributes: Attributes,
        last_step_and_value: tuple[int, float] | None,
        steps: StepValues | None,
        load_steps: Callable[[StoredTrial], StepValues],
    ) -> None:
        self._trial_id = trial_id
        self._number = number
        self.state = state
        self._stored_times = stored_times
        self._values = values
        self._distributions = distributions
        self.packed_params = packed_params
        self.user_attributes = user_attributes
        self.system_attributes = system_attributes
        self.last_step_and_value = last_step_and_value
        self._steps = steps
        self.load_steps = load_steps
        self._decoded_params: dict[str, Any] | None = None

    @property
    def _params(self) -> dict[str, Any]:  # type: ignore[override]
        if self._decoded_params is None:
            numbers = np.frombuffer(self.packed_params, dtype=">f8").tolist()
            self._decoded_params = {
                name: distribution.to_external_repr(number)
                for (name, distribution), number in zip(self._distributions.items(), numbers, strict=True)
            }
        return self._decoded_params

    @property
    def _datetime_start(self) -> datetime | None:  # type: ignore[override]
        return to_local_time(self._stored_times[0])

    @property
    def datetime_complete(self) -> datetime | None:  # type: ignore[override]
        """When the trial finished, in naive local time."""
        return to_local_time(self._stored_times[1])

    @property
    def stored_end(self) -> datetime | None:
        """When the trial finished, as stored: to compare with others."""
        return self._stored_times[1]

    @property
    def _user_attrs(self) -> dict[str, Any]:  # type: ignore[override]
        return self.user_attributes.decode()

    @property
    def _system_attrs(self) -> dict[str, Any]:  # type: ignore[override]
        return self.system_attributes.decode()

    @property
    def intermediate_values(self) -> Mapping[int, float]:  # type: ignore[override]
        """All reported values by step."""
        if self._steps is None:
            self._steps = self.load_steps(self)
        return self._steps

    @property
    def last_step(self) -> int | None:
        """The highest reported step; known without loading the values."""
        return None if self.last_step_and_value is None else self.last_step_and_value[0]

    def frozen(self) -> FrozenTrial:
        """A plain, mutable FrozenTrial with the same content."""
        trial = FrozenTrial.__new__(FrozenTrial)
        trial.__dict__.update(
            _number=self._number,
            state=self.state,
            _values=self._values and list(self._values),
            _datetime_start=self._datetime_start,
            datetime_complete=self.datetime_complete,
            _params=dict(self._params),
            _user_attrs=self._user_attrs,
            _system_attrs=self._system_attrs,
            intermediate_values=dict(self.intermediate_values),
            _distributions=dict(self._distributions),
            _trial_id=self._trial_id,
        )
        return trial

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenTrial:
        return self.frozen()

    def __copy__(self) -> FrozenTrial:
        return self.frozen()

    def __reduce__(self) -> tuple[Any, ...]:
        return copy.copy, (self.frozen(),)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrozenTrial):
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in FIELDS)

    __hash__ = FrozenTrial.__hash__

    def __repr__(self) -> str:
        return repr(self.frozen())
