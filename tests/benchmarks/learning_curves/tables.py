"""The recorded curves as problems: a configuration of the grid is a trial that was run before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna

Array = np.ndarray[Any, Any]

FOLDER = Path(__file__).parent / "recorded"
_LEVELS = 65_000  # of a loss between the smallest and the largest that is told apart from infinity
_INFINITE = 65_535


@dataclass(frozen=True)
class CurveProblem:
    """A grid whose every point has a curve.

    Attributes:
        curves: one row for each point, one column for each step; lower is better.
    """

    name: str
    use: str
    grid: Mapping[str, Sequence[Any]]
    curves: Array

    @property
    def steps(self) -> int:
        """How many steps a whole trial has."""
        return int(self.curves.shape[1])

    def suggest(self, trial: optuna.Trial) -> int:
        """Ask for a point of the grid; return its row."""
        row = 0
        for name, values in self.grid.items():
            if isinstance(values[0], (str, bool)):
                place = trial.suggest_categorical(name, range(len(values)))
            else:
                place = trial.suggest_int(name, 0, len(values) - 1)
            row = row * len(values) + place
        return row

    def regret(self, loss: float) -> float:
        """Return what is left to the best final loss, where that of a median point has 1."""
        final = self.curves[:, -1]
        best, median = float(final.min()), float(np.median(final))
        return min((loss - best) / (median - best), 2.0)


def pack(curves: Array) -> dict[str, Array]:
    """Return the curves as whole numbers, which take a third of the place. What is ten times worse than the worse
    half's median is infinite."""
    known = curves[np.isfinite(curves)]
    low, high = float(known.min()), float(np.quantile(known, 0.75)) * 10
    levels = np.round((np.nan_to_num(curves, nan=np.inf, posinf=np.inf) - low) / (high - low) * _LEVELS)
    return {
        "levels": np.where(levels > _LEVELS, _INFINITE, levels).astype(np.uint16),
        "range": np.array([low, high]),
    }


def unpack(table: Mapping[str, Array]) -> Array:
    """Return what was packed."""
    low, high = table["range"]
    losses: Array = low + table["levels"] / _LEVELS * (high - low)
    losses[table["levels"] == _INFINITE] = np.inf
    return losses


def load_problems(use: str) -> list[CurveProblem]:
    """Return the recorded problems of one use."""
    problems = []
    for file in sorted(FOLDER.glob("*.npz")):
        with np.load(file) as table:
            facts = json.loads(str(table["facts"]))
            if facts["use"] == use:
                problems.append(CurveProblem(file.stem, use, facts["grid"], unpack(table)))
    return problems
