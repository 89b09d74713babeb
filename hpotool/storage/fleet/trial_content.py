"""What a trial has written, as plain data that survives JSON: so it is put on disk, and sent again."""

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

    Without the lineage: that belongs to the trial's row, not to what an attempt wrote.
    """

    params: Sequence[tuple[str, float, str]] = ()
    steps: Sequence[tuple[int, float]] = ()
    user_attrs: Mapping[str, str] = field(default_factory=dict)
    system_attrs: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many things were written: more is newer."""
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
