"""The problems with several metrics among those to try ideas on."""

from __future__ import annotations

import math

import numpy as np
from optuna import Trial
from optuna.study._multi_objective import _is_pareto_front

from tests.benchmarks.problems import Metrics, floats


def trade(rng: np.random.Generator) -> Metrics:
    """Two bowls with different bottoms: what cannot be improved lies on the line between them."""
    ends = rng.uniform(0.15, 0.85, (2, 5))
    length = float(((ends[0] - ends[1]) ** 2).sum())
    share = np.linspace(0, 1, 400)
    front = np.stack([share**2 * length, (1 - share) ** 2 * length], axis=1)

    def function(trial: Trial) -> tuple[float, ...]:
        x = floats(trial, 5)
        return tuple(float(((x - end) ** 2).sum()) for end in ends)

    return Metrics(function, front, (1.2 * length, 1.2 * length))


def size_and_loss(rng: np.random.Generator) -> Metrics:
    """A loss that falls with a network's size, where its other parameters are right."""
    log_lr, penalty = rng.uniform(-4, -2), rng.permutation([0.0, 0.1, 0.2])
    share = np.linspace(0, 1, 400)
    front = np.stack([np.exp(-3 * share), share], axis=1)

    def function(trial: Trial) -> tuple[float, ...]:
        width = math.log2(trial.suggest_int("width", 16, 1024, log=True) / 16) / 6
        lr = math.log10(trial.suggest_float("lr", 1e-6, 1.0, log=True))
        dropout = trial.suggest_float("dropout", 0.0, 0.8)
        kind = penalty["abc".index(trial.suggest_categorical("kind", ["a", "b", "c"]))]
        return float(math.exp(-3 * width) + 0.1 * (lr - log_lr) ** 2 + 0.5 * dropout**2 + kind), width

    return Metrics(function, front, (1.1, 1.1))


def three_ways(rng: np.random.Generator) -> Metrics:
    """Three bowls; what cannot be improved lies in the triangle between their bottoms."""
    ends = rng.uniform(0.1, 0.9, (3, 4))
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 600)
    front = ((weights @ ends)[:, None, :] - ends[None]) ** 2

    def function(trial: Trial) -> tuple[float, ...]:
        x = floats(trial, 4)
        return tuple(float(((x - end) ** 2).sum()) for end in ends)

    front = front.sum(axis=2)
    return Metrics(function, front, tuple(float(worst) for worst in 1.1 * front.max(axis=0)))


def shell(rng: np.random.Generator) -> Metrics:
    """Three metrics whose front bulges out or in, by another power each time; five more parameters lead there."""
    centre, power = rng.uniform(0.2, 0.8, 5), 2 ** rng.uniform(-1, 1.5)
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 800)
    front = weights ** (1 / power)

    def function(trial: Trial) -> tuple[float, ...]:
        x = floats(trial, 7)
        rest = 1 + 2 * np.abs(x[2:] - centre).mean() ** 1.5
        first = x[0] * np.asarray([x[1], 1 - x[1]])
        return tuple(float(rest * share ** (1 / power)) for share in (*first, 1 - x[0]))

    return Metrics(function, front, (1.1, 1.1, 1.1))


def deployment(rng: np.random.Generator) -> Metrics:
    """A loss, a latency and a size, of integers, steps and a choice."""
    log_lr, gain = rng.uniform(-4, -2), np.sort(rng.uniform(0.0, 0.25, 3))

    def values(depth: float, width: float, bits: float, kind: float) -> np.ndarray:
        size = 0.4 * depth + 0.6 * width
        loss = np.exp(-2.5 * size) + 0.25 * (1 - bits) ** 2 - gain[int(kind)] * 0.6
        return np.asarray([loss, 0.8 * depth + 0.2 * width + gain[int(kind)], size * (0.3 + 0.7 * bits)])

    grid = np.stack(np.meshgrid(np.arange(8) / 7, np.linspace(0, 1, 97), np.arange(4) / 3, np.arange(3)), -1)
    every = np.stack([values(*one) for one in grid.reshape(-1, 4)])
    every = every[(every < (1.0, 1.0, 1.0)).all(axis=1)]
    front = every[_is_pareto_front(every, assume_unique_lexsorted=False)]

    def function(trial: Trial) -> tuple[float, ...]:
        depth = (trial.suggest_int("depth", 1, 8) - 1) / 7
        width = math.log2(trial.suggest_int("width", 16, 1024, log=True) / 16) / 6
        bits = (trial.suggest_int("bits", 4, 16, step=4) - 4) / 12
        kind = ["a", "b", "c"].index(trial.suggest_categorical("kind", ["a", "b", "c"]))
        lr = math.log10(trial.suggest_float("lr", 1e-6, 1.0, log=True))
        loss, latency, size = values(depth, width, bits, kind)
        return float(loss + 0.1 * (lr - log_lr) ** 2), float(latency), float(size)

    return Metrics(function, front, (1.0, 1.0, 1.0))
