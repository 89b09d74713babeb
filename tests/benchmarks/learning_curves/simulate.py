"""One study on recorded curves: asynchronous workers, a sampler and a pruner, until so many epochs are spent.

Every step of a trial costs one epoch, whoever runs it, and a step takes each trial a time of its own. For one
problem and seed all pruners meet the same times, and the samplers' same seeds, so that differences are paired.
"""

from __future__ import annotations

import heapq
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.auto import AutoSampler
from hpotool.search.pruning.learned import LearnedPruner
from hpotool.search.pruning.pruners import build_pruner
from hpotool.study.forecast import Forecast
from hpotool.study.spec import PrunerSpec
from tests.benchmarks.learning_curves.tables import CurveProblem

SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "auto": lambda seed: AutoSampler(seed=seed),
    "tpe": lambda seed: TPESampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}
PRUNERS = ("none", "learned", "learned-silent", "median", "hyperband", "asha")


class SilentPruner(LearnedPruner):
    """Prunes as `LearnedPruner` does, and leaves the sampler to the last values of what it ended."""

    def _note(self, study: optuna.Study, trial: FrozenTrial, forecast: Forecast) -> None:
        pass


@dataclass(frozen=True)
class Run:
    """One study: the regret of the best complete trial once each number of whole trainings was spent, how many
    trials there were by the last, and the CPU milliseconds of a verdict."""

    sampler: str
    pruner: str
    problem: str
    workers: int
    seed: int
    regret: dict[int, float]
    trials: int
    verdict_ms: float


def simulate(
    sampler: str, pruner: str, problem: CurveProblem, workers: int, seed: int, checkpoints: Sequence[int]
) -> Run:
    """Spend as many epochs as the last checkpoint's whole trainings have."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    arguments = {"max_resource": problem.steps} if pruner == "hyperband" else {}
    study = optuna.create_study(
        sampler=SAMPLERS[sampler](seed * 1009 + crc32(problem.name.encode()) % 2**31),
        pruner=SilentPruner() if pruner == "learned-silent" else build_pruner(PrunerSpec(pruner, arguments)),
    )
    paces = np.random.default_rng([seed, crc32(problem.name.encode())]).lognormal(0.0, 0.3, 100_000)
    running: list[tuple[float, int, int, int, optuna.Trial]] = []
    regret: dict[int, float] = {}
    best, clock, asked, spent, judging, verdicts = math.inf, 0.0, 0, 0, 0.0, 0
    while len(regret) < len(checkpoints):
        while len(running) < workers:
            trial = study.ask()
            heapq.heappush(running, (clock + paces[asked], asked, problem.suggest(trial), 0, trial))
            asked += 1
        clock, number, row, step, trial = heapq.heappop(running)
        spent += 1
        trial.report(float(problem.curves[row, step]), step)
        if step + 1 == problem.steps:
            best = min(best, float(problem.curves[row, -1]))
            study.tell(trial, float(problem.curves[row, -1]))
        else:
            started = time.process_time()
            is_over = trial.should_prune()
            judging, verdicts = judging + time.process_time() - started, verdicts + 1
            if is_over:
                study.tell(trial, state=TrialState.PRUNED)
            else:
                heapq.heappush(running, (clock + paces[number], number, row, step + 1, trial))
        for checkpoint in checkpoints:
            if checkpoint not in regret and spent >= checkpoint * problem.steps:
                regret[checkpoint] = problem.regret(best) if math.isfinite(best) else 1.0
    return Run(sampler, pruner, problem.name, workers, seed, regret, asked, 1000 * judging / max(verdicts, 1))
