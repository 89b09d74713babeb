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


def quartic(rng: np.random.Generator) -> Objective:
    """A flat valley along one axis, to be measured with heavy-tailed noise."""
    centre, turn = rng.uniform(0.25, 0.75, 4), rotation(rng, 4)

    def objective(trial: Trial) -> float:
        z = turn @ (floats(trial, 4) - centre)
        return float(z[0] ** 4 + 0.5 * z[1] ** 2 + 2 * (z[2:] ** 2).sum())

    return objective


def corner(rng: np.random.Generator) -> Objective:
    """Two parameters that must not both be large; the best value lies in the notch of the corner that fails."""
    high = rng.uniform(0.35, 0.5, 2)
    best = rng.uniform(0.2, 0.8, 3)

    def objective(trial: Trial) -> float:
        x = floats(trial, 5)
        if x[0] > high[0] and x[1] > high[1]:
            raise FailedHereError
        away = max(high[0] - x[0], 0.0) + max(high[1] - x[1], 0.0)
        return float(away + 0.3 * min(max(x[0] - high[0], 0.0), 0.3) + 2 * ((x[2:] - best) ** 2).sum())

    return objective


def exploding(rng: np.random.Generator) -> Objective:
    """Training explodes for large steps unless they are clipped, and one of three kinds never explodes but is
    worse."""
    log_lr, clip_helps = rng.uniform(-2.5, -1.0), rng.uniform(0.5, 1.0)
    safe = int(rng.integers(3))

    def objective(trial: Trial) -> float:
        lr = math.log10(trial.suggest_float("lr", 1e-5, 1.0, log=True))
        clip = math.log10(trial.suggest_float("clip", 1e-2, 1e2, log=True))
        kind = trial.suggest_categorical("kind", [0, 1, 2])
        depth = trial.suggest_int("depth", 1, 12)
        if kind != safe and lr - clip_helps * (1 - clip) / 3 + 0.04 * depth > log_lr:
            raise FailedHereError
        loss = 0.05 * (log_lr + clip_helps / 3 - lr) ** 2 + 0.01 * abs(depth - 7) + 0.03 * abs(clip)
        return float(loss + (0.3 if kind == safe else 0.0))

    return objective


def patches(rng: np.random.Generator) -> Objective:
    """What fails are balls here and there, a third of the space, and one of them hides the bottom of the bowl's
    side."""
    balls = rng.uniform(0.0, 1.0, (14, 3))
    centre = rng.uniform(0.3, 0.7, 3)
    # The bottom itself must not fail.
    balls = balls[np.linalg.norm(balls - centre, axis=1) > 0.24]

    def objective(trial: Trial) -> float:
        x = floats(trial, 3)
        if (np.linalg.norm(balls - x, axis=1) < 0.22).any():
            raise FailedHereError
        return float(((x - centre) ** 2).sum())

    return objective


def budgeted(rng: np.random.Generator) -> Objective:
    """An accuracy that grows with width and depth, within a number of weights and a latency."""
    log_lr = rng.uniform(-4, -2)

    def loss(width: float, depth: float) -> float:
        return 1.0 - 0.06 * width - 0.25 * math.log2(depth) / 4

    weights, latency = 16.0 + rng.uniform(-1, 1), 9.5 + rng.uniform(-0.5, 0.5)
    allowed = [
        loss(math.log2(width), depth)
        for width in range(16, 1025)
        for depth in range(1, 17)
        if 2 * math.log2(width) + math.log2(depth) <= weights and math.log2(width) + 0.3 * depth <= latency
    ]

    def objective(trial: Trial) -> float:
        width = math.log2(trial.suggest_int("width", 16, 1024, log=True))
        depth = trial.suggest_int("depth", 1, 16)
        lr = math.log10(trial.suggest_float("lr", 1e-6, 1.0, log=True))
        dropout = trial.suggest_float("dropout", 0.0, 0.8)
        trial.set_constraint("weights", 2 * width + math.log2(depth) - weights)
        trial.set_constraint("latency", width + 0.3 * depth - latency)
        return float(loss(width, depth) - min(allowed) + 0.05 * (lr - log_lr) ** 2 + 0.3 * (dropout - 0.2) ** 2)

    return objective


def band(rng: np.random.Generator) -> Objective:
    """Only a thin layer is allowed; along it, the values differ."""
    normal, best = np.abs(rng.normal(size=4)) + 0.3, rng.uniform(0.2, 0.8, 4)
    normal /= np.linalg.norm(normal)
    at = float(normal @ rng.uniform(0.4, 0.6, 4))

    def objective(trial: Trial) -> float:
        x = floats(trial, 4)
        along = float(normal @ x)
        trial.set_constraint("below", along - at - 0.02)
        trial.set_constraint("above", at - 0.02 - along)
        return float(((x - best) ** 2).sum() - max(0.0, abs(float(normal @ best) - at) - 0.02) ** 2)

    return objective


def checkers(rng: np.random.Generator) -> Objective:
    """A wave decides what is allowed: many separate regions."""
    turn, centre = rng.uniform(0, 1, 2), rng.uniform(0.3, 0.7, 3)
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 101)] * 2), axis=-1).reshape(-1, 2)
    is_allowed = np.sin(9 * (grid + turn)).sum(axis=1) <= -0.4
    lowest = ((grid[is_allowed] - centre[:2]) ** 2).sum(axis=1).min()

    def objective(trial: Trial) -> float:
        x = floats(trial, 3)
        trial.set_constraint("wave", float(np.sin(9 * (x[:2] + turn)).sum() + 0.4))
        return float(max(0.0, ((x - centre) ** 2).sum() - lowest) + 1e-3 * abs(x[2] - centre[2]))

    return objective


def backbones(rng: np.random.Generator) -> Objective:
    """Three families with different parameters, two of which share one; layers hang on a depth below a family."""
    base, centre = rng.permutation([0.0, 0.08, 0.2]), rng.uniform(0.2, 0.8, (3, 6))

    def objective(trial: Trial) -> float:
        family = trial.suggest_categorical("family", ["tree", "mlp", "conv"])
        at = ["tree", "mlp", "conv"].index(family)
        loss = base[at] + (trial.suggest_float("subsample", 0, 1) - centre[at, 0]) ** 2
        if family == "tree":
            return float(loss + abs(trial.suggest_float("leaf", 0, 1) - centre[0, 1]) ** 1.5)
        loss += 0.5 * (trial.suggest_float("dropout", 0, 1) - centre[at, 1]) ** 2
        if family == "conv":
            return float(loss + (trial.suggest_float("kernel", 0, 1) - centre[2, 2]) ** 2)
        depth = trial.suggest_int("depth", 1, 4)
        widths = floats(trial, depth, "width")
        return float(loss + ((widths - centre[1, 2 : 2 + depth]) ** 2).mean() + 0.03 * abs(depth - 3))

    return objective


def solvers(rng: np.random.Generator) -> Objective:
    """A flag switches a whole block of parameters on, and it pays only if they are right."""
    centre = rng.uniform(0.2, 0.8, 5)

    def objective(trial: Trial) -> float:
        shared = 0.5 * ((floats(trial, 2, "s") - centre[:2]) ** 2).sum()
        if not trial.suggest_categorical("augment", [False, True]):
            return float(shared + 0.15)
        own = floats(trial, 3, "a") - centre[2:]
        return float(shared + min(0.6, 1.5 * (own**2).sum()))

    return objective


def zdt(rng: np.random.Generator) -> Metrics:
    """ZDT1 (Zitzler, Deb & Thiele 2000) in eight dimensions, its bottom moved inside."""
    centre = rng.uniform(0.1, 0.6, 7)
    share = np.linspace(0, 1, 400)

    def function(trial: Trial) -> tuple[float, ...]:
        x = floats(trial, 8)
        rest = 1 + 9 * np.abs(x[1:] - centre).mean()
        return float(x[0]), float(rest * (1 - math.sqrt(x[0] / rest)))

    return Metrics(function, np.stack([share, 1 - np.sqrt(share)], axis=1), (1.1, 1.1))


def gap(rng: np.random.Generator) -> Metrics:
    """A front with a hole (as ZDT3), in five dimensions."""
    centre = rng.uniform(0.2, 0.8, 4)
    share = np.linspace(0, 1, 2000)
    values = np.stack([share, 1 - np.sqrt(share) - share * np.sin(10 * math.pi * share) + 0.8], axis=1)
    best = np.minimum.accumulate(values[:, 1])
    front = values[values[:, 1] <= best]

    def function(trial: Trial) -> tuple[float, ...]:
        x = floats(trial, 5)
        rest = float(((x[1:] - centre) ** 2).sum())
        share = float(x[0])
        return share + rest, 1 - math.sqrt(share) - share * math.sin(10 * math.pi * share) + 0.8 + 2 * rest

    return Metrics(function, front, (1.1, 2.0))


def latency_and_error(rng: np.random.Generator) -> Metrics:
    """Choices and integers: more layers and wider ones are slower and better, and a kind of layer costs and
    gains."""
    gain, price = np.sort(rng.uniform(0.0, 0.3, 3)), np.sort(rng.uniform(0.0, 0.3, 3))
    log_lr = rng.uniform(-4, -2)

    def values(depth: float, width: float, kind: int) -> tuple[float, float]:
        size = 0.5 * depth / 12 + 0.5 * width / 6
        return math.exp(-2 * size) - gain[kind] * 0.5, size + price[kind]

    every = [values(d, math.log2(w / 16), k) for d in range(1, 13) for w in range(16, 1025) for k in range(3)]
    front = np.asarray(every)
    front = front[np.argsort(front[:, 1])]
    front = front[front[:, 0] <= np.minimum.accumulate(front[:, 0])]

    def function(trial: Trial) -> tuple[float, ...]:
        depth = trial.suggest_int("depth", 1, 12)
        width = math.log2(trial.suggest_int("width", 16, 1024, log=True) / 16)
        lr = math.log10(trial.suggest_float("lr", 1e-6, 1.0, log=True))
        decay = trial.suggest_float("decay", 0.0, 1.0)
        error, latency = values(
            depth, width, ["a", "b", "c"].index(trial.suggest_categorical("kind", ["a", "b", "c"]))
        )
        return float(error + 0.1 * (lr - log_lr) ** 2 + 0.2 * (decay - 0.3) ** 2), float(latency)

    return Metrics(function, front, (1.1, 1.3))


def dtlz(rng: np.random.Generator) -> Metrics:
    """DTLZ2 (Deb et al. 2002) with three metrics in six dimensions, its bottom moved."""
    centre = rng.uniform(0.3, 0.7, 4)
    angles = np.stack(np.meshgrid(np.linspace(0, 1, 25), np.linspace(0, 1, 25)), axis=-1).reshape(-1, 2)

    def sphere(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
        a, b = a * math.pi / 2, b * math.pi / 2
        return [np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)]

    def function(trial: Trial) -> tuple[float, ...]:
        x = floats(trial, 6)
        rest = 1 + ((x[2:] - centre) ** 2).sum()
        return tuple(float(rest * part) for part in sphere(x[0], x[1]))

    return Metrics(function, np.stack(sphere(angles[:, 0], angles[:, 1]), axis=1), (1.1, 1.1, 1.1))


def wide_ridge(rng: np.random.Generator) -> Objective:
    """Twenty parameters, five directions of which matter much."""
    centre, turn = rng.uniform(0.3, 0.7, 20), rotation(rng, 20)
    weight = np.where(np.arange(20) < 5, 1.0, 0.05)
    return lambda trial: float((weight * np.abs(turn @ (floats(trial, 20) - centre)) ** 1.3).sum())


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
    Problem("wide-ridge", "numeric", wide_ridge),
    Problem("noisy-levy", "noisy", levy, noise=0.2),
    Problem("noisy-network", "noisy", network, noise=0.1),
    Problem("tails", "noisy", quartic, noise=0.15, has_heavy_tails=True),
    Problem("backbones", "conditional", backbones),
    Problem("solvers", "conditional", solvers),
    Problem("corner", "crashing", corner),
    Problem("exploding", "crashing", exploding),
    Problem("patches", "crashing", patches),
    Problem("budgeted", "constrained", budgeted),
    Problem("band", "constrained", band),
    Problem("checkers", "constrained", checkers),
    SeveralMetrics("zdt", "two metrics", 2, zdt),
    SeveralMetrics("gap", "two metrics", 2, gap),
    SeveralMetrics("latency-and-error", "two metrics", 2, latency_and_error),
    SeveralMetrics("dtlz", "three metrics", 3, dtlz),
)
