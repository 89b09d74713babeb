"""The finished trials of a study as one table of numbers, for samplers that would otherwise loop over them."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.samplers._tpe.sampler import _get_infeasible_trial_score
from optuna.trial import TrialState

from hpotool.storage.stored_trial import StoredTrial

Array = np.ndarray[Any, Any]

NUMBER, IS_PRUNED, INFEASIBILITY, MINUS_LAST_STEP, LAST_VALUE, FIRST_VALUE = range(6)


class TrialColumns:
    """A row per COMPLETE or PRUNED trial, in the order in which they became known. Thread-safe.

    A row: number, whether it was pruned, by how much it is infeasible, its last step (negative) and the value
    reported there, its values, and its parameters as their distributions represent them (NaN: it has none).
    Rows never change: a table that was handed out stays as it is.
    """

    def __init__(self, n_objectives: int) -> None:
        self._n_objectives = n_objectives
        self._places: dict[str, int] = {}  # of parameters
        self._rows = 0
        self._seen = 0
        self._table = np.empty((64, FIRST_VALUE + n_objectives + 16))
        self._lock = threading.Lock()

    def catch_up(self, finished: Sequence[StoredTrial]) -> Array:
        """Take in what finished since the last time; the whole table."""
        with self._lock:
            for trial in finished[self._seen :]:
                self._seen += 1
                if trial.state != TrialState.FAIL:
                    self._append(trial)
            return self._table[: self._rows]

    def with_parameters(self, rows: Array, names: Sequence[str]) -> Array:
        """The number and these parameters of the rows that have them all."""
        places = [self._places[name] for name in names if name in self._places]
        if len(places) < len(names) or max(places, default=0) >= rows.shape[1]:
            return np.empty((0, 1 + len(names)))
        points = rows[:, [NUMBER, *places]]
        return points[~np.isnan(points).any(axis=1)]

    def _append(self, trial: StoredTrial) -> None:
        row = self._new_row()
        row[NUMBER] = trial._number
        row[IS_PRUNED] = trial.state == TrialState.PRUNED
        row[INFEASIBILITY] = _get_infeasible_trial_score(trial) if trial._system_attrs else 0.0
        row[MINUS_LAST_STEP], row[LAST_VALUE] = 1, 0.0  # as Optuna ranks a pruned trial that reported nothing
        if trial.last_step_and_value is not None:
            row[MINUS_LAST_STEP], row[LAST_VALUE] = -trial.last_step_and_value[0], trial.last_step_and_value[1]
        for place, value in enumerate(trial._values or (), FIRST_VALUE):
            row[place] = value
        for name, value in trial._params.items():
            if name not in self._places:
                self._add_column(name)
                row = self._table[self._rows]
            row[self._places[name]] = trial._distributions[name].to_internal_repr(value)
        self._rows += 1

    def _new_row(self) -> Array:
        if self._rows == len(self._table):
            self._table = np.concatenate([self._table, np.empty_like(self._table)])
        row: Array = self._table[self._rows]
        row[:] = math.nan
        return row

    def _add_column(self, name: str) -> None:
        place = FIRST_VALUE + self._n_objectives + len(self._places)
        if place == self._table.shape[1]:
            self._table = np.hstack([self._table, np.full_like(self._table, math.nan)])
        self._places[name] = place
