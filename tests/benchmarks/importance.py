"""Does `importance` call a parameter that does nothing by its name, and which evaluator finds the strongest one?

    python -m tests.benchmarks.importance [--studies 100] [--evaluators]

Simulated studies of 40 trials with the samplers that people use; six parameters of every kind, one of which does
nothing. It prints, for each sampler, how often the dummy, and how often the strongest, is taken for a real one.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from collections.abc import Iterable

import numpy as np
import optuna

from hpotool.analysis.importance import Evaluator, find_importance
from hpotool.analysis.weighing.evidence import weigh
from hpotool.analysis.weighing.table import Table, make_table
from hpotool.search.auto import AutoSampler

TRIALS = 40
SAMPLERS = ("random", "tpe", "auto")
EVALUATORS: tuple[Evaluator, ...] = ("kernel-anova", "ped-anova", "fanova")


def make_study(sampler: str, seed: int) -> optuna.Study:
    """A finished study in which ``lr`` is the strongest of five real parameters, and ``dummy`` does nothing."""
    rng = np.random.default_rng(seed)
    centre, noise = rng.uniform(0.2, 0.8, 3), rng.choice([0.0, 0.05, 0.2])

    def objective(trial: optuna.Trial) -> float:
        lr = (math.log10(trial.suggest_float("lr", 1e-5, 1.0, log=True)) + 5) / 5
        depth = (trial.suggest_int("depth", 1, 12) - 1) / 11
        booster = trial.suggest_categorical("booster", ["gbtree", "dart"])
        trial.suggest_float("dummy", 1e-6, 1.0, log=True)
        value = 6 * (lr - centre[0]) ** 2 + (depth - centre[1]) ** 2 + 0.3 * trial.suggest_float("decay", 0, 1)
        if booster == "dart":
            value += (trial.suggest_float("drop", 0, 1) - centre[2]) ** 2
        return float(value + 0.25 * (booster == "gbtree") + noise * rng.normal())

    samplers = {
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "auto": lambda: AutoSampler(seed=seed),
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=samplers[sampler]())
    study.optimize(objective, n_trials=TRIALS)
    return study


def simulate(sampler: str, seed: int) -> Table:
    """Such a study as `importance` sees it."""
    trials = make_study(sampler, seed).trials
    names = sorted({name for trial in trials for name in trial.params})
    return make_table(trials, [trial.value or 0.0 for trial in trials], names)


def count_told(tables: Iterable[Table]) -> dict[str, int]:
    """In how many studies the dummy, and the strongest parameter, is taken for one that does something."""
    counted = {"studies": 0, "dummy": 0, "strong": 0}
    for table in tables:
        told = dict(zip(table.names, weigh(table).is_told, strict=True))
        counted["studies"] += 1
        counted["dummy"] += int(told["dummy"])
        counted["strong"] += int(told["lr"])
    return counted


def count_first(evaluator: Evaluator, studies: Iterable[optuna.Study]) -> int:
    """In how many studies the evaluator puts the strongest parameter first."""
    return sum(next(iter(find_importance(study, evaluator=evaluator)[0].importance)) == "lr" for study in studies)


def main() -> int:
    """Print the counts; 1 where a dummy is taken for a real one in more than five of a hundred studies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument(
        "--evaluators", action="store_true", help="also compare the evaluators, which takes minutes"
    )
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    is_bad = False
    for sampler in SAMPLERS:
        counted = count_told(simulate(sampler, seed) for seed in range(asked.studies))
        print(sampler, counted, flush=True)  # noqa: T201
        is_bad |= counted["dummy"] > 0.05 * counted["studies"]
        for evaluator in EVALUATORS if asked.evaluators else ():
            first = count_first(evaluator, (make_study(sampler, seed) for seed in range(asked.studies)))
            print(sampler, evaluator, f"puts the strongest first in {first} of {asked.studies}", flush=True)  # noqa: T201
    return int(is_bad)


if __name__ == "__main__":
    sys.exit(main())
