"""A study's finished trials as a table of numbers, for samplers that would otherwise loop over them."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.samplers._tpe.sampler import _get_infeasible_trial_score
from optuna.trial import TrialState

from hpotool.search.forecasts import foretold_value
from hpotool.storage.optuna.stored_trial import StoredTrial

Array = np.ndarray[Any, Any]

NUMBER, IS_PRUNED, INFEASIBILITY, MINUS_LAST_STEP, LAST_VALUE, FORETOLD, FIRST_VALUE = range(7)


class TrialColumns:
    """One row for each COMPLETE or PRUNED trial, in the order in which they became known. Thread-safe.

    A row: number, whether it was pruned, by how much it is infeasible, its last step (negative) and the value
    reported there, the final value that was foretold, its values, and its parameters as their distributions
    represent them (NaN: it has none).
    Rows never change: a table that was handed out stays as it is.
    """

    def __init__(self, n_objectives: int) -> None:
        self._n_objectives = n_objectives
        self._columns: dict[str, int] = {}  # of parameters
        self._rows = 0
        self._seen = 0
        self._table = np.empty((64, FIRST_VALUE + n_objectives + 16))
        self._lock = threading.Lock()

    def catch_up(self, finished: Sequence[StoredTrial]) -> Array:
        """Add the trials that have finished since the last call; return the whole table."""
        with self._lock:
            new = finished[self._seen :]
            self._seen += len(new)
            groups: dict[int, list[StoredTrial]] = {}
            for trial in new:
                if trial.state != TrialState.FAIL:
                    # Trials with the same parameters share one dict of distributions.
                    groups.setdefault(id(trial._distributions), []).append(trial)
            for trials in groups.values():
                self._append(trials)
            return self._table[: self._rows]

    def with_parameters(self, rows: Array, names: Sequence[str]) -> Array:
        """The numbers and these parameters of the rows that have all of them."""
        columns = [self._columns[name] for name in names if name in self._columns]
        if len(columns) < len(names) or max(columns, default=0) >= rows.shape[1]:
            return np.empty((0, 1 + len(names)))
        points = rows[:, [NUMBER, *columns]]
        return points[~np.isnan(points).any(axis=1)]

    def _append(self, trials: Sequence[StoredTrial]) -> None:
        """Add trials that have the same parameters."""
        names = list(trials[0]._distributions)
        for name in names:
            if name not in self._columns:
                self._add_column(name)
        while self._rows + len(trials) > len(self._table):
            self._table = np.concatenate([self._table, np.empty_like(self._table)])
        rows = self._table[self._rows : self._rows + len(trials)]
        rows[:] = math.nan
        rows[:, :FIRST_VALUE] = [_facts(trial) for trial in trials]
        # A pruned trial may have one value while others have several.
        for row, trial in zip(rows, trials, strict=True):
            values = trial._values or ()
            row[FIRST_VALUE : FIRST_VALUE + len(values)] = values
        packed = np.frombuffer(b"".join(trial.packed_params for trial in trials), dtype=">f8")
        rows[:, [self._columns[name] for name in names]] = packed.reshape(len(trials), len(names))
        self._rows += len(trials)

    def _add_column(self, name: str) -> None:
        column = FIRST_VALUE + self._n_objectives + len(self._columns)
        if column == self._table.shape[1]:
            self._table = np.hstack([self._table, np.full_like(self._table, math.nan)])
        self._columns[name] = column


def _facts(trial: StoredTrial) -> tuple[float, ...]:
    # Among pruned trials, one without reports comes last: Optuna gives it the step -1 and the value 0.
    last_step, last_value = trial.last_step_and_value or (-1, 0.0)
    infeasibility = _get_infeasible_trial_score(trial) if trial.system_attributes.keys else 0.0
    is_pruned = trial.state == TrialState.PRUNED
    return trial._number, is_pruned, infeasibility, -last_step, last_value, foretold_value(trial)
