"""How far a confirmation can be trusted: studies whose truth is known, searched, confirmed and compared with it.

    python -m tests.benchmarks.confirmation --studies 200

Each study minimizes a noisy quadratic of 2 to 6 parameters with TPE: 60 trials. Its five luckiest points are then
measured with five seeds each. For each point the stated probability of being the best of the five is noted, and
whether it is. For the same 25 trials the search might have gone on: the luckiest of its 85 is the other pick.
The noise, its difference between points, and what a seed does to all points alike are drawn for each study.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import optuna

from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Replicate, judge
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import Measurement

RESULTS = Path(__file__).parent / "results" / "confirmation.jsonl"
SEARCHED, TOP, SEEDS = 60, 5, 5
EDGES = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)


@dataclass(frozen=True)
class Outcome:
    """What came of one study: for each point its stated probability and whether it is the best; losses of picks.

    ``regret`` is how far the true value of a pick is from the optimum, by who picked it.
    """

    study: int
    stated: tuple[float, ...]
    is_best: tuple[bool, ...]
    regret: dict[str, float]


class Truth:
    """A quadratic whose measurements are noisy."""

    def __init__(self, study: int) -> None:
        self.rng = np.random.default_rng(study)
        dimensions = int(self.rng.integers(2, 7))
        self.center = self.rng.uniform(0.2, 0.8, dimensions)
        self.weights = self.rng.uniform(0.3, 2.0, dimensions)
        self.noise = 10 ** self.rng.uniform(-2, -0.7)
        self.spread = self.rng.uniform(0, 0.5)
        self.alike = self.rng.choice([0.0, 1.0, 2.0]) * self.noise
        self.of_seed = self.rng.normal(0, self.alike, SEEDS)

    def value(self, point: Sequence[float]) -> float:
        """The true value; the optimum is zero."""
        return float(self.weights @ (np.asarray(point) - self.center) ** 2)

    def measure(self, point: Sequence[float], seed: int | None = None) -> float:
        """One measurement: in the search with a seed of its own, in a confirmation with that of all points."""
        own = np.random.default_rng(int(abs(hash(tuple(point))) % 2**32)).normal(0, self.spread)
        shift = self.rng.normal(0, self.alike) if seed is None else self.of_seed[seed]
        return self.value(point) + shift + self.rng.normal(0, self.noise * np.exp(own))


def run_study(number: int) -> Outcome:
    """Search, confirm, and compare with the truth."""
    truth = Truth(number)
    names = [f"x{i}" for i in range(len(truth.center))]
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=number))

    def objective(trial: optuna.Trial) -> float:
        return truth.measure([trial.suggest_float(name, 0, 1) for name in names])

    study.optimize(objective, SEARCHED)
    ranked = sorted(study.trials, key=lambda trial: trial.value)[:TOP]
    points = [tuple(trial.params[name] for name in names) for trial in ranked]
    order = Order(tuple(Point(f"trial {t.number}", t.params, t.number) for t in ranked), SEEDS)
    replicates = [
        Replicate(
            Reevaluation("confirm", point.name, seed), 0, "COMPLETE", Measurement((truth.measure(where, seed),))
        )
        for seed in range(SEEDS)
        for point, where in zip(order.points, points, strict=True)
    ]
    judgement = judge(order, replicates, [1.0])
    true = [truth.value(point) for point in points]
    study.optimize(objective, TOP * SEEDS)
    luckiest = [study.best_params[name] for name in names]
    regret = {
        "luckiest of the search": true[0],
        "luckiest of a longer search": truth.value(luckiest),
        "confirmed": true[int(np.argmax(judgement.best))],
        "best of the five": min(true),
    }
    return Outcome(number, judgement.best, tuple(value == min(true) for value in true), regret)


def reliability(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, int, float, float]]:
    """For each range of stated probabilities: how many, their mean, and in which share it was the best."""
    pairs = [pair for one in outcomes for pair in zip(one.stated, one.is_best, strict=True)]
    for low, high in pairwise(EDGES):
        within = [(p, hit) for p, hit in pairs if low <= p < high or (p == high == EDGES[-1])]
        if within:
            stated, hits = (float(np.mean(column)) for column in zip(*within, strict=True))
            yield f"{low:g} to {high:g}", len(within), stated, hits


def tables(outcomes: Sequence[Outcome]) -> str:
    """Both tables of the documentation, in Markdown."""
    lines = ["| stated | points | mean stated | were the best |", "|---|---|---|---|"]
    lines += [
        f"| {span} | {count} | {stated:.2f} | {hits:.2f} ± {_error(hits, count):.2f} |"
        for span, count, stated, hits in reliability(outcomes)
    ]
    lines += ["", "| choice | mean distance to the optimum | against the longer search |", "|---|---|---|"]
    other = np.array([one.regret["luckiest of a longer search"] for one in outcomes])
    for name in outcomes[0].regret:
        own = np.array([one.regret[name] for one in outcomes])
        gap = own - other
        against = "" if name == "luckiest of a longer search" else f"{gap.mean():+.4f} ± {_spread(gap):.4f}"
        lines.append(f"| {name} | {own.mean():.4f} | {against} |")
    return "\n".join(lines)


def _error(share: float, count: int) -> float:
    return float(np.sqrt(max(share * (1 - share), 0.25 / count) / count))


def _spread(gap: np.ndarray) -> float:
    return float(gap.std(ddof=1) / np.sqrt(len(gap)))


def read_results() -> list[Outcome]:
    """The outcomes that are committed."""
    return [Outcome(**json.loads(line)) for line in RESULTS.read_text().splitlines()]


def main() -> None:
    """Run the studies, keep their outcomes, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=200)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    outcomes = [run_study(number) for number in range(parser.parse_args().studies)]
    RESULTS.write_text("".join(json.dumps(asdict(one)) + "\n" for one in outcomes))
    sys.stdout.write(tables(outcomes) + "\n")


if __name__ == "__main__":
    main()
