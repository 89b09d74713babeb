"""Finished trials as they are kept in memory: Optuna's FrozenTrial, but small.

Of 20 intermediate values a dict keeps 1.7 KB per trial, and most readers never look at them. So they are loaded
when somebody asks, many trials at a time, and kept as two arrays of which the steps are shared between trials.
"""

from __future__ import annotations

import copy
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from optuna.trial import FrozenTrial

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


class StepIndex:
    """The steps of a trial and where in its values each of them stands. Shared by trials that report alike."""

    __slots__ = ("positions",)

    def __init__(self, steps: tuple[int, ...]) -> None:
        self.positions = {step: position for position, step in enumerate(steps)}


class StepValues(Mapping[int, float]):
    """Intermediate values by step, in the order in which they were reported; unchangeable."""

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


class StoredTrial(FrozenTrial):
    """A finished trial. Equal to, and copied and pickled as, the FrozenTrial of the same content."""

    # The values that FrozenTrial keeps in __dict__, without its constructor's checks: they were made when written.
    last_step_and_value: tuple[int, float] | None
    load_steps: Callable[[StoredTrial], StepValues]
    _steps: StepValues | None

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.__dict__.update(fields)

    @property
    def intermediate_values(self) -> Mapping[int, float]:  # type: ignore[override]
        """All reported values by step."""
        if self._steps is None:
            self._steps = self.load_steps(self)
        return self._steps

    @property
    def last_step(self) -> int | None:
        """The highest step that was reported; known without loading the values."""
        return None if self.last_step_and_value is None else self.last_step_and_value[0]

    def frozen(self) -> FrozenTrial:
        """A plain FrozenTrial of the same content that may be changed."""
        trial = FrozenTrial.__new__(FrozenTrial)
        own = self.__dict__
        trial.__dict__.update(
            _number=own["_number"],
            state=own["state"],
            _values=own["_values"] and list(own["_values"]),
            _datetime_start=own["_datetime_start"],
            datetime_complete=own["datetime_complete"],
            _params=dict(own["_params"]),
            _user_attrs=copy.deepcopy(own["_user_attrs"]) if own["_user_attrs"] else {},
            _system_attrs=copy.deepcopy(own["_system_attrs"]) if own["_system_attrs"] else {},
            intermediate_values=dict(self.intermediate_values),
            _distributions=dict(own["_distributions"]),
            _trial_id=own["_trial_id"],
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
