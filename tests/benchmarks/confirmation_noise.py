"""Are the stated probabilities right with few seeds, and with noise that the model does not assume?

    python -m tests.benchmarks.confirmation_noise [--studies 100]

Five points whose true means are drawn near each other, measured with two or three seeds. The noise is normal as in
the model, has heavy tails (Student's t with two degrees of freedom), is skewed (exponential), or the metric is
coarse, so that many values are equal. What a seed does to all points alike and how noisy each point is are drawn.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpotool.study.confirmation.posterior import Measured, draw_means, probabilities_of_best

RESULTS = Path(__file__).parent / "results" / "confirmation_noise.jsonl"
POINTS, SEEDS = 5, (2, 3)
_GRID = 1.5  # of the coarse metric, in standard deviations of its noise
Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]
NOISES: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_t(2, shape) / 1.5,
    "skewed": lambda rng, shape: rng.exponential(size=shape) - 1.0,
    "coarse": lambda rng, shape: rng.normal(size=shape),
}


@dataclass(frozen=True)
class Outcome:
    """One study: the stated probability of each point, and which is the best."""

    noise: str
    seeds: int
    stated: tuple[float, ...]
    best: int


def run_study(noise: str, seeds: int, number: int) -> Outcome:
    """Measure five points and compare what is stated with the truth."""
    rng = np.random.default_rng([list(NOISES).index(noise), seeds, number])
    true = rng.normal(0, 10 ** rng.uniform(-1.2, 0.5), POINTS)
    of_seed = rng.normal(0, rng.choice([0.0, 1.0, 2.0]), seeds)
    own = np.exp(rng.normal(0, 0.3, POINTS))
    values = true[:, None] + of_seed + NOISES[noise](rng, (POINTS, seeds)) * own[:, None]
    if noise == "coarse":
        values = np.round(values / _GRID) * _GRID
    stated = probabilities_of_best([draw_means(Measured(values, np.ones(POINTS, dtype=bool)))], [1.0])
    return Outcome(noise, seeds, tuple(round(float(one), 4) for one in stated), int(true.argmin()))


def likeliest(outcomes: Sequence[Outcome]) -> tuple[float, float, int]:
    """Of each study's likeliest point: its mean stated probability, how often it was the best, and of how many."""
    stated = [max(one.stated) for one in outcomes]
    hits = [int(np.argmax(one.stated)) == one.best for one in outcomes]
    return float(np.mean(stated)), float(np.mean(hits)), len(hits)


def sure(outcomes: Sequence[Outcome], least: float = 0.6) -> list[Outcome]:
    """The studies in which some point is stated to be the best with at least that probability."""
    return [one for one in outcomes if max(one.stated) >= least]


def table(outcomes: Sequence[Outcome]) -> str:
    """The table of the documentation, in Markdown."""
    lines = ["| noise | seeds | stated of the likeliest | it was the best | where 0.6 or more was stated |"]
    return "\n".join([*lines, "|---|---|---|---|---|", *_rows(outcomes)])


def _rows(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for noise in NOISES:
        for seeds in SEEDS:
            own = [one for one in outcomes if (one.noise, one.seeds) == (noise, seeds)]
            stated, hits, count = likeliest(own)
            few_stated, few_hits, few = likeliest(sure(own))
            error = np.sqrt(hits * (1 - hits) / count)
            surely = f"{few_stated:.2f} stated, {few_hits:.2f} true, of {few}"
            yield f"| {noise} | {seeds} | {stated:.2f} | {hits:.2f} ± {error:.2f} | {surely} |"


def read_results() -> list[Outcome]:
    """The outcomes that are committed."""
    return [Outcome(**json.loads(line)) for line in RESULTS.read_text().splitlines()]


def main() -> None:
    """Run the studies, keep their outcomes, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=100)
    count = parser.parse_args().studies
    outcomes = [run_study(noise, seeds, number) for noise in NOISES for seeds in SEEDS for number in range(count)]
    RESULTS.write_text("".join(json.dumps(asdict(one)) + "\n" for one in outcomes))
    sys.stdout.write(table(outcomes) + "\n")


if __name__ == "__main__":
    main()
