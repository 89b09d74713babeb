"""From one point to a better one, a parameter at a time: which of the changes made the difference.

The path is greedy, as in Fawcett and Hoos (Journal of Heuristics 2016): the change that helps most comes next. A
model of the study's trials predicts each change; nothing is run for it (Biedenkapp et al., AAAI 2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpotool.analysis.weighing.kernel_anova import Array, Fit, centred, fit
from hpotool.analysis.weighing.table import Table


@dataclass(frozen=True)
class Change:
    """One step of the path: what changes, and the metric that the model expects then."""

    parameters: tuple[str, ...]
    expected: float

    def as_data(self) -> dict[str, Any]:
        """Return the step as JSON data."""
        return {"parameters": list(self.parameters), "expected": self.expected}


def find_ablation(
    table: Table, start: Mapping[str, Any], best: Mapping[str, Any], *, sign: float
) -> tuple[Change, ...]:
    """Return the path from ``start``, which is its first element and changes nothing, to ``best``.

    Args:
        sign: what the metric is multiplied with so that lower is better.
    """
    fitted = fit(np.asarray([column.gram for column in table.columns]), table.targets)
    points = table.cube.encode([start, best])
    left = _groups(table, points)
    path = [Change((), _expect(table, fitted, points[:1])[0])]
    now = points[0].copy()
    while left:
        tried = np.asarray([_changed(table, now, points[1], group) for group in left])
        expected = _expect(table, fitted, tried)
        choice = int(np.argmin(sign * np.asarray(expected)))
        path.append(Change(left.pop(choice), expected[choice]))
        now = tried[choice]
    return tuple(path)


def _groups(table: Table, points: Array) -> list[tuple[str, ...]]:
    """Return what changes together: each parameter by itself; those that only one of the points has, in one step
    with the choices that differ, as those decide what exists."""
    differs = [not np.array_equal(one, other, equal_nan=True) for one, other in points.T[:, :, None]]
    absent = np.isnan(points).any(axis=0) & np.asarray(differs)
    joint = absent | (np.asarray(differs) & table.cube.is_choice if absent.any() else absent)
    together = tuple(name for name, is_joint in zip(table.names, joint, strict=True) if is_joint)
    alone = [
        (name,)
        for name, is_different, is_joint in zip(table.names, differs, joint, strict=True)
        if is_different and not is_joint
    ]
    return [*alone, together] if together else [*alone]


def _changed(table: Table, now: Array, best: Array, group: tuple[str, ...]) -> Array:
    return np.where(np.isin(table.names, group), best, now)


def _expect(table: Table, fitted: Fit, points: Array) -> list[float]:
    kernels = [
        centred(points[:, place], column.values, column.choices) for place, column in enumerate(table.columns)
    ]
    return [float(value) * table.scale + table.centre for value in fitted.predict(kernels)]
