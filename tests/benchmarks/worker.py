"""One worker of the benchmark, in a process of its own: `python -m tests.benchmarks.worker ARGUMENTS`.

It says what it measured as one line of JSON after each stage, and waits for a line on its standard input before
the next one, so that whoever started it can read the counters of Postgres and of the wire in between.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
import warnings
from typing import Any

import optuna

import hpotool
from hpotool.storage.database.url import DatabaseUrl
from tests.benchmarks.reference import objective

STUDY = "benchmark"
HEARTBEAT_S = 60


def main() -> None:
    """Open the study, run one trial, then a number of them."""
    asked = _arguments()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _stage({})
    began, began_cpu = time.perf_counter(), time.process_time()
    study = _study(asked)
    study.optimize(objective, n_trials=1)
    took = {"first_trial_s": time.perf_counter() - began, "first_trial_cpu_s": time.process_time() - began_cpu}
    _stage(took)
    began, began_cpu = time.perf_counter(), time.process_time()
    study.optimize(objective, n_trials=asked.trials)
    _stage(
        {
            "wall_s": time.perf_counter() - began,
            "cpu_s": time.process_time() - began_cpu,
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )


def _study(asked: argparse.Namespace) -> optuna.Study:
    if asked.kind == "script":
        return hpotool.load_study(STUDY, asked.url)
    if asked.kind == "plain-script":
        return optuna.load_study(study_name=STUDY, storage=DatabaseUrl.parse(asked.url).sqlalchemy)
    sampler: optuna.samplers.BaseSampler = optuna.samplers.TPESampler(seed=asked.seed)
    pruner: optuna.pruners.BasePruner = (
        optuna.pruners.MedianPruner() if asked.pruner == "median" else optuna.pruners.NopPruner()
    )
    storage: optuna.storages.BaseStorage
    if asked.kind == "optuna":
        url = DatabaseUrl.parse(asked.url).sqlalchemy
        storage = optuna.storages.RDBStorage(url, heartbeat_interval=HEARTBEAT_S)
    else:
        from hpotool.search.pruning.fast_pruners import fast_pruner
        from hpotool.search.tpe import fast_sampler
        from hpotool.storage.open import open_storage

        storage = open_storage(asked.url, heartbeat_interval=HEARTBEAT_S)
        sampler, pruner = fast_sampler(sampler), fast_pruner(pruner)
    return optuna.load_study(study_name=STUDY, storage=storage, sampler=sampler, pruner=pruner)


def _stage(measured: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(measured) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["optuna", "hpotool", "script", "plain-script"])
    parser.add_argument("url")
    parser.add_argument("trials", type=int)
    parser.add_argument("--pruner", choices=["median", "none"], default="median")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
