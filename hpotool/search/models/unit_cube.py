"""A search space as columns of numbers, so that a model may compare its points.

A number becomes a coordinate between 0 and 1 (of its logarithm where the parameter is logarithmic), a choice its
index. Points are arrays of shape (number of points, number of parameters).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

Array: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]


class UnitCube:
    """The columns of one search space, in the order of its names.

    Attributes:
        is_choice: which columns hold the index of a choice.
        is_continuous: which columns hold a number without steps.
        choices: how many choices a column has; 0 for a number.
    """

    def __init__(self, space: Mapping[str, BaseDistribution]) -> None:
        self.space = dict(sorted(space.items()))
        counts = [
            len(distribution.choices) if isinstance(distribution, CategoricalDistribution) else 0
            for distribution in self.space.values()
        ]
        self.choices = np.asarray(counts, dtype=int)
        self.is_choice = self.choices > 0
        self._scales = [
            None if isinstance(distribution, CategoricalDistribution) else _Scale(distribution)
            for distribution in self.space.values()
        ]
        self.is_continuous = np.asarray([scale is not None and scale.step is None for scale in self._scales])

    def __len__(self) -> int:
        return len(self.space)

    def has(self, params: Mapping[str, Any]) -> bool:
        """Return whether the point says something about every column."""
        return self.space.keys() <= params.keys()

    def encode(self, points: Sequence[Mapping[str, Any]]) -> Array:
        """Return the points' coordinates. Values outside of a range are moved to its end."""
        coordinates = np.empty((len(points), len(self)))
        for column, (name, distribution) in enumerate(self.space.items()):
            internal = np.asarray([distribution.to_internal_repr(point[name]) for point in points], dtype=float)
            scale = self._scales[column]
            coordinates[:, column] = internal if scale is None else scale.to_unit(internal)
        return coordinates

    def decode(self, point: Array) -> dict[str, Any]:
        """Return the parameters at one point: each a value that its distribution contains."""
        params = {}
        for column, (name, distribution) in enumerate(self.space.items()):
            scale = self._scales[column]
            internal = float(point[column] if scale is None else scale.from_unit(point[column : column + 1])[0])
            params[name] = distribution.to_external_repr(internal)
        return params

    def snap(self, points: Array) -> Array:
        """Return the nearest points that can be decoded without a change: what is discrete lies on its grid."""
        snapped: Array = points.copy()
        for column, scale in enumerate(self._scales):
            if scale is not None and scale.step is not None:
                snapped[:, column] = scale.to_unit(scale.from_unit(points[:, column]))
        return snapped

    def draw(self, rng: RandomState, count: int) -> Array:
        """Return uniformly random points."""
        points = rng.uniform(size=(count, len(self)))
        indices = np.floor(points * np.maximum(self.choices, 1))
        return self.snap(np.asarray(np.where(self.is_choice, indices, points)))


class _Scale:
    """One number ↔ [0, 1]. A discrete number owns a cell around it, so that the ends are as likely as the rest."""

    def __init__(self, distribution: BaseDistribution) -> None:
        assert isinstance(distribution, (FloatDistribution, IntDistribution))
        self.step = distribution.step
        self._low, self._high = float(distribution.low), float(distribution.high)
        self._log = distribution.log
        half = 0.0 if self.step is None else self.step / 2
        self._start, self._end = self._transform(np.asarray([self._low - half, self._high + half]))

    def to_unit(self, values: Array) -> Array:
        unit: Array = (self._transform(np.clip(values, self._low, self._high)) - self._start) / (
            self._end - self._start
        )
        return unit

    def from_unit(self, unit: Array) -> Array:
        values = self._start + unit * (self._end - self._start)
        if self._log:
            values = np.exp(values)
        if self.step is not None:
            values = self._low + np.round((values - self._low) / self.step) * self.step
        clipped: Array = np.clip(values, self._low, self._high)
        return clipped

    def _transform(self, values: Array) -> Array:
        return np.asarray(np.log(values)) if self._log else values
