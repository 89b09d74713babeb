"""Search problems to try ideas on: other functions than those of `problems`, of the same classes and of more.

Where their regret is 0 is known; each instance is drawn from a seed.
"""

from __future__ import annotations

import math

import numpy as np
from optuna import Trial

from tests.benchmarks.problems import (
    FailedHereError,
    Objective,
    Problem,
    SeveralMetrics,
    floats,
    rotation,
)
from tests.benchmarks.tuning_metrics import deployment, shell, size_and_loss, three_ways, trade


def sphere(rng: np.random.Generator) -> Objective:
    centre, weight = rng.uniform(0.1, 0.9, 6), 10 ** rng.uniform(-1, 1, 6)
    return lambda trial: float((weight * (floats(trial, 6) - centre) ** 2).sum())


def rastrigin(rng: np.random.Generator) -> Objective:
    centre = rng.uniform(0.15, 0.85, 4)

    def objective(trial: Trial) -> float:
        z = floats(trial, 4) - centre
        return float((12 * z**2 + 0.35 * (1 - np.cos(8 * math.pi * z))).sum())

    return objective


def rosenbrock(rng: np.random.Generator) -> Objective:
    flipped = rng.integers(0, 2, 4)

    def objective(trial: Trial) -> float:
        u = floats(trial, 4)
        x = 3 * np.where(flipped, 1 - u, u) - 1.5
        return float(np.log1p((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()))

    return objective


def wide(rng: np.random.Generator) -> Objective:
    """Eighteen parameters that all matter, and not one by one."""
    centre, turn = rng.uniform(0.2, 0.8, 18), rotation(rng, 18)
    weight = 10 ** rng.uniform(-1, 0.5, 18)
    return lambda trial: float((weight * np.abs(turn @ (floats(trial, 18) - centre)) ** 1.5).sum())


def mixed(rng: np.random.Generator) -> Objective:
    centre, level = rng.uniform(0.1, 0.9, (4, 4)), rng.exponential(0.15, (3, 4))
    level -= level.min(axis=1, keepdims=True)

    def objective(trial: Trial) -> float:
        index = [trial.suggest_categorical(f"c{i}", list(range(4))) for i in range(3)]
        bowl = ((floats(trial, 4) - centre[index[0]]) ** 2).sum()
        return float(bowl + sum(level[i, chosen] for i, chosen in enumerate(index)))

    return objective


def boosting(rng: np.random.Generator) -> Objective:
    """What tuning boosted trees looks like: logarithms, integers, a choice, and much that hardly matters."""
    log_rate, log_trees, depth_at = rng.uniform(-2.5, -0.8), rng.uniform(5, 9), rng.integers(3, 10)
    log_leaf, share, kind_cost = rng.uniform(-2, 1.5), rng.uniform(0.4, 1.0, 2), rng.permutation([0.0, 0.06, 0.1])

    def objective(trial: Trial) -> float:
        rate = math.log10(trial.suggest_float("rate", 1e-3, 1.0, log=True))
        trees = math.log2(trial.suggest_int("trees", 10, 2000, log=True))
        depth = trial.suggest_int("depth", 1, 14)
        leaf = math.log10(trial.suggest_float("leaf", 1e-3, 1e2, log=True))
        rows = trial.suggest_float("rows", 0.2, 1.0, step=0.1)
        columns = trial.suggest_float("columns", 0.2, 1.0)
        alpha = math.log10(trial.suggest_float("alpha", 1e-6, 10, log=True))
        kind = trial.suggest_categorical("kind", ["exact", "hist", "approx"])
        effort = (rate - log_rate) + (trees - log_trees) * math.log10(2)
        loss = 0.2 * effort**2 + 0.05 * max(0.0, rate - log_rate) ** 2 + 0.015 * (depth - depth_at) ** 2
        loss += 0.02 * (leaf - log_leaf) ** 2 + 0.2 * abs(round(share[0], 1) - rows)
        loss += 0.1 * (columns - share[1]) ** 2 + 0.01 * max(0.0, alpha)
        return float(min(1.5, loss + kind_cost[["exact", "hist", "approx"].index(kind)]))

    return objective


def flags(rng: np.random.Generator) -> Objective:
    """Fourteen choices, as of compiler options: each has its price, and pairs of neighbours have one together."""
    counts = rng.integers(2, 6, 14)
    cost = [
        rng.exponential(scale, count) for scale, count in zip(10 ** rng.uniform(-1.2, 0, 14), counts, strict=True)
    ]
    pairs = [rng.exponential(0.15, (counts[i], counts[i + 1])) for i in range(13)]

    lowest = cost[0]  # by dynamic programming along the chain
    for i, pair in enumerate(pairs):
        lowest = (lowest[:, None] + pair).min(axis=0) + cost[i + 1]

    def objective(trial: Trial) -> float:
        index = [trial.suggest_categorical(f"c{i}", list(range(count))) for i, count in enumerate(counts)]
        total = sum(part[i] for part, i in zip(cost, index, strict=True))
        return float(total + sum(pair[index[i], index[i + 1]] for i, pair in enumerate(pairs)) - lowest.min())

    return objective


def branches(rng: np.random.Generator) -> Objective:
    """Four models; below two of them a number of layers, and below that a parameter for every layer."""
    base, centre = rng.permutation([0.0, 0.05, 0.15, 0.3]), rng.uniform(0.2, 0.8, (4, 5))
    depth_cost = rng.permutation([0.0, 0.05, 0.1])

    def objective(trial: Trial) -> float:
        model = trial.suggest_categorical("model", list(range(4)))
        shared = abs(math.log10(trial.suggest_float("lr", 1e-5, 1e-1, log=True)) + 5 - 4 * centre[model, 4]) / 4
        if model < 2:
            own = ((floats(trial, 3, f"m{model}_") - centre[model, :3]) ** 2).sum()
            return float(base[model] + shared + own)
        depth = trial.suggest_int(f"depth{model}", 1, 3)
        own = ((floats(trial, depth, f"layer{model}_") - centre[model, :depth]) ** 2).mean()
        return float(base[model] + shared + 2 * own + depth_cost[depth - 1])

    return objective


def pipeline(rng: np.random.Generator) -> Objective:
    """All that every trial has is the name of a model; every parameter belongs to one of five."""
    base, centre = rng.permutation([0.0, 0.1, 0.2, 0.3, 0.6]), rng.uniform(0.2, 0.8, (5, 3))

    def objective(trial: Trial) -> float:
        model = trial.suggest_categorical("model", list(range(5)))
        count = 1 + model % 3
        own = np.abs(floats(trial, count, f"m{model}_") - centre[model, :count])
        return float(base[model] + own.mean() ** 1.5)

    return objective


def lattice(rng: np.random.Generator) -> Objective:
    """Integers and steps, some of them logarithmic, with valleys of their own."""
    centre, weight = rng.uniform(0.1, 0.9, 5), 10 ** rng.uniform(-0.5, 0.5, 5)

    def objective(trial: Trial) -> float:
        u = np.asarray(
            [
                math.log2(trial.suggest_int("a", 1, 256, log=True)) / 8,
                trial.suggest_int("b", 0, 100, step=10) / 100,
                trial.suggest_float("c", 0.0, 1.0, step=0.05),
                trial.suggest_int("d", 0, 7) / 7,
                math.log2(trial.suggest_int("e", 8, 512, log=True) / 8) / 6,
            ]
        )
        return float(
            (weight * (np.abs(u - centre) + 0.1 * (1 - np.cos(4 * math.pi * (u - centre))))).sum() - _rest
        )

    # The nearest points of each grid; it adds up, so the optimum is that of every column.
    grids = [
        np.log2(np.arange(1, 257)) / 8,
        np.arange(11) / 10,
        np.arange(21) / 20,
        np.arange(8) / 7,
        np.log2(np.arange(8, 513) / 8) / 6,
    ]
    _rest = sum(
        float((w * (np.abs(grid - c) + 0.1 * (1 - np.cos(4 * math.pi * (grid - c))))).min())
        for grid, c, w in zip(grids, centre, weight, strict=True)
    )
    return objective


def tiny(rng: np.random.Generator) -> Objective:
    """Seventy-two points in all."""
    values = rng.exponential(1.0, (3, 4, 6)) + np.abs(np.arange(6) - rng.integers(6))
    values -= values.min()

    def objective(trial: Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b", "c"])
        size = trial.suggest_categorical("size", [16, 32, 64, 128])
        return float(
            values["abc".index(kind), [16, 32, 64, 128].index(size), trial.suggest_int("depth", 1, 6) - 1]
        )

    return objective


def cliff(rng: np.random.Generator) -> Objective:
    """More than half of the space diverges, to losses of very different size; the optimum is close to the edge."""
    centre, normal = rng.uniform(0.25, 0.75, 5), rng.normal(size=5)
    normal /= np.linalg.norm(normal)

    def objective(trial: Trial) -> float:
        z = floats(trial, 5) - centre
        beyond = float(normal @ z)
        if beyond > 0.03:
            return float(math.exp(30 * beyond))
        return float((z**2).sum() + 0.3 * abs(beyond))

    return objective


def needle(rng: np.random.Generator) -> Objective:
    """Nothing is learnt anywhere but in one region, as when an agent finds no reward at all."""
    centre = rng.uniform(0.25, 0.75, 4)
    return lambda trial: float(min(1.0, 4.0 * ((floats(trial, 4) - centre) ** 2).sum()))


def edge(rng: np.random.Generator) -> Objective:
    """Nearly a third of the space fails beyond a slanted edge, and the best values lie close to that edge."""
    normal = np.abs(rng.normal(size=4)) + 0.2
    normal /= np.linalg.norm(normal)
    flipped = rng.integers(0, 2, 4)
    limit = float(np.quantile(np.random.default_rng(0).uniform(size=(4000, 4)) @ normal, 0.7))
    centre = rng.uniform(0.3, 0.7, 4)
    centre += (limit - 0.03 - normal @ centre) * normal

    def objective(trial: Trial) -> float:
        x = floats(trial, 4)
        x = np.where(flipped, 1 - x, x)
        if normal @ x > limit:
            raise FailedHereError
        return float(((x - centre) ** 2).sum())

    return objective


def diverging(rng: np.random.Generator) -> Objective:
    """Learning rates that are too high fail, and how high they may be depends on the batch; choices beside it."""
    limit, best_width = rng.uniform(-2.0, 0.0), rng.uniform(4, 8)
    penalty = rng.permutation([0.0, 0.05, 0.15])

    def objective(trial: Trial) -> float:
        lr = math.log10(trial.suggest_float("lr", 1e-4, 10.0, log=True))
        batch = math.log2(trial.suggest_int("batch", 8, 512, log=True))
        width = math.log2(trial.suggest_int("width", 8, 1024, log=True))
        kind = trial.suggest_categorical("kind", ["a", "b", "c"])
        margin = limit + 0.15 * (batch - 6) - lr
        if margin < 0:
            raise FailedHereError
        return float(0.1 * abs(margin - 0.3) + 0.02 * (width - best_width) ** 2 + penalty["abc".index(kind)])

    return objective


def memory(rng: np.random.Generator) -> Objective:
    """Large networks do not fit and fail; the larger one is, the better."""
    room, rate = rng.uniform(11, 15), rng.uniform(-3.5, -1.5)

    def objective(trial: Trial) -> float:
        width = math.log2(trial.suggest_int("width", 16, 2048, log=True))
        depth = trial.suggest_int("depth", 1, 16)
        batch = math.log2(trial.suggest_categorical("batch", [8, 16, 32, 64, 128]))
        lr = math.log10(trial.suggest_float("lr", 1e-5, 1.0, log=True))
        need = width + math.log2(depth) + 0.5 * (batch - 3)
        if need > room:
            raise FailedHereError
        return float(0.1 * (room - need) + 0.1 * (lr - rate) ** 2 + 0.01 * abs(batch - 5))

    return objective


def limited(rng: np.random.Generator) -> Objective:
    """A bowl whose bottom is not allowed: the best allowed point lies on the edge of a ball around it."""
    centre, radius = rng.uniform(0.35, 0.65, 5), 0.35

    def objective(trial: Trial) -> float:
        x = floats(trial, 5)
        distance = float(np.linalg.norm(x - centre))
        trial.set_constraint("distance", radius - distance)
        return distance - radius

    return objective


def two_limits(rng: np.random.Generator) -> Objective:
    """Fast and small is allowed, and the loss wants slow and large; few random points are allowed."""
    best = rng.uniform(0.55, 0.85, 6)

    def objective(trial: Trial) -> float:
        x = floats(trial, 6)
        trial.set_constraint("size", float(x[:3].sum() - 1.2))
        trial.set_constraint("time", float((x[3:] ** 2).sum() - 0.5))
        return float(((x - best) ** 2).sum() - lowest)

    along = best[:3] - max(0.0, (best[:3].sum() - 1.2) / 3)
    scale = min(1.0, math.sqrt(0.5 / (best[3:] ** 2).sum()))
    lowest = ((along - best[:3]) ** 2).sum() + ((scale - 1) ** 2) * (best[3:] ** 2).sum()
    return objective


def spectrum(rng: np.random.Generator) -> Objective:
    """Twenty parameters whose weights fall by a factor of thirty."""
    centre, weight = rng.uniform(0.1, 0.9, 20), rng.permutation(np.geomspace(1.0, 1 / 30, 20))
    return lambda trial: float((weight * np.abs(floats(trial, 20) - centre) ** 1.5).sum())


def chain(rng: np.random.Generator) -> Objective:
    """Twenty parameters, each of which should follow its neighbour, and the first a point."""
    offset, start = rng.uniform(-0.15, 0.15, 19), rng.uniform(0.3, 0.7)

    def objective(trial: Trial) -> float:
        x = floats(trial, 20)
        wanted = np.cumsum(np.append(start, offset / 4))
        z = x - np.clip(wanted, 0.0, 1.0)
        return float(np.abs(z[1:] - z[:-1]).sum() / 4 + 3 * z[0] ** 2 + 0.2 * (z**2).sum())

    return objective


TUNING = (
    Problem("sphere", "numeric", sphere),
    Problem("rastrigin", "numeric", rastrigin),
    Problem("rosenbrock", "numeric", rosenbrock),
    Problem("wide", "numeric", wide),
    Problem("spectrum", "numeric", spectrum),
    Problem("chain", "numeric", chain),
    Problem("cliff", "numeric", cliff),
    Problem("needle", "numeric", needle),
    Problem("mixed", "mixed", mixed),
    Problem("boosting", "mixed", boosting),
    Problem("flags", "categorical", flags),
    Problem("branches", "conditional", branches),
    Problem("pipeline", "conditional", pipeline),
    Problem("lattice", "discrete", lattice),
    Problem("tiny", "discrete", tiny),
    Problem("sphere-noise-0.03", "noisy", sphere, noise=0.03),
    Problem("sphere-noise-0.1", "noisy", sphere, noise=0.1),
    Problem("sphere-noise-0.3", "noisy", sphere, noise=0.3),
    Problem("rastrigin-noise-0.1", "noisy", rastrigin, noise=0.1),
    Problem("mixed-noise-0.1", "noisy", mixed, noise=0.1),
    Problem("boosting-noise-0.2", "noisy", boosting, noise=0.2),
    Problem("flags-noise-0.1", "noisy", flags, noise=0.1),
    Problem("branches-noise-0.1", "noisy", branches, noise=0.1),
    Problem("sphere-tails-0.1", "noisy", sphere, noise=0.1, has_heavy_tails=True),
    Problem("edge", "crashing", edge),
    Problem("diverging", "crashing", diverging),
    Problem("memory", "crashing", memory),
    Problem("limited", "constrained", limited),
    Problem("two-limits", "constrained", two_limits),
    SeveralMetrics("trade", "two metrics", 2, trade),
    SeveralMetrics("size-and-loss", "two metrics", 2, size_and_loss),
    SeveralMetrics("three-ways", "three metrics", 3, three_ways),
    SeveralMetrics("shell", "three metrics", 3, shell),
    SeveralMetrics("deployment", "three metrics", 3, deployment),
)
