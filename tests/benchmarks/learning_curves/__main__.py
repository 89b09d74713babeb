"""``python -m tests.benchmarks.learning_curves``: each pruner on curves of real trainings, at equal epochs.

``--report`` prints the tables of docs/search.md from the runs that ``--json`` has kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from tests.benchmarks.learning_curves.report import read_runs, report
from tests.benchmarks.learning_curves.simulate import PRUNERS, SAMPLERS, simulate
from tests.benchmarks.learning_curves.tables import load_problems

RUNS = Path(__file__).parents[1] / "results" / "learning_curves.jsonl"


def main() -> None:
    """Run what the arguments say, a line of JSON for each run, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--use", choices=["reported", "tuning"], default="reported")
    parser.add_argument("--pruners", nargs="+", choices=PRUNERS, default=list(PRUNERS))
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=["auto"])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--checkpoints", nargs="+", type=int, default=[10, 20, 30], help="in whole trainings")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path, help="append each run here")
    parser.add_argument("--report", nargs="?", type=Path, const=RUNS, metavar="FILE", help="run nothing")
    arguments = parser.parse_args()
    if arguments.report:
        sys.stdout.write(report(read_runs(arguments.report)))
        return
    tasks = [
        (sampler, pruner, problem, workers, seed, arguments.checkpoints)
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        for workers in arguments.workers
        for problem in load_problems(arguments.use)
        for sampler in arguments.samplers
        for pruner in arguments.pruners
    ]
    runs = []
    with ProcessPoolExecutor(arguments.jobs, get_context("fork")) as pool:
        for done in as_completed([pool.submit(simulate, *task) for task in tasks]):
            runs.append(done.result())
            if arguments.json:
                with arguments.json.open("a") as file:
                    file.write(json.dumps(asdict(runs[-1])) + "\n")
    sys.stdout.write(report(runs))


if __name__ == "__main__":
    main()
