"""Optuna's pruners with the same decisions, at a cost that does not grow with the number of finished trials.

Optuna's pruners read every finished trial for each decision. These keep sorted columns, update them from the newly
finished trials, and use bisection. On storages other than `PostgresStorage`, they behave like their base classes.
These are pruner subclasses rather than a storage feature because the storage cannot know which step a pruner will
compare.
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
from hpotool.study.wording import count_of

_NOT_A_NUMBER = "it is not a number"


def fast_pruner(pruner: BasePruner) -> BasePruner:
    """Return a pruner that makes the same decisions faster, or ``pruner`` itself if there is none.

    A subclass of one of Optuna's pruners is returned unchanged, because its behaviour is unknown. The fast pruner
    keeps the state of ``pruner``, and must be used instead of it.
    """
    fast = _FAST.get(type(pruner))
    if fast is None:
        return pruner
    taken = fast.__new__(fast)
    taken.__dict__.update(pruner.__dict__)
    return taken


@dataclass(frozen=True)
class _Numbered:
    """The part of a trial that determines its bracket."""

    number: int


class FastPercentilePruner(Following, PercentilePruner):
    """Optuna's PercentilePruner, from sorted columns."""

    _steps: StepTable

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """See BasePruner. The order of the checks is Optuna's."""
        self.held_against = None
        if not isinstance(study._storage, PostgresStorage):
            return super().prune(study, trial)
        storage, log, is_new = self._follow(study, with_steps=True)
        if is_new:
            self._steps = StepTable()
        self._steps.catch_up(log.finished, storage.step_columns, log.whole_from)
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
            self.held_against = _NOT_A_NUMBER
            return True
        return self._is_beaten(best, step, maximize=maximize)

    def _is_beaten(self, best: float, step: int, *, maximize: bool) -> bool:
        if self._steps.reported(step) < self._n_min_trials:
            return False
        threshold = self._steps.percentile(step, 100 - self._percentile if maximize else self._percentile)
        is_beaten = bool(best < threshold if maximize else best > threshold)  # NaN is never better
        if is_beaten:
            count = self._steps.reported(step)
            part = f"best {self._percentile:g} percent of {count} trials end at {threshold:.4g}"
            middle = f"median {threshold:.4g} of {count} trials"
            self.held_against = f"{middle if self._percentile == 50 else part}, own best {best:.4g}"
        return is_beaten


class FastMedianPruner(FastPercentilePruner, MedianPruner):
    """Optuna's MedianPruner, from sorted columns."""


class FastSuccessiveHalvingPruner(Following, SuccessiveHalvingPruner):
    """Optuna's SuccessiveHalvingPruner, from sorted rungs.

    Without ``min_resource``, Optuna's takes a hundredth of the longest trial that had completed when its process
    first looked. This takes the first that completed: all workers have the same rungs, also after a restart.
    """

    _rungs: RungTable

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """See BasePruner."""
        self.held_against = None
        if not isinstance(study._storage, PostgresStorage):
            return super().prune(study, trial)
        _, log, is_new = self._follow(study, with_steps=False)
        if is_new:
            self._rungs = RungTable(lambda _: 0)
        self._rungs.catch_up(log.finished, log.whole_from)
        length = self._rungs.first_length
        if self._min_resource is None and length is not None and trial.last_step is not None:
            self._min_resource = max(length // 100, 1)
        self.held_against = _halve(self, study, trial, self._rungs, log.unfinished, 0)
        return self.held_against is not None


class FastHyperbandPruner(Following, HyperbandPruner):
    """Optuna's HyperbandPruner, from sorted rungs of each bracket; a retry stays in its lineage's bracket."""

    _rungs: RungTable

    def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
        # Optuna hashes the trial's number, but a retry has another number. Its sampler also calls this.
        root = trial.system_attrs.get("failed_trial")
        return super()._get_bracket_id(study, trial if root is None else _Numbered(root))  # type: ignore[arg-type]

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """See BasePruner."""
        self.held_against = None
        if not isinstance(study._storage, PostgresStorage):
            return super().prune(study, trial)
        if not self._pruners:
            self._try_initialization(study)
            if not self._pruners:
                return False
        _, log, is_new = self._follow(study, with_steps=False)
        if is_new:
            self._rungs = RungTable(lambda finished: self._get_bracket_id(study, finished))
        self._rungs.catch_up(log.finished, log.whole_from)
        bracket = self._get_bracket_id(study, trial)
        others = [other for other in log.unfinished if self._get_bracket_id(study, other) == bracket]
        self.held_against = _halve(self._pruners[bracket], study, trial, self._rungs, others, bracket)
        return self.held_against is not None


def _halve(
    pruner: SuccessiveHalvingPruner,
    study: Study,
    trial: FrozenTrial,
    rungs: RungTable,
    others: Sequence[FrozenTrial],
    group: int,
) -> str | None:
    """Optuna's successive halving; writes the trial's rungs in the same way."""
    step = trial.last_step
    if step is None or pruner._min_resource is None:
        return None
    value = trial.intermediate_values[step]
    maximize = study.direction == StudyDirection.MAXIMIZE
    rung = _get_current_rung(trial)
    while True:
        exponent = pruner._min_early_stopping_rate + rung
        if step < pruner._min_resource * pruner._reduction_factor**exponent:
            return None
        if math.isnan(value):
            return _NOT_A_NUMBER
        key = _completed_rung_key(rung)
        study._storage.set_trial_system_attr(trial._trial_id, key, value)
        unfinished = [other._system_attrs[key] for other in others if key in other._system_attrs]
        competing = rungs.count(key, group) + len(unfinished) + 1
        if competing <= pruner._bootstrap_count:
            first = count_of(pruner._bootstrap_count, f"trial at rung {rung} is", f"trials at rung {rung} are")
            return f"the first {first} for others to be held against"
        better = rungs.count_better(key, group, value, maximize=maximize)
        better += sum(other > value if maximize else other < value for other in unfinished)
        # In the sorted `competing` values, the index of the last one that is promoted.
        promoted = max(competing // pruner._reduction_factor, 1)
        if better >= promoted:
            return f"{better} of {competing} trials at rung {rung} are better, and {promoted} go on"
        rung += 1


_FAST: dict[type[BasePruner], type[BasePruner]] = {
    PercentilePruner: FastPercentilePruner,
    MedianPruner: FastMedianPruner,
    SuccessiveHalvingPruner: FastSuccessiveHalvingPruner,
    HyperbandPruner: FastHyperbandPruner,
}
