"""Optuna's pruners with the same verdicts, at a cost that does not grow with the number of finished trials.

Optuna's look at every finished trial for each verdict. These keep what they compare with sorted, follow the
study's log of finished trials, and find their place by bisection. On any other storage than `PostgresStorage` they
do what their base classes do. They are subclasses, and not something inside the storage, because the storage is
only ever asked for trials: which step a pruner is about to compare, it cannot know.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from optuna import Study
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)
from optuna.pruners._percentile import _get_best_intermediate_result_over_steps, _is_first_in_interval_step
from optuna.pruners._successive_halving import _completed_rung_key, _get_current_rung
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from hpotool.search.pruning.following import Following
from hpotool.search.pruning.pruning_columns import RungTable, StepTable
from hpotool.storage.optuna.postgres import PostgresStorage


def fast_pruner(pruner: BasePruner) -> BasePruner:
    """The pruner that gives the same verdicts faster, or ``pruner`` itself where there is none.

    A subclass of one of Optuna's pruners is left alone: what it changes is not known here. The fast one takes over
    what ``pruner`` has learned, and is to be used in its place.
    """
    fast = _FAST.get(type(pruner))
    if fast is None:
        return pruner
    taken = fast.__new__(fast)
    taken.__dict__.update(pruner.__dict__)
    return taken


@dataclass(frozen=True)
class _Numbered:
    """All of a trial that its bracket depends on."""

    number: int


class FastPercentilePruner(Following, PercentilePruner):
    """Optuna's PercentilePruner, from sorted columns."""

    _steps: StepTable

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """See BasePruner. The order of the questions is Optuna's."""
        if not isinstance(study._storage, PostgresStorage):
            return super().prune(study, trial)
        storage, log, is_new = self._follow(study, with_steps=True)
        if is_new:
            self._steps = StepTable()
        self._steps.catch_up(log.finished, storage.step_columns)
        if self._steps.complete_trials == 0 or self._steps.complete_trials < self._n_startup_trials:
            return False
        step = trial.last_step
        if step is None or step < self._n_warmup_steps:
            return False
        steps = trial.intermediate_values.keys()
        if not _is_first_in_interval_step(step, steps, self._n_warmup_steps, self._interval_steps):
            return False
        maximize = study.direction == StudyDirection.MAXIMIZE
        best = _get_best_intermediate_result_over_steps(trial, study.direction)
        if math.isnan(best):
            return True
        return self._is_beaten(best, step, maximize=maximize)

    def _is_beaten(self, best: float, step: int, *, maximize: bool) -> bool:
        if self._steps.reported(step) < self._n_min_trials:
            return False
        threshold = self._steps.percentile(step, 100 - self._percentile if maximize else self._percentile)
        return bool(best < threshold if maximize else best > threshold)  # NaN beats nobody


class FastMedianPruner(FastPercentilePruner, MedianPruner):
    """Optuna's MedianPruner, from sorted columns."""


class FastSuccessiveHalvingPruner(Following, SuccessiveHalvingPruner):
    """Optuna's SuccessiveHalvingPruner, from sorted rungs."""

    _rungs: RungTable

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """See BasePruner."""
        if not isinstance(study._storage, PostgresStorage):
            return super().prune(study, trial)
        _, log, is_new = self._follow(study, with_steps=False)
        if is_new:
            self._rungs = RungTable(lambda _: 0)
        self._rungs.catch_up(log.finished)
        if self._min_resource is None and self._rungs.longest_complete is not None and trial.last_step is not None:
            self._min_resource = max(self._rungs.longest_complete // 100, 1)
        return _halve(self, study, trial, self._rungs, log.unfinished, 0)


class FastHyperbandPruner(Following, HyperbandPruner):
    """Optuna's HyperbandPruner, from sorted rungs of each bracket; a retry stays in the bracket it began in."""

    _rungs: RungTable

    def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
        # Optuna hashes the trial's number, and a retry has another one. Its sampler asks here too.
        root = trial.system_attrs.get("failed_trial")
        return super()._get_bracket_id(study, trial if root is None else _Numbered(root))  # type: ignore[arg-type]

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """See BasePruner."""
        if not isinstance(study._storage, PostgresStorage):
            return super().prune(study, trial)
        if not self._pruners:
            self._try_initialization(study)
            if not self._pruners:
                return False
        _, log, is_new = self._follow(study, with_steps=False)
        if is_new:
            self._rungs = RungTable(lambda finished: self._get_bracket_id(study, finished))
        self._rungs.catch_up(log.finished)
        bracket = self._get_bracket_id(study, trial)
        others = [other for other in log.unfinished if self._get_bracket_id(study, other) == bracket]
        return _halve(self._pruners[bracket], study, trial, self._rungs, others, bracket)


def _halve(
    pruner: SuccessiveHalvingPruner,
    study: Study,
    trial: FrozenTrial,
    rungs: RungTable,
    others: Sequence[FrozenTrial],
    group: int,
) -> bool:
    """Optuna's successive halving; the trial's own rungs are written as there."""
    step = trial.last_step
    if step is None or pruner._min_resource is None:
        return False
    value = trial.intermediate_values[step]
    maximize = study.direction == StudyDirection.MAXIMIZE
    rung = _get_current_rung(trial)
    while True:
        exponent = pruner._min_early_stopping_rate + rung
        if step < pruner._min_resource * pruner._reduction_factor**exponent:
            return False
        if math.isnan(value):
            return True
        key = _completed_rung_key(rung)
        study._storage.set_trial_system_attr(trial._trial_id, key, value)
        unfinished = [other._system_attrs[key] for other in others if key in other._system_attrs]
        competing = rungs.count(key, group) + len(unfinished) + 1
        if competing <= pruner._bootstrap_count:
            return True
        better = rungs.count_better(key, group, value, maximize=maximize)
        better += sum(other > value if maximize else other < value for other in unfinished)
        # Of `competing` values in order, the one at this place is the last to be promoted.
        if better > max(competing // pruner._reduction_factor - 1, 0):
            return True
        rung += 1


_FAST: dict[type[BasePruner], type[BasePruner]] = {
    PercentilePruner: FastPercentilePruner,
    MedianPruner: FastMedianPruner,
    SuccessiveHalvingPruner: FastSuccessiveHalvingPruner,
    HyperbandPruner: FastHyperbandPruner,
}
