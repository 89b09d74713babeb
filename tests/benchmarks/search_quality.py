"""How well a sampler searches when many workers propose at once: ``python -m tests.benchmarks.search_quality``.

Workers are simulated: each holds one trial for a time drawn from a log-normal distribution, and a sampler sees a
value only when the trial ends. Regret is that of the best finished trial, normalised so that 0 is the optimum and
1 a median random configuration. With constraints it is that of the best that meets them all, and 1 before there is
one; with several metrics it is the share of the best possible hypervolume that is missing. A trial that fails
counts as one of the trials. For one problem and seed every sampler meets the same instance, the same durations
and the same noise, so that differences are paired.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from zlib import crc32

import numpy as np
import optuna
from optuna._hypervolume import compute_hypervolume
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from hpotool.search.auto import AutoSampler
from tests.benchmarks.libraries.library import Declaration, LibrarySampler
from tests.benchmarks.problems import REPORTED, FailedHereError, Metrics, Objective, Problem, SeveralMetrics
from tests.benchmarks.tuning_problems import TUNING


def _smac(seed: int) -> BaseSampler:
    from tests.benchmarks.libraries.smac_sampler import SmacSampler

    return SmacSampler(seed)


def _hebo(seed: int) -> BaseSampler:
    from tests.benchmarks.libraries.hebo_sampler import HeboSampler

    return HeboSampler(seed)


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "auto": lambda seed: AutoSampler(seed=seed),
    "tpe": lambda seed: TPESampler(seed=seed),  # Optuna's default: multivariate, constant liar
    "tpe-univariate": lambda seed: TPESampler(seed=seed, multivariate=False, constant_liar=True),
    "tpe-v4": lambda seed: TPESampler(seed=seed, multivariate=False, constant_liar=False),
    "random": lambda seed: RandomSampler(seed=seed),
    "nsga2": lambda seed: NSGAIISampler(seed=seed),
    "gp": lambda seed: GPSampler(seed=seed),  # Optuna's, which needs PyTorch and ten times as long
    "smac": _smac,  # docs/search.md says how to install these two
    "hebo": _hebo,
}
# What a library has no means for. HEBO's optimiser for constraints proposes one point per fit, which takes minutes
# of CPU where its batches take seconds.
UNSUPPORTED: dict[str, Sequence[str]] = {"smac": ["constrained"], "hebo": ["constrained"]}
_UNASKED = ["auto", "tpe", "tpe-univariate", "random"]


@dataclass(frozen=True)
class Run:
    """One study: what is left to the optimum after each of the checkpoints, how many of its trials failed, and the
    CPU milliseconds that a suggestion took."""

    sampler: str
    problem: str
    kind: str
    workers: int
    seed: int
    regret: dict[int, float]
    seconds: float
    failed: int = 0
    suggestion_ms: float | None = None  # in older runs, nobody measured it


@dataclass(frozen=True)
class _Ended:
    """What came of one trial: true values, the value that was seen, and whether it may be the best."""

    values: tuple[float, ...] | None = None
    seen: float = math.nan
    is_feasible: bool = False


def simulate(
    sampler: str, problem: Problem | SeveralMetrics, workers: int, seed: int, checkpoints: Sequence[int]
) -> Run:
    """Run one study of as many trials as the last checkpoint says."""
    name = crc32(problem.name.encode())  # not hash(): that is another one in each process
    objective = problem.draw(np.random.default_rng([seed, name]))
    median = _median_of_random(objective, seed) if isinstance(problem, Problem) else 1.0
    trials = max(checkpoints)
    durations = np.random.default_rng([seed, 1]).lognormal(0.0, 0.5, trials)
    noise = median * _draw_noise(problem, np.random.default_rng([seed, 2]), trials)
    metrics = problem.metrics if isinstance(problem, SeveralMetrics) else 1
    chooser = SAMPLERS[sampler]((seed * 1009 + name) % 2**31)
    study = optuna.create_study(sampler=chooser, directions=["minimize"] * metrics)

    started, cpu = time.perf_counter(), time.process_time()
    if isinstance(chooser, LibrarySampler):
        declared = Declaration.of(lambda trial: _evaluate(objective, trial), metrics, trials, workers)
        cpu = time.process_time()
        chooser.prepare(declared)
    running: list[tuple[float, int, optuna.Trial, tuple[float, ...] | None]] = []
    clock, asked, ended = 0.0, 0, list[_Ended]()
    while len(ended) < trials:
        while asked < trials and len(running) < workers:
            trial = study.ask()
            heapq.heappush(running, (clock + durations[asked], asked, trial, _evaluate(objective, trial)))
            asked += 1
        clock, number, trial, values = heapq.heappop(running)
        ended.append(_tell(study, trial, values, noise[number]))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    lost = _lost_volume if isinstance(objective, Metrics) else _regret_of_best
    regret = {checkpoint: lost(objective, ended[:checkpoint]) / median for checkpoint in checkpoints}
    failed = sum(one.values is None for one in ended)
    each_ms = round(1000 * cpu / trials, 2)
    return Run(sampler, problem.name, problem.kind, workers, seed, regret, seconds, failed, each_ms)


def _evaluate(objective: Objective | Metrics, trial: optuna.Trial) -> tuple[float, ...] | None:
    """Return the values of a trial; None: it failed."""
    try:
        values = objective(trial)
    except FailedHereError:
        return None
    return values if isinstance(values, tuple) else (values,)


def _tell(study: optuna.Study, trial: optuna.Trial, values: tuple[float, ...] | None, noise: float) -> _Ended:
    if values is None:
        study.tell(trial, state=TrialState.FAIL)
        return _Ended()
    told = study.tell(trial, [value + noise for value in values])
    return _Ended(values, values[0] + noise, all(violation <= 0 for violation in told.constraints.values()))


def _regret_of_best(_: object, ended: Sequence[_Ended]) -> float:
    """Return the true value of what one would take home: the best as it was seen."""
    feasible = [one for one in ended if one.is_feasible]
    best = min(feasible, key=lambda one: one.seen, default=None)
    return 1.0 if best is None or best.values is None else best.values[0]


def _lost_volume(objective: Metrics, ended: Sequence[_Ended]) -> float:
    """Return the share of the best hypervolume that is missing."""
    worst = np.asarray(objective.worst)
    found = np.asarray([one.values for one in ended if one.values is not None])
    found = found[(found < worst).all(axis=1)]
    reached = compute_hypervolume(found, worst) if len(found) else 0.0
    return max(0.0, 1.0 - float(reached / compute_hypervolume(objective.front, worst)))


def _draw_noise(problem: Problem | SeveralMetrics, rng: np.random.Generator, count: int) -> np.ndarray:
    if not isinstance(problem, Problem):
        return np.zeros(count)
    draws = rng.standard_t(2, size=count) if problem.has_heavy_tails else rng.normal(size=count)
    return problem.noise * draws


def _median_of_random(objective: Objective, seed: int) -> float:
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    values = [_evaluate(objective, study.ask()) for _ in range(300)]
    return float(np.median([value[0] for value in values if value is not None]))


def read_runs(file: Path) -> list[Run]:
    """Return the runs that ``--json`` kept."""
    runs = [Run(**json.loads(line)) for line in file.read_text().splitlines()]
    return [replace(run, regret={int(count): value for count, value in run.regret.items()}) for run in runs]


def summarise(runs: Iterable[Run], checkpoint: int) -> list[str]:
    """Return a table: mean regret and its standard error over seeds, for all problems and for each kind."""
    runs = list(runs)
    kinds = sorted({run.kind for run in runs})
    lines = [f"{'sampler':16}{'workers':>8}{'regret':>10}{'±':>8}  " + "".join(f"{kind:>13}" for kind in kinds)]
    for sampler, workers in dict.fromkeys((run.sampler, run.workers) for run in runs):
        chosen = [run for run in runs if (run.sampler, run.workers) == (sampler, workers)]
        seeds = sorted({run.seed for run in chosen})
        per_seed = [np.mean([run.regret[checkpoint] for run in chosen if run.seed == seed]) for seed in seeds]
        error = np.std(per_seed, ddof=1) / len(seeds) ** 0.5 if len(seeds) > 1 else float("nan")
        cells = [np.mean([run.regret[checkpoint] for run in chosen if run.kind == kind]) for kind in kinds]
        lines.append(
            f"{sampler:16}{workers:8d}{np.mean(per_seed):10.4f}{error:8.4f}  "
            + "".join(f"{cell:13.4f}" for cell in cells)
        )
    return lines


_TASKS: list[tuple[str, Problem | SeveralMetrics, int, int, Sequence[int]]] = []


def _simulate(index: int) -> Run:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    return simulate(*_TASKS[index])


def runs_in(file: Path | None, checkpoints: Sequence[int]) -> set[tuple[str, str, int, int]]:
    """Return which runs a file has already, so that a benchmark that was stopped goes on where it was."""
    runs = read_runs(file) if file is not None and file.exists() else []
    return {
        (run.sampler, run.problem, run.workers, run.seed) for run in runs if run.regret.keys() >= set(checkpoints)
    }


def main() -> None:
    """Run what the arguments say and print the tables.

    ``--json`` keeps every single run as a line, and skips those that it has; ``--report`` makes the tables of
    docs/search.md of them.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=_UNASKED)
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--checkpoints", nargs="+", type=int, default=[100, 200])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--problems", choices=["reported", "tuning", "tables"], default="reported")
    parser.add_argument("--kinds", nargs="+", help="only problems of these classes")
    parser.add_argument("--names", nargs="+", help="only these problems")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--report", type=Path, metavar="FILE", help="run nothing; print the tables of such a JSON")
    arguments = parser.parse_args()
    if arguments.report:
        from tests.benchmarks.search_report import report

        sys.stdout.write(report(read_runs(arguments.report)))
        return
    if arguments.problems == "tables":
        from tests.benchmarks.tables import load_tables

        problems = load_tables()
    else:
        problems = TUNING if arguments.problems == "tuning" else REPORTED
    if arguments.kinds:
        problems = [problem for problem in problems if problem.kind in arguments.kinds]
    if arguments.names:
        problems = [problem for problem in problems if problem.name in arguments.names]
    done = runs_in(arguments.json, arguments.checkpoints)
    _TASKS.extend(  # before the fork: a table is too large to be sent with every task, and cannot be pickled
        task
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        for problem in problems
        for workers in arguments.workers
        for sampler in arguments.samplers
        if problem.kind not in UNSUPPORTED.get(sampler, ())
        for task in [(sampler, problem, workers, seed, arguments.checkpoints)]
        if (sampler, problem.name, workers, seed) not in done
    )
    runs = []
    with ProcessPoolExecutor(arguments.jobs, get_context("fork")) as pool:
        for run in pool.map(_simulate, range(len(_TASKS))):
            runs.append(run)
            if arguments.json:  # a line per run, at once: a benchmark that is stopped was not for nothing
                with arguments.json.open("a") as file:
                    file.write(json.dumps(asdict(run)) + "\n")
    for checkpoint in arguments.checkpoints:
        sys.stdout.write(f"\nafter {checkpoint} trials\n" + "\n".join(summarise(runs, checkpoint)) + "\n")


if __name__ == "__main__":
    main()
