"""TPE at a cost that does not grow with the study.

Optuna's TPESampler spends most of its time in loops over finished trials, which split them into good and bad and
collect their parameters. Here, both are done on a table of numbers that follows the study; the densities are
Optuna's own. For each seed, the suggestions are the same up to `LONGEST_HISTORY` finished trials.

Beyond that, the densities alone would cost more than everything else, so TPE then uses only the newest and the
best trials: older ones that are not among the best say little about where to search next, and have little
weight anyway (Optuna's `default_weights` fade them out linearly).

TPE: Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011, section 4. The multivariate form:
Falkner et al., BOHB, ICML 2018. The arguments: Watanabe, arXiv:2304.11127.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.sampler import (
    _split_complete_trials_multi_objective,
    default_gamma,
    default_gamma_multiobjective,
)
from optuna.study import StudyDirection
from optuna.study._multi_objective import _fast_non_domination_rank
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.forecasts import foretold_value
from hpotool.search.trial_columns import (
    FIRST_VALUE,
    FORETOLD,
    INFEASIBILITY,
    IS_PRUNED,
    LAST_VALUE,
    MINUS_LAST_STEP,
    NUMBER,
    Array,
    TrialColumns,
)
from hpotool.storage.optuna.postgres import PostgresStorage
from hpotool.storage.optuna.trial_memory import TrialLog

LONGEST_HISTORY = 3_000
_BEST = 300  # of these, the number kept because they are good; the rest are the newest
_LOOKED_FOR_EVERY = 500  # trials, fewer than are kept as newest, so that none is missed


LogChance: TypeAlias = Callable[
    [dict[str, Array]], Array
]  # maps samples, by parameter, to the log of their success probability


class _Observed(NamedTuple):
    """The input of an estimator instead of Optuna's list of trials: rows, and running trials."""

    rows: Array
    running: Sequence[FrozenTrial]


class FastTPESampler(TPESampler):
    """Optuna's TPESampler on columns. On storages other than `PostgresStorage`, it behaves like the original."""

    _log: TrialLog | None = None
    _columns: TrialColumns
    _best: tuple[int, Array] | None = None  # the number of trials seen, and the rows of the best
    _common: dict[str, BaseDistribution] | None = None  # parameters of all trials compared so far
    _compared = 0

    def __getstate__(self) -> dict[str, Any]:
        left_behind = ("_log", "_columns", "_best", "_common", "_compared")
        return {name: value for name, value in self.__dict__.items() if name not in left_behind}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that all complete and pruned trials have in common, as in Optuna."""
        if not isinstance(study._storage, PostgresStorage) or self._group or not self._is_multivariate(study):
            return super().infer_relative_search_space(study, trial)
        log, _ = self._follow(study)
        for finished in log.finished[self._compared :]:
            self._compared += 1
            # Trials with the same parameters share one dict of distributions.
            if finished._distributions is self._common or finished.state == TrialState.FAIL:
                continue
            theirs = finished._distributions
            if self._common is None:
                self._common = theirs
            elif any(theirs.get(name) != space for name, space in self._common.items()):
                self._common = {name: space for name, space in self._common.items() if theirs.get(name) == space}
        common = self._common or {}
        return {name: space for name, space in sorted(common.items()) if not space.single()}

    def _sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not isinstance(study._storage, PostgresStorage):
            return super()._sample_relative(study, trial, search_space)
        if not search_space or self._count_finished(study) < self._n_startup_trials:
            return {}
        return self._sample(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """See BaseSampler."""
        # The check for a warning needs the trials themselves.
        if not isinstance(study._storage, PostgresStorage) or self._warn_independent_sampling:
            return super().sample_independent(study, trial, param_name, param_distribution)
        if self._count_finished(study) < self._n_startup_trials:
            return self._random_sampler.sample_independent(study, trial, param_name, param_distribution)
        return self._sample(study, trial, {param_name: param_distribution})[param_name]

    def _sample(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not isinstance(study._storage, PostgresStorage):
            return super()._sample(study, trial, search_space)
        log, table = self._follow(study)
        rows = self._history(table, study.directions)
        if self._gamma is None:
            self._gamma = default_gamma if len(study.directions) <= 1 else default_gamma_multiobjective
        below = _below(rows, study, self._gamma(len(rows)))
        good = _Observed(rows[below], ())
        bad = _Observed(rows[~below], _others_that_run(log, trial) if self._constant_liar else ())
        # The base class only passes these to `_get_internal_repr`.
        estimate_good = self._build_parzen_estimator(study, search_space, good, handle_below=True)  # type: ignore[arg-type]
        estimate_bad = self._build_parzen_estimator(study, search_space, bad, handle_below=False)  # type: ignore[arg-type]
        candidates = estimate_good.sample(self._rng.rng, self._n_ei_candidates)
        scores = self._compute_acquisition_func(candidates, estimate_good, estimate_bad)
        chosen = TPESampler._compare(candidates, scores)
        return {name: space.to_external_repr(chosen[name]) for name, space in search_space.items()}

    def _get_internal_repr(
        self, trials: list[FrozenTrial] | _Observed, search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, Array]:
        if not isinstance(trials, _Observed):
            return super()._get_internal_repr(trials, search_space, study)
        rows = self._columns.with_parameters(trials.rows, list(search_space))
        running = [(trial.number, self._get_params(trial, study)) for trial in trials.running]
        lies = [
            [number, *(space.to_internal_repr(params[name]) for name, space in search_space.items())]
            for number, params in running
            if search_space.keys() <= params.keys()
        ]
        if lies:
            rows = np.concatenate([rows, np.array(lies, dtype=float)])
            rows = rows[np.argsort(rows[:, 0], kind="stable")]
        return {name: rows[:, column] for column, name in enumerate(search_space, 1)}

    def _count_finished(self, study: Study) -> int:
        return len(self._follow(study)[1])

    def _follow(self, study: Study) -> tuple[TrialLog, Array]:
        storage = study._storage
        assert isinstance(storage, PostgresStorage)
        log = storage.follow(study._study_id)
        if self._log is None or self._log.finished is not log.finished:
            self._columns = TrialColumns(len(study.directions))
            self._best = self._common = None
            self._compared = 0
        self._log = log
        return log, self._columns.catch_up(log.finished)

    def _history(self, table: Array, directions: Sequence[StudyDirection]) -> Array:
        """The rows to learn from, by number: all, or only the newest and the best."""
        if len(table) > LONGEST_HISTORY:
            looked_at = len(table) // _LOOKED_FOR_EVERY * _LOOKED_FOR_EVERY
            if self._best is None or self._best[0] != looked_at:
                self._best = (looked_at, _best_rows(table[:looked_at], directions))
            best = self._best[1]
            n_newest = LONGEST_HISTORY - _BEST
            oldest_of_newest = np.partition(table[:, NUMBER], -n_newest)[-n_newest]
            is_new = table[:, NUMBER] >= oldest_of_newest
            table = np.concatenate([best[best[:, NUMBER] < oldest_of_newest, : table.shape[1]], table[is_new]])
        return table[np.argsort(table[:, NUMBER], kind="stable")]


class InformedTPESampler(FastTPESampler):
    """TPE that also knows which trials failed because of their parameters, and counts them as bad.

    Optuna's own order puts what is infeasible behind everything else, so that it is bad as long as anything is
    not. A pruned trial whose final value was foretold is ordered by that value, like a complete one.
    """

    failed: Sequence[FrozenTrial] = ()
    log_chance: LogChance | None = None  # for candidates that are sampled jointly

    def _sample(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if type(study) is Study and not isinstance(study._storage, PostgresStorage) and len(study.directions) == 1:
            study = _ForetoldStudy.of(study)
        return super()._sample(study, trial, search_space)

    def _history(self, table: Array, directions: Sequence[StudyDirection]) -> Array:
        rows: Array = super()._history(table, directions)
        is_foretold = ~np.isnan(rows[:, FORETOLD])
        if len(directions) > 1 or not is_foretold.any():
            return rows
        rows = rows.copy()
        rows[is_foretold, IS_PRUNED] = 0.0
        rows[is_foretold, FIRST_VALUE] = rows[is_foretold, FORETOLD]
        return rows

    def _compute_acquisition_func(
        self, samples: dict[str, Array], mpe_below: _ParzenEstimator, mpe_above: _ParzenEstimator
    ) -> Array:
        scores: Array = super()._compute_acquisition_func(samples, mpe_below, mpe_above)
        return scores if self.log_chance is None else scores + self.log_chance(samples)

    def _build_parzen_estimator(
        self,
        study: Study,
        search_space: dict[str, BaseDistribution],
        trials: list[FrozenTrial] | _Observed,
        handle_below: bool,
    ) -> _ParzenEstimator:
        alike = [] if handle_below else [trial for trial in self.failed if _has(trial, search_space)]
        if alike and isinstance(trials, _Observed):
            trials = _Observed(trials.rows, [*trials.running, *alike])
        elif alike:
            trials = [*trials, *alike]
        return super()._build_parzen_estimator(study, search_space, trials, handle_below)  # type: ignore[arg-type]


class _ForetoldStudy(Study):
    """A study whose pruned trials have the values that were foretold. For reading."""

    @classmethod
    def of(cls, study: Study) -> _ForetoldStudy:
        """Look at ``study`` so."""
        view = cls.__new__(cls)
        view.__dict__.update(study.__dict__)
        return view

    def _get_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        return [_foretold(trial) for trial in super()._get_trials(*args, **kwargs)]


def _foretold(trial: FrozenTrial) -> FrozenTrial:
    value = foretold_value(trial)
    if math.isnan(value):
        return trial
    whole = copy.copy(trial)
    whole.state, whole._values = TrialState.COMPLETE, [value]
    return whole


def _has(trial: FrozenTrial, space: dict[str, BaseDistribution]) -> bool:
    """Whether the trial has these parameters with their current distributions."""
    return all(trial.distributions.get(name) == distribution for name, distribution in space.items())


def fast_sampler(sampler: BaseSampler) -> BaseSampler:
    """Return a sampler that makes the same suggestions faster, or ``sampler`` itself if there is none.

    The fast sampler shares the state of ``sampler``, and must be used instead of it.
    """
    if type(sampler) is not TPESampler:
        return sampler
    fast = FastTPESampler.__new__(FastTPESampler)
    fast.__dict__.update(sampler.__dict__)
    return fast


def _others_that_run(log: TrialLog, trial: FrozenTrial) -> list[FrozenTrial]:
    return [
        other for other in log.unfinished if other.state == TrialState.RUNNING and other.number != trial.number
    ]


def _losses(rows: Array, directions: Sequence[StudyDirection]) -> Array:
    signs = [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in directions]
    losses: Array = rows[:, FIRST_VALUE : FIRST_VALUE + len(signs)] * np.array(signs)
    return losses


def _best_rows(rows: Array, directions: Sequence[StudyDirection]) -> Array:
    """The best of the complete and feasible rows."""
    rows = rows[(rows[:, IS_PRUNED] == 0) & (rows[:, INFEASIBILITY] <= 0)]
    losses = _losses(rows, directions)
    rank = losses[:, 0] if len(directions) == 1 else _fast_non_domination_rank(losses, n_below=_BEST)
    return rows[np.argsort(rank, kind="stable")[:_BEST]]


def _below(rows: Array, study: Study, n_below: int) -> Array:
    """The good rows, in Optuna's order of complete, pruned and infeasible trials (`_split_trials`)."""
    infeasible = rows[:, INFEASIBILITY] > 0
    pruned = ~infeasible & (rows[:, IS_PRUNED] == 1)
    complete = ~infeasible & ~pruned
    below = np.zeros(len(rows), dtype=bool)
    for places, order in (
        (np.flatnonzero(complete), _order_complete),
        (np.flatnonzero(pruned), _order_pruned),
        (np.flatnonzero(infeasible), _order_infeasible),
    ):
        if n_below > 0 and len(places):
            best = places[order(rows[places], study, min(n_below, len(places)))]
            below[best] = True
            n_below -= len(best)
    return below


def _order_complete(rows: Array, study: Study, n_below: int) -> Array:
    losses = _losses(rows, study.directions)
    if len(study.directions) == 1:
        return np.argsort(losses[:, 0], kind="stable")[:n_below]
    trials = [_Ranked(position, values) for position, values in enumerate(rows[:, _values_of(study)].tolist())]
    chosen, _ = _split_complete_trials_multi_objective(trials, study, n_below)  # type: ignore[arg-type]
    return np.array([trial.position for trial in chosen], dtype=int)  # type: ignore[attr-defined]


def _order_pruned(rows: Array, study: Study, n_below: int) -> Array:
    values = rows[:, LAST_VALUE] * (-1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0)
    values[np.isnan(values)] = np.inf
    return np.lexsort((values, rows[:, MINUS_LAST_STEP]))[:n_below]


def _order_infeasible(rows: Array, study: Study, n_below: int) -> Array:
    return np.argsort(rows[:, INFEASIBILITY], kind="stable")[:n_below]


class _Ranked(NamedTuple):
    """The part of a trial that Optuna's multi-objective split uses."""

    position: int
    values: list[float]


def _values_of(study: Study) -> slice:
    return slice(FIRST_VALUE, FIRST_VALUE + len(study.directions))
