"""The default sampler: the combination that searched best on the benchmark in ``tests/benchmarks``.

Two methods take turns. The Gaussian process loses little when many workers propose at once: for points that are
being measured, it assumes its own prediction. It models constraints, failures and each of several metrics, and it
has one model for all parameters, including conditional ones. Optuna's TPE is the hedge: it keeps sampling regions
that the Gaussian process has ruled out, in case the model is wrong.
"""

from __future__ import annotations

import functools
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import ThreadpoolController

from hpotool.search.history import History
from hpotool.search.losses import (
    are_on_front,
    compressed_losses,
    front_losses,
    joined_losses,
    observations_to_keep,
)
from hpotool.search.models.acquisition import Score, find_next_point, log_expected_improvement, spread_point
from hpotool.search.models.boundary import Boundary, constraint_boundaries, failure_boundary
from hpotool.search.models.front import FrontModel
from hpotool.search.models.gaussian_process import GaussianProcess
from hpotool.search.models.joint_space import JointSpace
from hpotool.search.models.unit_cube import Array, Flags, UnitCube
from hpotool.search.tpe import InformedTPESampler, LogChance
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.study.outcome import FAILED_ATTRIBUTE, Outcome
from hpotool.study.rules.sampler_choice import STARTUP_TRIALS
from hpotool.study.spec import ParameterSpec

if TYPE_CHECKING:
    from optuna import Study

__all__ = ["AutoSampler", "compressed_losses"]

_logger = logging.getLogger(__name__)

# A suggestion takes about 30 ms with this many observations, and the time grows with their cube.
_MOST_OBSERVATIONS = 160
_MOST_SUCCEEDED = 100  # of these, given to the model of failures
_MOST_LOOKED_AT = 1_000  # the observations are chosen from these trials, whose constraints must be decoded
_MODEL_SHARE = 0.5  # the Gaussian process's share of the turns
_MODEL_SHARE_OF_SEVERAL_METRICS = 0.8  # for which TPE is further behind
# For noisy measurements. After 100 trials of nine noisy tuning problems, over six seeds, this reduced the regret
# by 0.014 ± 0.012 with one worker and by 0.009 ± 0.010 with eight.
_NOISY, _MODEL_SHARE_UNDER_NOISE = 0.03, 0.3
_CURIOUS_SHARE = 0.05  # share of TPE's turns without the model of failures, in case that is wrong
_GOLDEN = (5.0**0.5 - 1.0) / 2.0


@functools.cache
def _one_thread() -> ThreadpoolController:
    """Restrict linear algebra to one thread: with several workers on a busy machine, threads that wait for each
    other made a suggestion eight times slower (240 ms instead of 28)."""
    return ThreadpoolController()


class AutoSampler(BaseSampler):
    """A Gaussian process and TPE in turns.

    Args:
        n_startup_trials: the number of ended trials before a model is used; until then, points are spread out.
        space: the parameters in the study file.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        n_startup_trials: int = STARTUP_TRIALS,
        space: Sequence[ParameterSpec] = (),
    ) -> None:
        self._rng = LazyRandomState(seed)
        self._tpe = InformedTPESampler(seed=seed, n_startup_trials=n_startup_trials)
        self._startup = n_startup_trials
        self._declared = tuple(space)
        self._has_warned = False

    def reseed_rng(self) -> None:
        """Draw new seeds from the operating system."""
        self._rng.rng.seed()
        self._tpe.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Like TPE."""
        self._tpe.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Like TPE; also records a trial that failed in a plain script, where the cause is unknown."""
        self._tpe.after_trial(study, trial, state, values)
        if state == TrialState.FAIL and not isinstance(study._storage, WorkerStorage):
            study._storage.set_trial_system_attr(trial._trial_id, FAILED_ATTRIBUTE, Outcome.ERROR.value)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the parameters to sample jointly: TPE's in its turn, else all known ones."""
        history = History.of(study, trial)
        self._tpe.failed = history.failed
        if self._is_turn_of_tpe(study, history, trial):
            return self._tpe.infer_relative_search_space(study, trial)
        return self._joint_space(history).space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the values of those parameters."""
        if not search_space:
            return {}
        with _one_thread().limit(limits=1, user_api="blas"):
            return self._sample_jointly(study, trial, search_space)

    def _sample_jointly(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        history = History.of(study, trial)
        joint = self._joint_space(history)
        cube = joint.cube(search_space)
        tried = _encode_tried(history, joint, cube)
        if self._is_turn_of_tpe(study, history, trial):
            params = self._sample_with_tpe(study, trial, history, joint, cube)
            if not (tried == cube.encode([params])).all(axis=1).any():
                return params
        outlook = self._look_out(study, history, joint, cube)
        if outlook is None:
            return cube.decode(self._spread(history, joint, cube))
        if self._leaves_to_tpe(study, trial, outlook, search_space):
            return self._sample_with_tpe(study, trial, history, joint, cube)
        return cube.decode(outlook.find_best(tried, self._rng.rng))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return TPE's choice for one parameter that is not sampled jointly."""
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)

    def _is_turn_of_tpe(self, study: Study, history: History, trial: FrozenTrial) -> bool:
        """Whether this trial is TPE's turn, once TPE can be used."""
        share = _MODEL_SHARE if len(study.directions) == 1 else _MODEL_SHARE_OF_SEVERAL_METRICS
        return _turn_of(trial) >= share and len(history.finished) >= self._startup

    def _leaves_to_tpe(
        self, study: Study, trial: FrozenTrial, outlook: Outlook, space: dict[str, BaseDistribution]
    ) -> bool:
        """Whether measurements are so noisy that TPE, which averages over many, gets this trial."""
        return (
            outlook.noise_share > _NOISY
            and _turn_of(trial) >= _MODEL_SHARE_UNDER_NOISE
            and bool(outlook.cube.is_continuous.any())
            and space == self._tpe.infer_relative_search_space(study, trial)
        )

    def _sample_with_tpe(
        self, study: Study, trial: FrozenTrial, history: History, joint: JointSpace, cube: UnitCube
    ) -> dict[str, Any]:
        is_curious = _turn_of(trial) >= 1.0 - _CURIOUS_SHARE
        self._tpe.log_chance = None if is_curious else _log_chance(history, joint, cube)
        self._tpe.failed = _complete_failed(history, joint, cube)
        try:
            return self._tpe.sample_relative(study, trial, dict(cube.space))
        finally:
            self._tpe.log_chance, self._tpe.failed = None, history.failed

    def _joint_space(self, history: History) -> JointSpace:
        recent = [*history.finished[-_MOST_OBSERVATIONS:], *history.latest_failed, *history.running]
        return JointSpace(self._declared, sorted(recent, key=lambda trial: trial.number))

    def _spread(self, history: History, joint: JointSpace, cube: UnitCube) -> Array:
        self._warn_if_everything_fails(history)
        taken = cube.encode(joint.params_of([*history.finished[-_MOST_OBSERVATIONS:], *history.running]))
        failed = _encode_failed(history, joint, cube, donors=taken)
        return spread_point(cube, taken, failed, self._rng.rng)

    def _look_out(self, study: Study, history: History, joint: JointSpace, cube: UnitCube) -> Outlook | None:
        """Return the models' knowledge; None if there is too little."""
        if not self._is_informed(history):
            return None
        losses = joined_losses(history.finished, study.directions, self._rng.rng)
        trials, losses, constraints = _observations(history.finished, losses, study.directions)
        points = cube.encode(joint.params_of(trials))
        filled = cube.fill(points)
        feasible = _are_feasible(constraints)
        boundaries = constraint_boundaries(cube, filled, constraints)
        succeeded = observations_to_keep(losses, _MOST_SUCCEEDED)
        failed = cube.fill(_encode_failed(history, joint, cube, donors=points[succeeded]))
        if len(failed):
            boundaries.append(failure_boundary(cube, filled[succeeded], failed, history.recent_failures))
        running = cube.fill(cube.encode(joint.params_of(history.running)))
        if len(study.directions) > 1:
            several = front_losses(trials, study.directions, feasible)
            front = FrontModel(filled, several, cube.is_choice, feasible, running, self._rng.rng)
            return FrontOutlook(cube, points, feasible, boundaries, front)
        model = GaussianProcess(filled, losses, cube.is_choice)
        model.believe(running)
        return LossOutlook(cube, points, feasible, boundaries, model)

    def _is_informed(self, history: History) -> bool:
        """Whether there are enough trials for a model: failures count, but there must be a value or two."""
        finished = len(history.finished)
        return finished >= 2 and finished + len(history.failed) >= self._startup

    def _warn_if_everything_fails(self, history: History) -> None:
        if len(history.failed) >= self._startup and not history.finished and not self._has_warned:
            self._has_warned = True
            _logger.warning(
                "all of the first %d trials failed; without a result there is nothing to learn from, so points "
                "are spread out until one succeeds",
                len(history.failed),
            )


@dataclass(frozen=True)
class Outlook(ABC):
    """The models' knowledge of the values at ``points`` (some ``feasible``), and of the feasible region."""

    cube: UnitCube
    points: Array
    feasible: Flags
    boundaries: Sequence[Boundary]

    @property
    @abstractmethod
    def noise_share(self) -> float:
        """The share of the variance of one measurement that is noise."""

    @abstractmethod
    def _improvement(self) -> tuple[Score, Array]:
        """Return the logarithm of the expected improvement, and the feasible points to search around."""

    def find_best(self, tried: Array, rng: np.random.RandomState) -> Array:
        """Return the point with the greatest expected improvement times the probability of feasibility or, until a
        feasible point is known, with the greatest probability (Gardner et al. 2014, section 3.3)."""
        if self.feasible.any():
            improvement, leaders = self._improvement()
            return find_next_point(lambda at: improvement(at) + self._chance(at), self.cube, leaders, tried, rng)
        leaders = self.points[np.argsort(-self._chance(self.points), kind="stable")]
        return find_next_point(self._chance, self.cube, leaders, tried, rng)

    def _chance(self, points: Array) -> Array:
        """Return the logarithm of the probability of feasibility."""
        where = self.cube.fill(points)
        return sum((boundary.log_probability(where) for boundary in self.boundaries), np.zeros(len(where)))


@dataclass(frozen=True)
class LossOutlook(Outlook):
    """For one metric."""

    model: GaussianProcess

    @property
    def noise_share(self) -> float:
        """See Outlook."""
        return self.model.noise_share

    def _improvement(self) -> tuple[Score, Array]:
        # The target is the lowest prediction rather than the lowest measurement, which is luck under noise ("EI
        # with plug-in", Picheny, Wagner & Ginsbourger 2013). Without noise, they are the same.
        expected, _ = self.model.predict(self.cube.fill(self.points))
        best = float(expected[self.feasible].min())
        leaders = self.points[np.argsort(np.where(self.feasible, expected, np.inf), kind="stable")]
        return lambda at: log_expected_improvement(*self.model.predict(self.cube.fill(at)), best), leaders


@dataclass(frozen=True)
class FrontOutlook(Outlook):
    """For several metrics."""

    model: FrontModel

    @property
    def noise_share(self) -> float:
        """See Outlook."""
        return self.model.noise_share

    def _improvement(self) -> tuple[Score, Array]:
        return lambda at: self.model.log_improvement(self.cube.fill(at)), self.points[self.model.leaders]


def _turn_of(trial: FrozenTrial) -> float:
    """Return a number between 0 and 1 that determines whose turn a trial is, from the trial's number alone.

    Multiples of the golden ratio are evenly spread, and so are those of every second or third number, so that
    queued points, retries and branches, which use up numbers, starve neither method.
    """
    return trial.number * _GOLDEN % 1.0


def _log_chance(history: History, joint: JointSpace, cube: UnitCube) -> LogChance | None:
    """Return the success probability of TPE's candidates; None if nothing is known to fail."""
    if not history.latest_failed:
        return None
    succeeded = cube.encode(joint.params_of(history.finished[-len(history.latest_failed) - STARTUP_TRIALS :]))
    failed = cube.fill(_encode_failed(history, joint, cube, donors=succeeded))
    if not len(failed):
        return None
    boundary = failure_boundary(cube, cube.fill(succeeded), failed, history.recent_failures)
    return lambda samples: boundary.log_probability(cube.from_internal(samples))


def _telling(history: History, cube: UnitCube) -> list[FrozenTrial]:
    """Return the latest failed trials that have some of the parameters; the others tell nothing about them."""
    return [trial for trial in history.latest_failed if not cube.space.keys().isdisjoint(trial.params)]


def _encode_failed(history: History, joint: JointSpace, cube: UnitCube, donors: Array) -> Array:
    """Return the points of the latest failed trials.

    An objective that suggests parameters itself may fail before it has suggested all; the rest are taken from
    ``donors``.
    """
    return joint.complete(cube.encode(joint.params_of(_telling(history, cube))), donors, cube)


def _complete_failed(history: History, joint: JointSpace, cube: UnitCube) -> Sequence[FrozenTrial]:
    """Return all failed trials, the latest with the parameters that they did not reach."""
    latest = _telling(history, cube)
    if all(cube.space.keys() <= trial.params.keys() for trial in latest):
        return history.failed
    donors = cube.encode(joint.params_of(history.finished[-_MOST_OBSERVATIONS:]))
    points = _encode_failed(history, joint, cube, donors)
    completed = {
        trial.number: _with_params(trial, cube.decode(point), cube)
        for trial, point in zip(latest, points, strict=True)
        if not cube.space.keys() <= trial.params.keys()
    }
    return [completed.get(trial.number, trial) for trial in history.failed]


def _with_params(trial: FrozenTrial, params: Mapping[str, Any], cube: UnitCube) -> FrozenTrial:
    """Return a failed trial with those of ``params`` that it lacks."""
    return FrozenTrial(
        number=trial.number,
        trial_id=trial._trial_id,
        state=trial.state,
        value=None,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params={**params, **trial.params},
        distributions={**{name: cube.space[name] for name in params}, **trial.distributions},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


def _observations(
    finished: Sequence[FrozenTrial], losses: Array, directions: Sequence[StudyDirection]
) -> tuple[list[FrozenTrial], Array, list[dict[str, float]]]:
    """Return the trials that a model can use, with their losses and constraints."""
    looked_at = observations_to_keep(losses, _MOST_LOOKED_AT)
    trials = [finished[index] for index in looked_at]
    constraints = [trial.constraints for trial in trials]
    feasible = _are_feasible(constraints)
    order = losses[looked_at] + np.where(feasible, 0.0, 1e3)
    if len(directions) > 1:  # a model that does not know the whole front would look for parts of it again
        order -= np.where(are_on_front(trials, directions, feasible), 1e3, 0.0)
    kept = observations_to_keep(order, _MOST_OBSERVATIONS)
    return [trials[index] for index in kept], losses[looked_at[kept]], [constraints[index] for index in kept]


def _are_feasible(constraints: Sequence[Mapping[str, float]]) -> Flags:
    return np.asarray([all(value <= 0 for value in met.values()) for met in constraints], dtype=bool)


def _encode_tried(history: History, joint: JointSpace, cube: UnitCube) -> Array:
    """Return the points that could be repeated: without continuous parameters, or parameters outside the model."""
    if cube.is_continuous.any() or joint.space.keys() != cube.space.keys():
        return np.empty((0, len(cube)))
    return cube.encode(joint.params_of([*history.finished, *history.failed, *history.running]))
