"""The default sampler: what searched best for the study at hand, on the benchmark of ``tests/benchmarks``.

One metric without constraints is searched by two that take turns. A Gaussian process loses little when many
workers propose at once: where others are measuring already, it believes its own expectation. Optuna's TPE looks
where that model, which may be wrong, is sure that nothing is. What a Gaussian process cannot model goes to TPE
alone: several metrics, constraints, parameters that not every trial has.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import ThreadpoolController

from hpotool.search.models.acquisition import find_next_point, spread_point
from hpotool.search.models.gaussian_process import GaussianProcess
from hpotool.search.models.unit_cube import Array, UnitCube
from hpotool.search.tpe import FastTPESampler
from hpotool.study.rules.sampler_choice import STARTUP_TRIALS

if TYPE_CHECKING:
    from optuna import Study

# A suggestion takes some 30 ms with so many observations, and grows with their cube. Of more, the best and the
# latest are kept; TPE sees them all.
_MOST_OBSERVATIONS = 160
_TAKEN = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)  # what is measured, or being measured


@functools.cache
def _one_thread() -> ThreadpoolController:
    """What keeps linear algebra in one thread: several workers share a machine, and threads that wait for each
    other made a suggestion eight times slower on a busy one (240 ms instead of 28)."""
    return ThreadpoolController()


class AutoSampler(BaseSampler):
    """A Gaussian process and TPE in turns where both can search, TPE alone elsewhere.

    Args:
        n_startup_trials: how many trials must have finished before a model is asked; until then points are spread.
    """

    def __init__(self, *, seed: int | None = None, n_startup_trials: int = STARTUP_TRIALS) -> None:
        self._rng = LazyRandomState(seed)
        self._tpe = FastTPESampler(seed=seed, n_startup_trials=n_startup_trials)
        self._startup = n_startup_trials
        self._shared_space = IntersectionSearchSpace(include_pruned=True)

    def reseed_rng(self) -> None:
        """Draw new seeds from the operating system."""
        self._rng.rng.seed()
        self._tpe.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """As TPE does."""
        self._tpe.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """As TPE does."""
        self._tpe.after_trial(study, trial, state, values)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the parameters that every finished trial has."""
        if self._leaves_to_tpe(study, trial):
            return self._tpe.infer_relative_search_space(study, trial)
        shared = self._shared_space.calculate(study)
        return {name: distribution for name, distribution in shared.items() if not distribution.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the values of those parameters, chosen together."""
        if not search_space:
            return {}
        if self._leaves_to_tpe(study, trial):
            params = self._tpe.sample_relative(study, trial, search_space)
            if self._needs_tpe(study) or not self._was_tried(study, trial, search_space, params):
                return params
        with _one_thread().limit(limits=1, user_api="blas"):
            return self._suggest(study, trial, UnitCube(search_space))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return the value of one parameter that not every trial has, as TPE chooses it."""
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)

    def _suggest(self, study: Study, trial: FrozenTrial, cube: UnitCube) -> dict[str, Any]:
        trials = [
            other
            for other in study.get_trials(deepcopy=False, states=_TAKEN)
            if other.number != trial.number and cube.has(other.params)
        ]
        finished = [other for other in trials if other.state != TrialState.RUNNING]
        running = cube.encode([other.params for other in trials if other.state == TrialState.RUNNING])
        # Where a trial has more parameters than these, these alone are no point that was tried.
        count = len(self._shared_space.calculate(study))
        whole = (
            [] if cube.is_continuous.any() else [other.params for other in trials if len(other.params) == count]
        )
        return cube.decode(self._propose(cube, finished, running, cube.encode(whole), study.direction))

    def _propose(
        self,
        cube: UnitCube,
        finished: Sequence[FrozenTrial],
        running: Array,
        tried: Array,
        direction: StudyDirection,
    ) -> Array:
        rng = self._rng.rng
        if len(finished) < max(self._startup, 2):  # a model of one point says nothing
            return spread_point(cube, np.vstack([cube.encode([trial.params for trial in finished]), running]), rng)
        losses = compressed_losses(finished, direction)
        kept = _observations_to_keep(losses)
        points, losses = cube.encode([finished[index].params for index in kept]), losses[kept]
        model = GaussianProcess(points, losses, cube.is_choice)
        model.believe(running)
        # What is to be beaten is the lowest expectation, not the lowest measurement: under noise that one was luck
        # ("EI with plug-in", Picheny, Wagner & Ginsbourger 2013). Without noise they are the same.
        expected, _ = model.predict(points)
        leaders = points[np.argsort(expected, kind="stable")]
        return find_next_point(model, cube, leaders, tried, float(expected.min()), rng)

    def _leaves_to_tpe(self, study: Study, trial: FrozenTrial) -> bool:
        if self._needs_tpe(study):
            return True
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        return len(finished) >= self._startup and trial.number % 2 == 1

    def _needs_tpe(self, study: Study) -> bool:
        if len(study.directions) > 1:
            return True
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        # An objective sets constraints or does not: the latest trials tell, and cost the same in a long study.
        return any(other.constraints for other in finished[-self._startup :])

    def _was_tried(
        self, study: Study, trial: FrozenTrial, space: dict[str, BaseDistribution], params: dict[str, Any]
    ) -> bool:
        others = study.get_trials(deepcopy=False, states=_TAKEN)
        return any(
            params.items() <= other.params.items() and other.number != trial.number
            for other in self._only_shared(study, UnitCube(space), others)
        )

    def _only_shared(self, study: Study, cube: UnitCube, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials whose point could come again: nothing continuous, no parameter under a condition."""
        if cube.is_continuous.any():
            return []
        count = len(self._shared_space.calculate(study))
        return [trial for trial in trials if len(trial.params) == count]


def compressed_losses(trials: Sequence[FrozenTrial], direction: StudyDirection) -> Array:
    """Return what the model is to learn of finished trials: lower is better, mean 0 and deviation 1.

    What is worse than the median is compressed by a logarithm: that it is bad matters, how bad does not. A pruned
    trial counts with its last value, but never as better than the median: it was ended because it was worse than
    others at that step. What is infinite or unknown is as bad as the worst.
    """
    sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
    values = np.asarray([np.nan if trial.value is None else sign * trial.value for trial in trials])
    pruned = np.asarray([trial.state == TrialState.PRUNED for trial in trials])
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values))
    values = np.where(np.isneginf(values), known.min(), np.where(np.isfinite(values), values, known.max()))
    reference = values[~pruned] if not pruned.all() else values
    values = np.where(pruned, np.maximum(values, np.median(reference)), values)

    median = float(np.median(values))
    spread = median - float(np.quantile(values, 0.1))
    scaled = (values - median) / (spread if spread > 0 else max(float(values.std()), 1e-12))
    scaled = np.where(scaled > 0, np.log1p(np.maximum(scaled, 0.0)), scaled)
    standardised: Array = (scaled - scaled.mean()) / max(float(scaled.std()), 1e-12)
    return standardised


def _observations_to_keep(losses: Array) -> NDArray[np.intp]:
    """Return the indices of at most so many trials as the model can take: half the best, half the latest."""
    if len(losses) <= _MOST_OBSERVATIONS:
        return np.arange(len(losses))
    half = _MOST_OBSERVATIONS // 2
    best = np.argsort(losses, kind="stable")[:half]
    latest = np.setdiff1d(np.arange(len(losses)), best)[-half:]
    return np.sort(np.concatenate([best, latest]))
