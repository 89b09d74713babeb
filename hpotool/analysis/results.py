"""A trial as an answer shows it: values under their metric's name, numbers that JSON can hold.

JSON knows no infinities. In data they are the texts ``"inf"``, ``"-inf"`` and ``"nan"``, which ``float()`` reads
back in Python, and the like of it in most other languages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from hpotool.errors import NotFoundError
from hpotool.storage.control.studies import default_metric_names

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Replicates:
    """The complete trials of one point, whose mean is shown, and the standard error of that mean by metric."""

    trials: tuple[int, ...]
    standard_error: Mapping[str, float | None]


@dataclass(frozen=True)
class TrialResult:
    """What one finished trial tried and what came out.

    Attributes:
        constraints: by name; the trial is feasible where none is above zero.
        replicates: of which trials these are the means, in a study of replicates.
    """

    number: int
    values: Mapping[str, float]
    params: Mapping[str, Any]
    constraints: Mapping[str, float]
    replicates: Replicates | None = None

    @property
    def is_feasible(self) -> bool:
        """Whether every constraint is met."""
        return all(value <= 0 for value in self.constraints.values())

    def as_data(self) -> dict[str, Any]:
        """Return the trial as JSON data."""
        data = {
            "number": self.number,
            "values": json_data(self.values),
            "params": json_data(self.params),
            "constraints": json_data(self.constraints),
        }
        if self.replicates is not None:
            data["replicates"] = {
                "n": len(self.replicates.trials),
                "trials": list(self.replicates.trials),
                "standard_error": json_data(self.replicates.standard_error),
            }
        return data

    def as_row(self) -> dict[str, Any]:
        """Return the trial as one flat line of a table: number, metrics, replicates, parameters, constraints.

        A name that a metric and a parameter share keeps both: the later one is prefixed with what it is.
        """
        row: dict[str, Any] = {"trial": self.number}
        groups: list[tuple[str, Mapping[str, Any]]] = [
            ("value", self.values),
            ("param", self.params),
            ("constraint", self.constraints),
        ]
        if self.replicates is not None:
            errors = {f"{name}_se": error for name, error in self.replicates.standard_error.items()}
            groups.insert(1, ("replicates", {"n": len(self.replicates.trials), **errors}))
        for kind, group in groups:
            for name, value in group.items():
                row[f"{kind}_{name}" if name in row else name] = value
        return row


def complete_trials(study: Study) -> list[FrozenTrial]:
    """Return the trials that ended with a value for every metric. They are shared: do not change them."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def metric_names(study: Study) -> tuple[str, ...]:
    """Return what the study's values are called, in their order."""
    return tuple(study.metric_names or default_metric_names(len(study.directions)))


def metric_index(study: Study, metric: str) -> int:
    """Return the place of a metric among the study's values.

    Raises:
        NotFoundError: the study has no such metric.
    """
    names = metric_names(study)
    if metric not in names:
        raise NotFoundError(
            f"study {study.study_name!r} has no metric {metric!r}", f"its metrics are: {', '.join(names)}"
        )
    return names.index(metric)


def direction_signs(study: Study) -> list[float]:
    """Return, for each metric, what its values are multiplied with so that lower is better."""
    from optuna.study import StudyDirection

    return [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in study.directions]


def read_result(trial: FrozenTrial, names: tuple[str, ...]) -> TrialResult:
    """Return a trial's numbers under their names; a trial that has no values yet has an empty mapping."""
    values = trial.values or ()
    return TrialResult(
        trial.number, dict(zip(names, values, strict=False)), dict(trial.params), dict(trial.constraints)
    )


def utc(local: datetime | None) -> str | None:
    """Return a moment of Optuna's, naive local time, in the one zone that answers use, marked as such."""
    return None if local is None else local.astimezone(timezone.utc).isoformat()


def json_data(data: Any) -> Any:
    """Return the same data made of nothing but what strict JSON can hold."""
    if isinstance(data, Mapping):
        return {str(key): json_data(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [json_data(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return str(data)
    return data
