"""Estimates the simple regret of a study: how much better the optimum of its space may be than its best trial.

Joint draws from models of the trials (Thompson sampling): each draw is a possible truth, with its own optimum. The
gap between that and the best trial, over the draws, is the answer, as in Wilson, "Stopping Bayesian optimization
with probabilistic regret bounds" (NeurIPS 2024). Makarova et al. (AutoML 2022) bound it by confidence bounds at
single points instead, which is far wider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import ThreadpoolController

from hpotool.search.history import History
from hpotool.search.losses import halved_values, observations_to_keep
from hpotool.search.models.acquisition import scatter
from hpotool.search.models.boundary import Boundary, constraint_boundaries, failure_boundary
from hpotool.search.models.gaussian_process import GaussianProcess
from hpotool.search.models.joint_space import JointSpace
from hpotool.search.models.unit_cube import Array, Flags, UnitCube
from hpotool.search.regret.scale import LossScale
from hpotool.study.rules.regret import FEWEST_TRIALS, PROBABILITY, Regret
from hpotool.study.spec import ParameterSpec

_MOST_OBSERVATIONS = 160  # as many as the sampler models: the cost grows with their cube
# The length scales of a model are uncertain too, and a single fit is too sure of itself: of the problems of
# ``tests/benchmarks/regret.py``, it covered the truth less often.
_FITS, _SHARE_OF_A_FIT = 4, 2 / 3
_DRAWS_OF_A_FIT = 60
_LEADERS, _RANDOM, _FEWER_RANDOM = 30, 300, 100  # candidates at first: the best, around them, and at random …
_ROUNDS, _SURVIVORS, _CHILDREN = 3, 20, 300  # … and then around the optima of the draws, ever closer
_FIRST_RADIUS, _RADIUS, _SHRINK = 0.3, 0.25, 0.4


def estimate_regret(
    trials: Sequence[FrozenTrial], direction: StudyDirection, space: Sequence[ParameterSpec] = ()
) -> Regret | None:
    """Return what may be left to gain; None where the trials cannot say.

    That needs `FEWEST_TRIALS` finished trials, one of them complete and feasible, with two different values. The
    same trials always give the same answer.

    Args:
        trials: the study's, in any order; those that have not ended are ignored.
        space: the parameters in the study file.
    """
    history = History.from_trials(sorted(trials, key=lambda trial: trial.number))
    halved = halved_values(history.finished, direction) if len(history.finished) >= FEWEST_TRIALS else None
    if halved is None or np.ptp(halved) == 0:
        return None
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        evidence = _Evidence.of(history, halved, space)
        return None if evidence is None else _estimate(evidence, len(history.finished))


@dataclass(frozen=True)
class _Evidence:
    """What the models are made from: ``points`` with their ``losses``, the best of them first."""

    cube: UnitCube
    points: Array
    losses: Array
    boundaries: Sequence[Boundary]
    scale: LossScale
    best: int

    @staticmethod
    def of(history: History, halved: Array, space: Sequence[ParameterSpec]) -> _Evidence | None:
        """Return what the trials give; None: none of them is complete and feasible, or nothing was varied."""
        finished = history.finished
        is_able = np.asarray([_is_able(trial) for trial in finished])
        kept = observations_to_keep(_order_to_keep(halved, is_able), _MOST_OBSERVATIONS)
        if not is_able.any():
            return None
        recent = [*(finished[index] for index in kept), *history.latest_failed]
        joint = JointSpace(space, sorted(recent, key=lambda trial: trial.number))
        cube = joint.cube(joint.space)
        if not len(cube):
            return None
        scale = LossScale.of(halved)
        points = cube.encode(joint.params_of([finished[index] for index in kept]))
        losses = scale.to_losses(halved[kept])
        means = _mean_of_replicates(cube.fill(points), losses)
        order = np.argsort(np.where(is_able[kept], means, np.inf), kind="stable")
        kept, points, losses = kept[order], points[order], losses[order]
        boundaries = _find_boundaries(history, [finished[index] for index in kept], joint, cube, points)
        return _Evidence(cube, points, losses, boundaries, scale, finished[int(kept[0])].number)


def _order_to_keep(halved: Array, is_able: Flags) -> Array:
    """Return an order of trials by value, in which those that cannot be the best come last."""
    ranks = np.argsort(np.argsort(halved, kind="stable"), kind="stable")
    order: Array = np.asarray(ranks + np.where(is_able, 0.0, float(len(halved))), dtype=float)
    return order


def _is_able(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE and all(violation <= 0 for violation in trial.constraints.values())


def _mean_of_replicates(points: Array, losses: Array) -> Array:
    _, inverse = np.unique(points, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    means: Array = (np.bincount(inverse, losses) / np.bincount(inverse))[inverse]
    return means


def _find_boundaries(
    history: History, trials: Sequence[FrozenTrial], joint: JointSpace, cube: UnitCube, points: Array
) -> list[Boundary]:
    filled = cube.fill(points)
    boundaries = constraint_boundaries(cube, filled, [trial.constraints for trial in trials])
    failed = cube.encode(joint.params_of(history.latest_failed))
    if len(failed):
        failed = cube.fill(joint.complete(failed, points, cube))
        boundaries.append(failure_boundary(cube, filled, failed, 0.0))
    return boundaries


def _estimate(evidence: _Evidence, finished: int) -> Regret:
    rng = RandomState(0)  # the same trials give the same answer
    cube = evidence.cube
    whole = GaussianProcess(cube.fill(evidence.points), evidence.losses, cube.is_choice)
    models = [whole.refitted(_SHARE_OF_A_FIT, rng) for _ in range(_FITS)]
    best = evidence.points[:1]
    leaders = evidence.points[:_LEADERS]
    near = scatter(cube, leaders[:10], 12, _FIRST_RADIUS, rng)
    candidates = np.vstack([best, leaders, near, cube.draw(rng, _RANDOM)])
    for turn in range(_ROUNDS):
        losses = _draw(evidence, models, candidates, rng)
        wins = np.bincount(losses.argmin(axis=1), minlength=len(candidates))
        survivors = candidates[np.argsort(-wins, kind="stable")[: min(_SURVIVORS, int((wins > 0).sum()))]]
        children = scatter(cube, survivors, _CHILDREN // len(survivors), _RADIUS * _SHRINK**turn, rng)
        candidates = np.vstack([best, survivors, children, cube.draw(rng, _FEWER_RANDOM)])
    losses = _draw(evidence, models, candidates, rng)
    gains = evidence.scale.difference(losses[:, 0], losses.min(axis=1))
    expected = float((gains / len(gains)).sum())  # the sum of the largest floats would be infinite
    return Regret(expected, float(np.quantile(gains, PROBABILITY)), finished, evidence.best)


def _draw(evidence: _Evidence, models: Sequence[GaussianProcess], candidates: Array, rng: RandomState) -> Array:
    """Return possible losses of the candidates, infinite where a constraint would not be met: (draws, candidates).

    The first candidate is the best trial, which has met them.
    """
    points = evidence.cube.fill(candidates)
    losses = np.vstack([model.draw(points, _DRAWS_OF_A_FIT, rng) for model in models])
    for boundary in evidence.boundaries:
        losses[:, 1:][~boundary.draw_met(points, len(losses), rng)[:, 1:]] = np.inf
    return losses
