"""What the pruners compare a trial with, sorted and kept up to date, so that no verdict looks at every trial."""

from __future__ import annotations

import json
import math
from array import array
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
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
        self._reported: defaultdict[int, int] = defaultdict(int)  # how many reported the step, NaN included
        self._sorted: defaultdict[int, array[float]] = defaultdict(lambda: array("d"))

    def catch_up(self, finished: Sequence[StoredTrial], step_columns: StepColumns) -> None:
        """Take in what finished since the last time."""
        new = finished[self._seen :]
        complete = [trial for trial in new if trial.state == TrialState.COMPLETE]
        for step, values in step_columns(complete):
            self._reported[step] += len(values)
            self._add(step, values[~np.isnan(values)])
        self._seen += len(new)
        self.complete_trials += len(complete)

    def reported(self, step: int) -> int:
        """How many complete trials reported this step."""
        return self._reported.get(step, 0)

    def percentile(self, step: int, percentile: float) -> float:
        """What `numpy.nanpercentile` gives for the step's values, to the last bit; NaN when there are none."""
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
    """The values with which trials completed each rung of successive halving, for each group of trials sorted."""

    def __init__(self, group_of: Callable[[FrozenTrial], int]) -> None:
        self.longest_complete: int | None = None  # the highest step that a complete trial reported
        self._group_of = group_of
        self._seen = 0
        self._sorted: defaultdict[tuple[str, int], array[float]] = defaultdict(lambda: array("d"))

    def catch_up(self, finished: Sequence[StoredTrial]) -> None:
        """Take in what finished since the last time."""
        new = finished[self._seen :]
        self._seen += len(new)
        for trial in new:
            if trial.state == TrialState.COMPLETE and trial.last_step is not None:
                self.longest_complete = max(trial.last_step, self.longest_complete or 0)
            for key, text in zip(*trial.system_attributes, strict=True):
                if key.startswith("completed_rung_"):
                    insort(self._sorted[key, self._group_of(trial)], json.loads(text))

    def count(self, rung_key: str, group: int) -> int:
        """How many finished trials of the group completed the rung."""
        return len(self._sorted.get((rung_key, group), ()))

    def count_better(self, rung_key: str, group: int, value: float, *, maximize: bool) -> int:
        """How many of them did so with a better value."""
        values = self._sorted.get((rung_key, group), array("d"))
        return len(values) - bisect_right(values, value) if maximize else bisect_left(values, value)


def percentile_of_sorted(values: Sequence[float], percentile: float) -> float:
    """`numpy.percentile` with linear interpolation, of values that are sorted already and hold no NaN.

    The arithmetic is numpy's own, step by step (numpy.lib._function_base_impl, `_quantile` and `_lerp`).
    """
    position = (len(values) - 1) * (percentile / 100)
    below = min(max(math.floor(position), 0), len(values) - 1)
    low, high = values[below], values[min(below + 1, len(values) - 1)]
    share = position - below
    difference = high - low
    return high - difference * (1 - share) if share >= 0.5 else low + difference * share
