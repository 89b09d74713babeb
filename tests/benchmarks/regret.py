"""How far the stated regret can be trusted, and what stopping by it saves: searches whose optimum is known.

    python -m tests.benchmarks.regret --seeds 10 --jobs 2
    python -m tests.benchmarks.regret --report

Each study is searched by the default sampler, a trial at a time. At each look the estimate is noted, and how far
the best trial truly is from the optimum, both in units of the median of random configurations. From these alone it
follows when a limit or patience would have ended the study, and what would have been lost by that.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from zlib import crc32

import numpy as np
import optuna
from optuna.study import StudyDirection

from hpotool.search.auto import AutoSampler
from hpotool.search.regret.looks import RegretLooks
from hpotool.study.rules.regret import latest_looks
from tests.benchmarks.problems import REPORTED, FailedHereError, Problem
from tests.benchmarks.search_quality import _median_of_random

RESULTS = Path(__file__).parent / "results" / "regret.jsonl"
NAMES = ("levy", "network", "conditional", "integers", "budgeted", "noisy-network")
TRIALS = 120
LIMITS, PATIENCE = (0.1, 0.03, 0.01), (10, 20, 40)


@dataclass(frozen=True)
class Look:
    """What was stated after so many trials, and what is true: ``left`` is how far the best is from the optimum."""

    trials: int
    expected: float
    at_most: float
    left: float


@dataclass(frozen=True)
class Search:
    """One study: its looks; after each trial the best value seen, and how far it truly is from the optimum."""

    problem: str
    seed: int
    looks: tuple[Look, ...]
    seen: tuple[float, ...]
    left: tuple[float, ...]


def search(name: str, seed: int, trials: int = TRIALS) -> Search:
    """Run one study."""
    problem = next(one for one in REPORTED if isinstance(one, Problem) and one.name == name)
    objective = problem.draw(np.random.default_rng([seed, crc32(name.encode())]))
    median = _median_of_random(objective, seed)
    noise = np.random.default_rng([seed, 2])
    study = optuna.create_study(sampler=AutoSampler(seed=seed))
    true: list[float] = []

    def measure(trial: optuna.Trial) -> float:
        true.append(float("nan"))
        true[-1] = float(objective(trial)) / median
        return true[-1] + problem.noise * float(noise.normal())

    found, looks = RegretLooks(StudyDirection.MINIMIZE), list[Look]()
    seen, left = list[float](), list[float]()
    for count in range(1, trials + 1):
        study.optimize(measure, 1, catch=(FailedHereError,))
        able = [one for one in study.get_trials(deepcopy=False) if one.value is not None and _is_feasible(one)]
        best = min(able, key=lambda one: one.value or 0.0, default=None)
        seen.append(float("inf") if best is None or best.value is None else best.value)
        left.append(1.0 if best is None else true[best.number])
        if count in latest_looks(count)[-1:]:
            regret = found.judge(study.get_trials(deepcopy=False))[-1]
            if regret is not None:
                looks.append(Look(count, regret.expected, regret.at_most, true[regret.best]))
    return Search(name, seed, tuple(looks), tuple(seen), tuple(left))


def _is_feasible(trial: optuna.trial.FrozenTrial) -> bool:
    return all(violation <= 0 for violation in trial.constraints.values())


def coverage(searches: Sequence[Search]) -> Iterator[str]:
    """How often the truth was within what was stated, by problem and by the number of trials."""
    yield "| trials | looks | truly left | expected | at most (0.9) | truth within it |"
    yield "|---|---|---|---|---|---|"
    looks = [look for one in searches for look in one.looks]
    for low, high in ((20, 39), (40, 79), (80, TRIALS)):
        yield _cover(f"{low} to {high}", [look for look in looks if low <= look.trials <= high])
    for name in dict.fromkeys(one.problem for one in searches):
        yield _cover(f"`{name}`", [look for one in searches if one.problem == name for look in one.looks])


def _cover(title: str, looks: Sequence[Look]) -> str:
    left, expected, most = (
        np.asarray([getattr(look, field) for look in looks]) for field in ("left", "expected", "at_most")
    )
    within = float((left <= most + 1e-9).mean())
    means = " | ".join(f"{column.mean():.3f}" for column in (left, expected, most))
    return f"| {title} | {len(looks)} | {means} | {within:.2f} |"


def savings(searches: Sequence[Search]) -> Iterator[str]:
    """For each rule: when it ended the studies, and how far their best was from the optimum then."""
    yield "| rule | ended before the last trial | trials | left to the optimum | worst study |"
    yield "|---|---|---|---|---|"
    for title, rule in _rules():
        ends = [rule(one) for one in searches]
        left = np.asarray([one.left[end - 1] for one, end in zip(searches, ends, strict=True)])
        early = sum(end < len(one.left) for one, end in zip(searches, ends, strict=True))
        shares = f"{left.mean():.3f} | {left.max():.3f}"
        yield f"| {title} | {early} of {len(searches)} | {np.mean(ends):.0f} | {shares} |"


def _rules() -> Iterator[tuple[str, Callable[[Search], int]]]:
    yield f"all {TRIALS} trials", lambda one: len(one.left)
    for limit in LIMITS:
        yield f"`regret: {limit:g}`", lambda one, limit=limit: end_by_regret(one, limit)  # type: ignore[misc]
    for patience in PATIENCE:
        yield (
            f"`patience: {patience}`",
            lambda one, patience=patience: end_by_patience(one, patience),  # type: ignore[misc]
        )


def end_by_regret(one: Search, limit: float) -> int:
    """After how many trials two looks in a row were at most the limit."""
    for before, look in zip(one.looks, one.looks[1:], strict=False):
        if max(before.at_most, look.at_most) <= limit:
            return look.trials
    return len(one.left)


def end_by_patience(one: Search, patience: int) -> int:
    """After how many trials the best had not changed for that many."""
    since = 0
    for count in range(1, len(one.seen)):
        since = 0 if one.seen[count] < one.seen[count - 1] else since + np.isfinite(one.seen[count])
        if since >= patience:
            return count + 1
    return len(one.seen)


def cost(counts: Sequence[int] = (100, 1_000, 10_000)) -> Iterator[str]:
    """The CPU time of one estimate, of ten parameters."""
    yield "| finished trials | CPU seconds of an estimate |"
    yield "|---|---|"
    rng = np.random.default_rng(0)
    names = [f"x{place}" for place in range(10)]
    study = optuna.create_study()
    space = {name: optuna.distributions.FloatDistribution(0, 1) for name in names}
    for count in counts:
        while len(study.trials) < count:
            points = rng.uniform(size=(count - len(study.trials), 10))
            study.add_trials(
                [
                    optuna.trial.create_trial(
                        params=dict(zip(names, map(float, point), strict=True)),
                        distributions=space,
                        value=float(((point - 0.4) ** 2).sum()),
                    )
                    for point in points
                ]
            )
        trials = study.get_trials(deepcopy=False)
        looks = RegretLooks(StudyDirection.MINIMIZE)
        began = time.process_time()
        looks.judge(trials)
        yield f"| {count:,} | {(time.process_time() - began) / 2:.2f} |"


def read_results() -> list[Search]:
    """The searches that are committed."""
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    return [
        Search(
            line["problem"],
            line["seed"],
            tuple(Look(**look) for look in line["looks"]),
            tuple(line["seen"]),
            tuple(line["left"]),
        )
        for line in lines
    ]


def tables(searches: Sequence[Search]) -> str:
    """Both tables of the documentation, in Markdown."""
    return "\n".join([*coverage(searches), "", *savings(searches)])


def _search(job: tuple[str, int]) -> Search:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    return search(*job)


def main() -> None:
    """Run the searches, keep them, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--names", nargs="+", default=NAMES)
    parser.add_argument("--report", action="store_true", help="run nothing; print the tables of what is kept")
    parser.add_argument("--cost", action="store_true", help="only measure the CPU time of an estimate")
    arguments = parser.parse_args()
    if arguments.cost:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sys.stdout.write("\n".join(cost()) + "\n")
        return
    if not arguments.report:
        jobs = [(name, seed) for seed in range(arguments.seeds) for name in arguments.names]
        with ProcessPoolExecutor(arguments.jobs, get_context("fork")) as pool, RESULTS.open("w") as file:
            for one in pool.map(_search, jobs):
                file.write(json.dumps(_rounded(asdict(one))) + "\n")
                file.flush()
    sys.stdout.write(tables(read_results()) + "\n")


def _rounded(data: object) -> object:
    """Numbers in six digits: what is kept stays small."""
    if isinstance(data, float):
        return float(f"{data:.6g}")
    if isinstance(data, dict):
        return {key: _rounded(value) for key, value in data.items()}
    return [_rounded(one) for one in data] if isinstance(data, (list, tuple)) else data


if __name__ == "__main__":
    main()
