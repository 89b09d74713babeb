"""The content of a trial as plain JSON data, for storing on disk and sending again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial

_LINEAGE = ("failed_trial", "retry_history")


@dataclass(frozen=True)
class TrialContent:
    """Parameters (name, inner value, distribution as JSON), reports (step, value), attributes (key to JSON text).

    Excludes the lineage, which belongs to the trial's row and is not written by an attempt.
    """

    params: Sequence[tuple[str, float, str]] = ()
    steps: Sequence[tuple[int, float]] = ()
    user_attrs: Mapping[str, str] = field(default_factory=dict)
    system_attrs: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The number of entries written: more means newer."""
        return len(self.params) + len(self.steps) + len(self.user_attrs) + len(self.system_attrs)

    @classmethod
    def of(cls, trial: FrozenTrial) -> TrialContent:
        """The content of ``trial``."""
        return cls(
            params=[
                (
                    name,
                    float(distribution.to_internal_repr(trial.params[name])),
                    distribution_to_json(distribution),
                )
                for name, distribution in trial.distributions.items()
            ],
            steps=list(trial.intermediate_values.items()),
            user_attrs={key: json.dumps(value) for key, value in trial.user_attrs.items()},
            system_attrs={
                key: json.dumps(value) for key, value in trial.system_attrs.items() if key not in _LINEAGE
            },
        )
