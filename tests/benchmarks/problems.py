"""Search problems whose optimum is known: each instance is drawn from a seed, its best value is 0.

These are reported on; nothing was ever tuned on them. Whoever wants to try an idea takes `tuning_problems`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from optuna import Trial

Objective = Callable[[Trial], float]
ACTIVATIONS = ("relu", "tanh", "gelu")


class FailedHereError(Exception):
    """The objective fails with these parameters, each time."""


@dataclass(frozen=True)
class Problem:
    """A family of objectives: ``draw`` makes the instance of one seed. ``noise`` is added to what is seen.

    ``has_heavy_tails``: the noise has Student's distribution with two degrees of freedom.
    """

    name: str
    kind: str
    draw: Callable[[np.random.Generator], Objective]
    noise: float = 0.0
    has_heavy_tails: bool = False


@dataclass(frozen=True)
class Metrics:
    """An objective with several metrics, all to be minimised: ``front`` is what cannot be improved (rows), and
    only what is better than ``worst`` in each of them counts."""

    function: Callable[[Trial], tuple[float, ...]]
    front: np.ndarray
    worst: tuple[float, ...]

    def __call__(self, trial: Trial) -> tuple[float, ...]:
        return self.function(trial)


@dataclass(frozen=True)
class SeveralMetrics:
    """A family of objectives with ``metrics`` metrics."""

    name: str
    kind: str
    metrics: int
    draw: Callable[[np.random.Generator], Metrics]


def floats(trial: Trial, count: int, name: str = "x") -> np.ndarray:
    return np.asarray([trial.suggest_float(f"{name}{i}", 0.0, 1.0) for i in range(count)])


def rotation(rng: np.random.Generator, columns: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(columns, columns)))[0]


def ackley(rng: np.random.Generator) -> Objective:
    centre = rng.uniform(0.2, 0.8, 5)

    def objective(trial: Trial) -> float:
        z = 10 * (floats(trial, 5) - centre)
        bowl = -20 * math.exp(-0.2 * math.sqrt(np.mean(z**2)))
        return float(bowl - math.exp(np.mean(np.cos(2 * math.pi * z))) + 20 + math.e)

    return objective


def levy(rng: np.random.Generator) -> Objective:
    centre = rng.uniform(0.2, 0.8, 6)

    def objective(trial: Trial) -> float:
        w = 1 + 2.5 * (floats(trial, 6) - centre)
        middle = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)).sum()
        last = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
        return float(math.sin(math.pi * w[0]) ** 2 + middle + last)

    return objective


def ridge(rng: np.random.Generator) -> Objective:
    """A sharp valley that runs across the axes."""
    centre, turn = rng.uniform(0.3, 0.7, 5), rotation(rng, 5)

    def objective(trial: Trial) -> float:
        z = turn @ (floats(trial, 5) - centre)
        return float(z[0] ** 2 + 3 * math.sqrt((z[1:] ** 2).sum()))

    return objective


def few_of_many(rng: np.random.Generator) -> Objective:
    """Twelve parameters of which three matter."""
    centre, order = rng.uniform(0.1, 0.9, 12), rng.permutation(12)

    def objective(trial: Trial) -> float:
        z = np.abs(floats(trial, 12) - centre)[order]
        return float(3 * z[0] ** 2 + 2 * z[1] ** 2 + z[0] * z[1] + z[2] + 0.02 * z[3:].sum())

    return objective


def network(rng: np.random.Generator) -> Objective:
    """What tuning a network looks like: a valley of learning rates that ends at a cliff, and choices."""
    log_lr, log_decay, log_width = rng.uniform(-4, -2), rng.uniform(-5, -2), rng.uniform(4.5, 8)
    penalty = rng.permutation([0.0, 0.05, 0.3])
    best_depth = rng.integers(2, 6)

    def objective(trial: Trial) -> float:
        lr = math.log10(trial.suggest_float("lr", 1e-6, 1.0, log=True))
        decay = math.log10(trial.suggest_float("decay", 1e-7, 1e-1, log=True))
        width = math.log2(trial.suggest_int("width", 8, 1024, log=True))
        depth = trial.suggest_int("depth", 1, 8)
        dropout = trial.suggest_float("dropout", 0.0, 0.9)
        activation = ["relu", "tanh", "gelu"].index(
            trial.suggest_categorical("activation", ["relu", "tanh", "gelu"])
        )
        batch = trial.suggest_categorical("batch", [16, 32, 64, 128])
        edge = lr - log_lr - 0.3 * (math.log2(batch) - 5) / 3
        if edge > 1.0:
            return 2.0  # diverged
        loss = 0.3 * edge**2 + 0.03 * (decay - log_decay) ** 2 + 0.02 * (width - log_width) ** 2
        return float(min(2.0, loss + 0.02 * (depth - best_depth) ** 2 + 0.8 * dropout**2 + penalty[activation]))

    return objective


def conditional(rng: np.random.Generator) -> Objective:
    """Each of three optimisers has parameters of its own."""
    base, centre = rng.permutation([0.0, 0.1, 0.4]), rng.uniform(0.2, 0.8, (3, 3))

    def objective(trial: Trial) -> float:
        kind = ["sgd", "adam", "lbfgs"].index(trial.suggest_categorical("optimizer", ["sgd", "adam", "lbfgs"]))
        shared = floats(trial, 2, "shared")
        own = floats(trial, kind + 1, f"own{kind}_")
        return float(
            base[kind] + ((shared - centre[kind, :2]) ** 2).sum() + ((own - centre[kind, : kind + 1]) ** 2).sum()
        )

    return objective


def steps(rng: np.random.Generator) -> Objective:
    """Plateaus: what trees and integers make of a smooth function."""
    centre, weight = rng.uniform(0.1, 0.9, 5), 10 ** rng.uniform(-0.5, 0.5, 5)

    def objective(trial: Trial) -> float:
        return float((weight * np.floor(8 * np.abs(floats(trial, 5) - centre))).sum())

    return objective


def choices(rng: np.random.Generator) -> Objective:
    """Seven choices, two of which depend on each other."""
    counts = [3, 5, 4, 2, 6, 3, 4]
    cost = [
        rng.exponential(scale, count) for scale, count in zip(10 ** rng.uniform(-1, 0.2, 7), counts, strict=True)
    ]
    together = rng.exponential(0.5, (3, 5))
    lowest = (cost[0][:, None] + cost[1][None, :] + together).min() + sum(part.min() for part in cost[2:])

    def objective(trial: Trial) -> float:
        index = [trial.suggest_categorical(f"c{i}", list(range(count))) for i, count in enumerate(counts)]
        return float(
            sum(part[i] for part, i in zip(cost, index, strict=True)) + together[index[0], index[1]] - lowest
        )

    return objective


def noisy(rng: np.random.Generator) -> Objective:
    centre, weight = rng.uniform(0.1, 0.9, 5), 10 ** rng.uniform(-0.5, 0.5, 5)
    return lambda trial: float((weight * (floats(trial, 5) - centre) ** 2).sum())


def integers(rng: np.random.Generator) -> Objective:
    centre, weight = rng.integers(0, 20, 6), 10 ** rng.uniform(-0.5, 0.5, 6)

    def objective(trial: Trial) -> float:
        z = np.asarray([trial.suggest_int(f"n{i}", 0, 19) for i in range(6)]) - centre
        return float((weight * np.abs(z) ** 1.5).sum())

    return objective


REPORTED = (
    Problem("ackley", "numeric", ackley),
    Problem("levy", "numeric", levy),
    Problem("ridge", "numeric", ridge),
    Problem("few-of-many", "numeric", few_of_many),
    Problem("network", "mixed", network),
    Problem("conditional", "conditional", conditional),
    Problem("steps", "discrete", steps),
    Problem("integers", "discrete", integers),
    Problem("choices", "categorical", choices),
    Problem("noisy", "noisy", noisy, noise=0.1),
)
