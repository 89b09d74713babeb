"""A trial that this process runs, with everything it has written so far, sent or not."""

from __future__ import annotations

import copy
import threading
import time
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from hpotool.storage.optuna.decoding import TrialDecoder
from hpotool.storage.optuna.stored_trial import StoredTrial


class LiveTrial:
    """The current content of a RUNNING trial of this process. Thread-safe."""

    def __init__(self, study_id: int, trial: FrozenTrial) -> None:
        self.study_id = study_id
        self.verified_at = time.monotonic()  # when the database last confirmed that it is RUNNING
        self._trial = trial
        self._copy: FrozenTrial | None = None
        self._lock = threading.Lock()  # guards the two above

    @property
    def trial_id(self) -> int:
        """The trial's id."""
        return self._trial._trial_id

    def frozen(self) -> FrozenTrial:
        """A copy that is independent of later writes and may be changed."""
        with self._lock:
            return _copied(self._trial)

    def shared(self) -> FrozenTrial:
        """A copy that is independent of later writes and must not be changed."""
        with self._lock:
            if self._copy is None:
                self._copy = _copied(self._trial)
            return self._copy

    def has_param(self, name: str) -> bool:
        """Whether the parameter was written."""
        return name in self._trial._params

    def set_param(self, name: str, value_internal: float, distribution: BaseDistribution) -> None:
        """Write a parameter."""
        with self._lock:
            self._copy = None
            self._trial._params[name] = distribution.to_external_repr(value_internal)
            self._trial._distributions[name] = distribution

    def set_step(self, step: int, value: float) -> None:
        """Write an intermediate value."""
        with self._lock:
            self._copy = None
            self._trial.intermediate_values[step] = value

    def set_user_attr(self, key: str, value: Any) -> None:
        """Write a user attribute."""
        with self._lock:
            self._copy = None
            self._trial._user_attrs[key] = value

    def set_system_attr(self, key: str, value: Any) -> None:
        """Write a system attribute."""
        with self._lock:
            self._copy = None
            self._trial._system_attrs[key] = value

    def system_attrs(self) -> dict[str, Any]:
        """A copy of the system attributes."""
        return copy.deepcopy(self._trial._system_attrs) if self._trial._system_attrs else {}

    def finished(
        self, decoder: TrialDecoder, state: TrialState, values: list[float] | None, completed: datetime | None
    ) -> StoredTrial:
        """The ended trial, as other processes will read it."""
        return decoder.ended(self._trial, state, values, completed)


def _copied(trial: FrozenTrial) -> FrozenTrial:
    copied = FrozenTrial.__new__(FrozenTrial)
    copied.__dict__.update(trial.__dict__)
    copied.__dict__.update(
        _params=dict(trial._params),
        _distributions=dict(trial._distributions),
        _user_attrs=copy.deepcopy(trial._user_attrs) if trial._user_attrs else {},
        _system_attrs=copy.deepcopy(trial._system_attrs) if trial._system_attrs else {},
        intermediate_values=dict(trial.intermediate_values),
    )
    return copied
