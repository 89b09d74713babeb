"""A real training as a table: each configuration of a grid, and its validation loss after each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, Any]
Configuration = Mapping[str, Any]
Record = Callable[[Sequence[Configuration]], Array]


@dataclass(frozen=True)
class Training:
    """What is trained, on which grid.

    Attributes:
        grid: the values of each parameter; text and flags are choices, numbers are in order.
        record: the validation losses of configurations, one row each; lower is better.
        use: tuned on, or reported. None is both.
    """

    name: str
    use: Literal["tuning", "reported"]
    grid: Mapping[str, Sequence[Any]]
    record: Record

    def configurations(self) -> list[Configuration]:
        """Every point of the grid, the last parameter fastest."""
        return [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]


def one_by_one(curve_of: Callable[[Configuration], Sequence[float]]) -> Record:
    """Record each configuration by itself."""

    def record(configurations: Sequence[Configuration]) -> Array:
        return np.asarray([curve_of(configuration) for configuration in configurations])

    return record


def standard_split(inputs: Array, targets: Array) -> tuple[Array, Array, Array, Array]:
    """Return training inputs and targets, and those of a third to validate on; inputs are standardised."""
    order = np.random.default_rng(0).permutation(len(inputs))
    held = len(inputs) // 3
    inputs = (inputs - inputs.mean(axis=0)) / (inputs.std(axis=0) + 1e-9)
    return inputs[order[held:]], targets[order[held:]], inputs[order[:held]], targets[order[:held]]


def groups_of(configurations: Sequence[Configuration], *keys: str) -> Iterator[tuple[Configuration, list[int]]]:
    """Yield the configurations that agree in ``keys``, as one of them and the places of all."""
    places: dict[tuple[Any, ...], list[int]] = {}
    for place, configuration in enumerate(configurations):
        places.setdefault(tuple(configuration[key] for key in keys), []).append(place)
    for group in places.values():
        yield configurations[group[0]], group
