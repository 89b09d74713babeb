"""Converts the values of finished trials to losses for a model: of comparable size, lower is better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from optuna.study import StudyDirection
from optuna.study._multi_objective import _is_pareto_front
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.forecasts import foretold_value
from hpotool.search.models.unit_cube import Array, Flags

_FARTHEST = 1e12
_FAR_BELOW, _FARTHEST_BELOW = 4.0, 8.0  # in units of the distance from the median to the best tenth
_AUGMENTED = 0.05  # the share of the sum, in Knowles' function


def compressed_losses(trials: Sequence[FrozenTrial], direction: StudyDirection, metric: int = 0) -> Array:
    """Return the losses for one metric of finished trials, with mean 0 and deviation 1.

    What is worse than the median is compressed by a logarithm: that it is bad matters, how bad does not. What is
    better than anything should be is compressed too, and held: one absurd value must not hide the others. A pruned
    trial counts with the final value that its pruner foretold; where none did, with its last value, but never as
    better than the median: it was ended because it was worse than others at that step. What is infinite or unknown
    is as bad as the worst.
    """
    values = halved_values(trials, direction, metric)
    if values is None:
        return np.zeros(len(trials))
    median, spread = centre_and_spread(values)
    with np.errstate(over="ignore"):
        scaled = np.clip((values - median) / spread, -_FARTHEST, _FARTHEST)
    scaled = np.where(scaled > 0, np.log1p(np.maximum(scaled, 0.0)), scaled)
    beyond = np.log1p(np.maximum(-_FAR_BELOW - scaled, 0.0))
    scaled = np.where(beyond > 0, np.maximum(-_FAR_BELOW - beyond, -_FARTHEST_BELOW), scaled)
    return standardised(scaled)


def halved_values(trials: Sequence[FrozenTrial], direction: StudyDirection, metric: int = 0) -> Array | None:
    """Return half of each trial's value, negated if the metric is maximized; None if no value is known.

    Halves, because the difference of the largest floats is infinite. For pruned trials and for what is infinite or
    unknown, see `compressed_losses`.
    """
    sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
    values = np.asarray([_value(trial, metric) for trial in trials]) * sign
    pruned = np.asarray([trial.state == TrialState.PRUNED for trial in trials])
    foretold = np.asarray([foretold_value(trial) for trial in trials]) * sign
    if not np.isnan(foretold).all():
        values = np.where(np.isnan(foretold), values, foretold)
        pruned &= np.isnan(foretold)
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    values = np.where(np.isneginf(values), known.min(), np.where(np.isfinite(values), values, known.max()))
    values = values / 2
    reference = values[~pruned] if not pruned.all() else values
    return np.where(pruned, np.maximum(values, np.median(reference)), values)


def centre_and_spread(values: Array) -> tuple[float, float]:
    """Return the median, and the distance from it to the best tenth: the unit in which losses are compared."""
    median = float(np.median(values))
    spread = median - float(np.quantile(values, 0.1))
    if spread <= 0:  # many are equally good
        largest = max(float(np.abs(values).max()), 1e-300)
        spread = max(float((values / largest).std()) * largest, 1e-300)
    return median, spread


def standardised(losses: Array) -> Array:
    """Return the losses with mean 0 and deviation 1."""
    centred: Array = (losses - losses.mean()) / max(float(losses.std()), 1e-12)
    return centred


def joined_losses(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], rng: RandomState) -> Array:
    """Return one loss for all metrics, weighted at random, for another part of the Pareto front each time.

    The augmented Chebyshev function of ParEGO (Knowles 2006, eq. 2), on losses scaled to the same range.
    """
    losses = np.stack([compressed_losses(trials, way, metric) for metric, way in enumerate(directions)], axis=1)
    if losses.shape[1] == 1:
        return losses[:, 0]
    width = losses.max(axis=0) - losses.min(axis=0)
    scaled = (losses - losses.min(axis=0)) / np.where(width > 0, width, 1.0)
    weighted = scaled * rng.dirichlet(np.ones(losses.shape[1]))
    return standardised(weighted.max(axis=1) + _AUGMENTED * weighted.sum(axis=1))


def front_losses(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], feasible: Flags) -> Array:
    """Return the losses for each metric in units of the Pareto front: its best value is -1, its worst 0.

    What is worse than that is compressed by a logarithm. (trials, metrics)
    """
    losses, spreads = _bounded_losses(trials, directions)
    front = losses[_is_on_front(losses, feasible)]
    worst, width = front.max(axis=0), front.max(axis=0) - front.min(axis=0)
    # At first the front is narrow: in its own units, it could grow only a little at a time.
    unit = np.maximum(width, spreads)
    with np.errstate(over="ignore"):
        scaled = np.clip((losses - worst) / unit, -_FARTHEST, _FARTHEST)
    compressed: Array = np.where(scaled > 0, np.log1p(np.maximum(scaled, 0.0)), scaled)
    return compressed


def are_on_front(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], feasible: Flags) -> Flags:
    """Return which of the feasible trials are on the Pareto front; if none is feasible, of all."""
    return _is_on_front(_bounded_losses(trials, directions)[0], feasible)


def _bounded_losses(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> tuple[Array, Array]:
    """Return the losses (trials, metrics), none of them absurdly good, and the spread of each metric."""
    columns, spreads = [], []
    for metric, way in enumerate(directions):
        values = halved_values(trials, way, metric)
        values = np.zeros(len(trials)) if values is None else values
        median, spread = centre_and_spread(values)
        columns.append(np.maximum(values, median - _FARTHEST_BELOW * spread))
        spreads.append(spread)
    return np.stack(columns, axis=1), np.asarray(spreads)


def _is_on_front(losses: Array, feasible: Flags) -> Flags:
    rows = np.flatnonzero(feasible) if feasible.any() else np.arange(len(losses))
    on_front = np.zeros(len(losses), dtype=bool)
    on_front[rows[_is_pareto_front(losses[rows], assume_unique_lexsorted=False)]] = True
    return on_front


def observations_to_keep(losses: Array, most: int) -> NDArray[np.intp]:
    """Return the indices of at most ``most`` trials: half are the best, a quarter the latest, and a quarter is
    spread over the rest, so that knowledge of bad regions is kept."""
    count = len(losses)
    if count <= most:
        return np.arange(count)
    best = np.argsort(losses, kind="stable")[: most // 2]
    rest = np.setdiff1d(np.arange(count), best)
    latest, older = rest[-(most // 4) :], rest[: -(most // 4)]
    spread = (
        older[np.linspace(0, len(older) - 1, most - most // 2 - most // 4).astype(int)] if len(older) else older
    )
    return np.unique(np.concatenate([best, latest, spread]))


def _value(trial: FrozenTrial, metric: int) -> float:
    values = trial.values
    return np.nan if not values or metric >= len(values) or values[metric] is None else values[metric]
