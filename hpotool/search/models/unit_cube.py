"""A search space as columns of numbers, so that a model can compare points.

A number becomes a coordinate between 0 and 1 (of its logarithm for logarithmic parameters), a choice its index.
Points are arrays of shape (number of points, number of parameters); NaN is a parameter that a point does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any, TypeAlias

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

Array: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
# For each conditional parameter: its parents, and the values of each for which it exists.
Conditions: TypeAlias = Mapping[str, Mapping[str, Sequence[Any]]]

_ABSENT_NUMBER, _ABSENT_CHOICE = 0.5, -1.0  # the middle is nearest to all; no choice is like another one
_REMOVED_CHOICE = -2.0  # a value that the space had once
_BEYOND = 0.5  # how far outside of a range, of its width, a point may lie: the range was wider once


class UnitCube:
    """The columns of one search space, in the order of its names.

    Attributes:
        is_choice: which columns hold the index of a choice.
        is_continuous: which columns hold a number without steps.
        choices: how many choices a column has; 0 for a number.
    """

    def __init__(self, space: Mapping[str, BaseDistribution], conditions: Conditions | None = None) -> None:
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
        self._rules = self._compile(conditions or {})

    def __len__(self) -> int:
        return len(self.space)

    def encode(self, points: Sequence[Mapping[str, Any]]) -> Array:
        """Return the points' coordinates. What lies outside of a range stays outside, but near it."""
        coordinates = np.full((len(points), len(self)), np.nan)
        for column, (name, distribution) in enumerate(self.space.items()):
            rows = [row for row, point in enumerate(points) if name in point]
            internal = np.asarray([_internal(distribution, points[row][name]) for row in rows], dtype=float)
            scale = self._scales[column]
            coordinates[rows, column] = internal if scale is None else scale.to_unit(internal)
        return coordinates

    def from_internal(self, samples: Mapping[str, Array]) -> Array:
        """Return the coordinates of points that are given as their distributions represent them, by parameter."""
        columns = [
            samples[name] if scale is None else scale.to_unit(samples[name])
            for name, scale in zip(self.space, self._scales, strict=True)
        ]
        return np.stack(columns, axis=1)

    def decode(self, point: Array) -> dict[str, Any]:
        """Return the parameters that exist at one point: each a value that its distribution contains."""
        params = {}
        for column, (name, distribution) in enumerate(self.space.items()):
            if np.isnan(point[column]):
                continue
            scale = self._scales[column]
            internal = float(point[column] if scale is None else scale.from_unit(point[column : column + 1])[0])
            params[name] = distribution.to_external_repr(internal)
        return params

    def fill(self, points: Array) -> Array:
        """Return the points for a model, in which absent parameters have a coordinate too."""
        absent = np.where(self.is_choice, _ABSENT_CHOICE, _ABSENT_NUMBER)
        filled: Array = np.where(np.isnan(points), absent, points)
        return filled

    def snap(self, points: Array) -> Array:
        """Return the nearest points that decode without a change, with discrete parameters on their grid."""
        snapped: Array = points.copy()
        for column, scale in enumerate(self._scales):
            if scale is not None and scale.step is not None:
                snapped[:, column] = scale.to_unit(scale.from_unit(points[:, column]))
        return snapped

    def draw(self, rng: RandomState, count: int) -> Array:
        """Return uniformly random points."""
        return self.repair(self._draw(rng, count), rng)

    def repair(self, points: Array, rng: RandomState) -> Array:
        """Return the points with exactly the parameters that exist there; new ones get random values."""
        if not self._rules and not np.isnan(points).any():
            return points
        points = points.copy()
        missing = np.isnan(points)
        if missing.any():
            points[missing] = self._draw(rng, len(points))[missing]
        for column, parents in self._rules:
            for parent, allowed in parents:
                points[~np.isin(np.round(points[:, parent], 9), allowed), column] = np.nan
        return points

    def _draw(self, rng: RandomState, count: int) -> Array:
        points = rng.uniform(size=(count, len(self)))
        indices = np.floor(points * np.maximum(self.choices, 1))
        return self.snap(np.asarray(np.where(self.is_choice, indices, points)))

    def _compile(self, conditions: Conditions) -> list[tuple[int, list[tuple[int, Array]]]]:
        """Return the conditions as coordinates of columns, parents before their children."""
        columns = {name: column for column, name in enumerate(self.space)}
        known = {name: parents for name, parents in conditions.items() if name in columns}
        rules = []
        for name in TopologicalSorter({name: [*parents] for name, parents in known.items()}).static_order():
            parents = [
                (
                    columns[parent],
                    np.round(self.encode([{parent: value} for value in values])[:, columns[parent]], 9),
                )
                for parent, values in known.get(name, {}).items()
                if parent in columns
            ]
            if parents:
                rules.append((columns[name], parents))
        return rules


def _internal(distribution: BaseDistribution, value: Any) -> float:
    try:
        return float(distribution.to_internal_repr(value))
    except ValueError:
        return _REMOVED_CHOICE


class _Scale:
    """Maps a number to [0, 1]. A discrete number has a cell around it, so the ends are as likely as the rest."""

    def __init__(self, distribution: BaseDistribution) -> None:
        assert isinstance(distribution, (FloatDistribution, IntDistribution))
        self.step = distribution.step
        self._low, self._high = float(distribution.low), float(distribution.high)
        self._log = distribution.log
        half = 0.0 if self.step is None else self.step / 2
        self._start, self._end = self._transform(np.asarray([self._low - half, self._high + half]))

    def to_unit(self, values: Array) -> Array:
        if self._log:
            values = np.maximum(values, np.finfo(float).tiny)
        # Halves, because the width of a range may exceed the largest float.
        width = self._end / 2 - self._start / 2
        unit = (self._transform(values) / 2 - self._start / 2) / width
        clipped: Array = np.clip(unit, -_BEYOND, 1.0 + _BEYOND)
        return clipped

    def from_unit(self, unit: Array) -> Array:
        values = self._start * (1.0 - unit) + self._end * unit
        if self._log:
            values = np.exp(values)
        if self.step is not None:
            values = self._low + np.round((values - self._low) / self.step) * self.step
        clipped: Array = np.clip(values, self._low, self._high)
        return clipped

    def _transform(self, values: Array) -> Array:
        return np.asarray(np.log(values)) if self._log else values
