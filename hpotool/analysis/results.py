"""A trial in the form for answers: values by metric name, with numbers that JSON can represent.

JSON has no infinities. In data, they are the strings ``"inf"``, ``"-inf"`` and ``"nan"``, which ``float()`` in
Python, and similar functions in most other languages, read back.

Of a long study (`hpotool.storage.optuna.window`), questions are answered from the values of all complete trials,
which take a hundredth of the trials' own size, and from the few trials that are shown.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from hpotool.errors import NotFoundError, paste
from hpotool.storage.control.studies import default_metric_names

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from hpotool.storage.optuna.window import Values


@dataclass(frozen=True)
class Replicates:
    """The complete trials of one point whose mean is shown, and the standard error of that mean by metric."""

    trials: tuple[int, ...]
    standard_error: Mapping[str, float | None]


@dataclass(frozen=True)
class TrialResult:
    """A finished trial's parameters and results.

    Attributes:
        constraints: by name; the trial is feasible if none is above zero.
        replicates: the trials whose means these are, in a study with replicates.
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

        A name that is there already is prefixed with its kind.
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
            add_cells(row, kind, group)
        return row


def add_cells(row: dict[str, Any], kind: str, cells: Mapping[str, Any], own: Collection[str] = ()) -> None:
    """Add cells to a row under names that neither it nor ``own`` has: with their kind in front, if need be."""
    for name, value in cells.items():
        free = name
        while free in row or free in own:
            free = f"{kind}_{free}"
        row[free] = value


def complete_trials(study: Study) -> list[FrozenTrial]:
    """Return the trials that ended with a value for every metric. They are shared, so do not change them."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def values_of_long(study: Study) -> Values | None:
    """The values of a long study's complete trials; None: the study is not long, or in another storage."""
    from hpotool.storage.optuna.postgres import PostgresStorage

    storage = study._storage
    if not (isinstance(storage, PostgresStorage) and storage.is_long(study._study_id)):
        return None
    return storage.read_values(study._study_id)


def read_trials(study: Study, numbers: Sequence[int]) -> list[FrozenTrial]:
    """The finished trials with these numbers, in that order. They are shared, so do not change them."""
    from hpotool.storage.optuna.postgres import PostgresStorage

    if isinstance(study._storage, PostgresStorage):
        return study._storage.get_numbered(study._study_id, numbers)
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    return [trials[number] for number in numbers if number in trials]


def read_trial(study: Study, number: int) -> FrozenTrial:
    """One finished trial.

    Raises:
        NotFoundError: there is none of that number.
    """
    found = read_trials(study, [number])
    if not found:
        raise NotFoundError(
            f"study {study.study_name!r} has no finished trial {number}",
            paste("trials", "--study", study.study_name),
        )
    return found[0]


def metric_names(study: Study) -> tuple[str, ...]:
    """Return the names of the study's metrics, in order."""
    return tuple(study.metric_names or default_metric_names(len(study.directions)))


def metric_index(study: Study, metric: str) -> int:
    """Return the index of a metric among the study's values.

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
    """Return, for each metric, the factor that makes lower values better."""
    from optuna.study import StudyDirection

    return [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in study.directions]


def read_result(trial: FrozenTrial, names: tuple[str, ...]) -> TrialResult:
    """Return a trial's values by metric name; empty if it has no values yet."""
    values = trial.values or ()
    return TrialResult(
        trial.number, dict(zip(names, values, strict=False)), dict(trial.params), dict(trial.constraints)
    )


def utc(local: datetime | None) -> str | None:
    """Convert Optuna's naive local time to the zone used in all answers, with its mark."""
    return None if local is None else local.astimezone(timezone.utc).isoformat()


def duration_s(trial: FrozenTrial) -> float | None:
    """Return the seconds from a trial's start to its end; ``None`` if it has not ended.

    ``FrozenTrial.duration`` subtracts local times, and is an hour off where the clocks were changed in between.
    """
    start, end = trial.datetime_start, trial.datetime_complete
    if start is None or end is None:
        return None
    return (end.astimezone(timezone.utc) - start.astimezone(timezone.utc)).total_seconds()


def json_data(data: Any) -> Any:
    """Return the same data in the types of strict JSON."""
    if isinstance(data, Mapping):
        return {str(key): json_data(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [json_data(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return str(data)
    return data
