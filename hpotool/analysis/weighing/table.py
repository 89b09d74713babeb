"""Trials as columns of numbers: each parameter over its range, and the metric held where it runs away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpotool.analysis.weighing.kernel_anova import Array, Column
from hpotool.search.models.unit_cube import UnitCube

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

MOST_TRIALS = 120  # that are looked at: a fit costs their cube
_FENCE = 3.0  # quartile distances; beyond it a value is far out (Tukey, Exploratory Data Analysis, 1977)


@dataclass(frozen=True)
class Table:
    """What is to be explained, and the columns that may explain it.

    Attributes:
        targets: mean 0 and deviation 1.
        centre: what was taken off the metric, and ``scale`` what it was then divided by.
    """

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    targets: Array
    cube: UnitCube
    centre: float = 0.0
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.targets)


def make_table(trials: Sequence[FrozenTrial], values: Sequence[float], names: Sequence[str]) -> Table:
    """Return the trials as a table; of more than ``MOST_TRIALS``, so many that are spread evenly over all."""
    rows = np.unique(np.linspace(0, len(trials) - 1, min(len(trials), MOST_TRIALS)).round().astype(int))
    cube = UnitCube({name: _latest(trials, name) for name in names})
    points = cube.encode([trials[row].params for row in rows])
    targets, centre, scale = _standardise(np.asarray(values, dtype=float)[rows])
    columns = tuple(Column(points[:, place], int(cube.choices[place])) for place in range(len(cube)))
    return Table(tuple(cube.space), columns, targets, cube, centre, scale)


def _latest(trials: Sequence[FrozenTrial], name: str) -> BaseDistribution:
    return next(trial.distributions[name] for trial in reversed(trials) if name in trial.params)


def _standardise(values: Array) -> tuple[Array, float, float]:
    largest = max(float(np.abs(values).max()), 1e-300)
    shrunk = values / largest  # the difference of the largest floats is infinite
    first, third = np.quantile(shrunk, [0.25, 0.75])
    reach = _FENCE * (third - first)
    held = np.clip(shrunk, first - reach, third + reach) if reach > 0 else shrunk
    deviation = float(held.std()) or 1.0
    return (held - held.mean()) / deviation, float(held.mean()) * largest, deviation * largest
