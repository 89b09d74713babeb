"""How sure a parameter's share is: an interval over resampled trials, and a comparison with its values shuffled.

Promise: of parameters that do nothing, at most one in twenty is taken for one that does something.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hpotool.analysis.weighing.kernel_anova import Array, Column, covariance_of, fit
from hpotool.analysis.weighing.table import Table

RESAMPLES = 60
SHUFFLES = 69
INTERVAL = (0.05, 0.95)
_MOST_AS_GOOD = 1  # shuffles that explain as much as a parameter's own values: by chance in 3 of 100
_SHOWN = 12  # shuffles of each parameter that the random column is made of


@dataclass(frozen=True)
class Evidence:
    """What is known about each parameter, in the table's order.

    Attributes:
        shares: of the variance that all explain; together 1.
        low, high: 90 % intervals over resampled trials.
        random: the mean share of the parameters with shuffled values, with its interval.
        is_told: whether a parameter's own values explain more than shuffled ones, all but one in ``SHUFFLES``.
    """

    shares: Array
    low: Array
    high: Array
    random: tuple[float, float, float]
    is_told: NDArray[np.bool_]


def weigh(table: Table, seed: int = 0) -> Evidence:
    """Return each parameter's share, and how sure it is. The same table gives the same answer."""
    with threadpool_limits(1):  # threads that wait for each other on a busy machine made it a hundred times slower
        return _weigh(table, np.random.default_rng(seed))


def _weigh(table: Table, rng: np.random.Generator) -> Evidence:
    kernels = np.asarray([column.gram for column in table.columns])
    covariances = [covariance_of(column.grid) for column in table.columns]
    parts = fit(kernels, table.targets).parts(covariances)
    resampled = np.asarray([_resample(table, kernels, covariances, rng) for _ in range(RESAMPLES)])
    shuffled = [_shuffles(table, kernels, covariances, place, parts[place], rng) for place in range(len(parts))]
    shares = share_out(parts)
    low, high = np.quantile(resampled, INTERVAL, axis=0)
    chance = np.clip(
        np.concatenate([one[:_SHOWN] for one in shuffled]) / max(float(parts.sum()), 1e-300), 0.0, 1.0
    )
    first, last = np.quantile(chance, INTERVAL)
    as_good = np.asarray([(one >= part).sum() for one, part in zip(shuffled, parts, strict=True)])
    random = (float(chance.mean()), float(first), float(last))
    return Evidence(shares, np.minimum(low, shares), np.maximum(high, shares), random, as_good <= _MOST_AS_GOOD)


def share_out(parts: Array) -> Array:
    """Return the parts as shares of their sum; all the same where nothing explains anything."""
    total = float(parts.sum())
    return parts / total if total > 0 else np.full(len(parts), 1.0 / len(parts))


def shuffled_values(column: Column, rng: np.random.Generator) -> Column:
    """Return the column with its values in another order; where it does not exist, it still does not."""
    values = column.values.copy()
    there = np.flatnonzero(~np.isnan(values))
    values[there] = rng.permutation(values[there])
    return Column(values, column.choices)


def _resample(table: Table, kernels: Array, covariances: list[Array], rng: np.random.Generator) -> Array:
    rows, counts = np.unique(rng.integers(0, len(table), len(table)), return_counts=True)
    inner = np.ix_(rows, rows)
    found = fit(kernels[:, rows][:, :, rows], table.targets[rows], counts.astype(float))
    return share_out(found.parts([one[inner] for one in covariances]))


def _shuffles(
    table: Table, kernels: Array, covariances: list[Array], place: int, own: float, rng: np.random.Generator
) -> Array:
    """Return what the parameter explains with its values shuffled; no more often than settles the question."""
    found: list[float] = []
    while len(found) < SHUFFLES and (len(found) < _SHOWN or sum(one >= own for one in found) <= _MOST_AS_GOOD):
        found.append(_shuffle(table, kernels, covariances, place, rng))
    return np.asarray(found)


def _shuffle(
    table: Table, kernels: Array, covariances: list[Array], place: int, rng: np.random.Generator
) -> float:
    column = shuffled_values(table.columns[place], rng)
    others = kernels.copy()
    others[place] = column.gram
    spread = [*covariances[:place], covariance_of(column.grid), *covariances[place + 1 :]]
    return float(fit(others, table.targets).parts(spread)[place])
