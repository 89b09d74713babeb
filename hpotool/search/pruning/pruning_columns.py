"""Sorted, up-to-date columns for pruners, so that no decision has to read every trial."""

from __future__ import annotations

import json
import math
from array import array
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from hpotool.storage.optuna.stored_trial import StoredTrial

StepColumns = Callable[[Sequence[StoredTrial]], Iterable[tuple[int, "np.ndarray[Any, Any]"]]]


class StepTable:
    """The intermediate values of a study's complete trials: for each step a sorted column."""

    def __init__(self) -> None:
        self.complete_trials = 0
        self._seen = 0
        self._reported: defaultdict[int, int] = defaultdict(
            int
        )  # the number of trials that reported the step, including NaN
        self._sorted: defaultdict[int, array[float]] = defaultdict(lambda: array("d"))

    def catch_up(self, finished: Sequence[StoredTrial], step_columns: StepColumns, whole_from: int = 0) -> None:
        """Add the trials that have finished since the last call.

        Not those below the number ``whole_from``: of them only the best are known, which nothing is held against.
        """
        new = finished[self._seen :]
        complete = [trial for trial in new if trial.state == TrialState.COMPLETE and trial._number >= whole_from]
        for step, values in step_columns(complete):
            self._reported[step] += len(values)
            self._add(step, values[~np.isnan(values)])
        self._seen += len(new)
        self.complete_trials += len(complete)

    def reported(self, step: int) -> int:
        """The number of complete trials that reported this step."""
        return self._reported.get(step, 0)

    def percentile(self, step: int, percentile: float) -> float:
        """Exactly `numpy.nanpercentile` of the step's values; NaN if there are none."""
        values = self._sorted.get(step)
        return percentile_of_sorted(values, percentile) if values else math.nan

    def _add(self, step: int, values: np.ndarray[Any, Any]) -> None:
        column = self._sorted[step]
        if len(values) == 1:
            insort(column, float(values[0]))
        elif len(values):
            merged = np.concatenate([np.frombuffer(column), values]) if column else values
            self._sorted[step] = array("d", np.sort(merged).tobytes())


class RungTable:
    """The sorted values with which trials completed each rung of successive halving, for each group of trials."""

    def __init__(self, group_of: Callable[[FrozenTrial], int]) -> None:
        self._first_complete: tuple[datetime, int] | None = None  # when it ended, and its highest step
        self._group_of = group_of
        self._seen = 0
        self._sorted: defaultdict[tuple[str, int], array[float]] = defaultdict(lambda: array("d"))

    def catch_up(self, finished: Sequence[StoredTrial], whole_from: int = 0) -> None:
        """Add the trials that have finished since the last call, but none below the number ``whole_from``."""
        new = finished[self._seen :]
        self._seen += len(new)
        for trial in new:
            if trial._number < whole_from:
                continue
            if trial.state == TrialState.COMPLETE and trial.last_step is not None and trial.stored_end is not None:
                ended = trial.stored_end, trial.last_step
                self._first_complete = min(self._first_complete or ended, ended)
            for key, text in zip(*trial.system_attributes, strict=True):
                if key.startswith("completed_rung_"):
                    insort(self._sorted[key, self._group_of(trial)], json.loads(text))

    @property
    def first_length(self) -> int | None:
        """The highest step of the trial that was the first to complete, of those that reported any."""
        return None if self._first_complete is None else self._first_complete[1]

    def count(self, rung_key: str, group: int) -> int:
        """The number of finished trials of the group that completed the rung."""
        return len(self._sorted.get((rung_key, group), ()))

    def count_better(self, rung_key: str, group: int, value: float, *, maximize: bool) -> int:
        """The number of those with a better value."""
        values = self._sorted.get((rung_key, group), array("d"))
        return len(values) - bisect_right(values, value) if maximize else bisect_left(values, value)


def percentile_of_sorted(values: Sequence[float], percentile: float) -> float:
    """`numpy.percentile` with linear interpolation, for sorted values without NaN.

    The arithmetic is exactly NumPy's (numpy.lib._function_base_impl, `_quantile` and `_lerp`).
    """
    position = (len(values) - 1) * (percentile / 100)
    below = min(max(math.floor(position), 0), len(values) - 1)
    low, high = values[below], values[min(below + 1, len(values) - 1)]
    share = position - below
    difference = high - low
    return high - difference * (1 - share) if share >= 0.5 else low + difference * share
