"""What an isolated attempt costs over `isolation: none`, with torch imported by the objective.

    python -m tests.benchmarks.attempts [--rounds 30] [--json FILE]

The three ways take turns in one run, so that whatever else the machine does falls on all of them: a child of the
fork server, the worker itself, and a fresh interpreter per attempt, which is what a fork server saves.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import psutil

from hpotool.study.outcome import Outcome
from hpotool.study.spec import Isolation, MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.attempt.runner import AttemptRunner
from hpotool.worker.process.process_tree import descendants, proportional_memory

OBJECTIVE = "tests.benchmarks.torch_objective:objective"


def make_runner(isolation: Isolation, folder: Path) -> AttemptRunner:
    """A runner whose import is behind it."""
    objective = ObjectiveSpec(python=OBJECTIVE, isolation=isolation)
    runner = AttemptRunner(StudySpec("bench", objective, (MetricSpec("loss", "minimize"),)), folder)
    runner.start()
    return runner


def measure(run: Callable[[], Any]) -> float:
    """Milliseconds that it takes."""
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1000


def measure_cpu(run: Callable[[], Any]) -> float:
    """Seconds of this process's CPU time that it takes."""
    started = time.process_time()
    run()
    return time.process_time() - started


def cpu_of(pids: list[int]) -> float:
    """Seconds of CPU time of these processes and of all their children that have ended."""
    return sum(sum(psutil.Process(pid).cpu_times()[:4]) for pid in pids)


def attempt(runner: AttemptRunner, study: optuna.Study) -> None:
    """One trial from its parameters to its value; the sampler is the cheapest one."""
    trial = study.ask()
    result = runner.run(trial)
    assert result.outcome is Outcome.COMPLETE, result
    study.tell(trial, result.values)


def import_afresh() -> None:
    """What every attempt would begin with, if each had an interpreter of its own."""
    subprocess.run([sys.executable, "-c", "import tests.benchmarks.torch_objective"], check=True)


def run(rounds: int) -> dict[str, Any]:
    """All figures of one run."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    times: dict[str, list[float]] = {"isolated": [], "none": [], "fresh_interpreter": []}
    cpu = {"isolated": 0.0, "none": 0.0}
    with tempfile.TemporaryDirectory() as scratch:
        idle = psutil.Process().memory_info().rss
        isolated = make_runner("process", Path(scratch, "isolated"))
        fork_servers = descendants(os.getpid())
        server_memory = proportional_memory(fork_servers)
        none = make_runner("none", Path(scratch, "none"))
        with isolated, none:
            one_isolated, one_in_process = partial(attempt, isolated, study), partial(attempt, none, study)
            for each in (isolated, none):
                attempt(each, study)  # the first one is not like the others
            children_before = cpu_of(fork_servers)
            for place in range(rounds):
                cpu["isolated"] += measure_cpu(lambda: times["isolated"].append(measure(one_isolated)))
                cpu["none"] += measure_cpu(lambda: times["none"].append(measure(one_in_process)))
                if place % 10 == 0:
                    times["fresh_interpreter"].append(measure(import_afresh))
            cpu["isolated"] += cpu_of(fork_servers) - children_before
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "what": "one attempt: 10 parameters, 20 reports with should_prune, torch imported by the objective",
        "rounds": rounds,
        "median_ms": {name: round(value, 2) for name, value in medians.items()},
        # What a quiet machine would need at most; the wall times above contain whatever else the machine did.
        "mean_cpu_ms": {name: round(value * 1000 / rounds, 2) for name, value in cpu.items()},
        "overhead_ms": round(medians["isolated"] - medians["none"], 2),
        "ratio_to_fresh_interpreter": round(medians["isolated"] / medians["fresh_interpreter"], 4),
        "quantiles_isolated_ms": [round(cut, 2) for cut in statistics.quantiles(times["isolated"], n=10)],
        "idle_worker_mib": {"worker": idle >> 20, "fork_server_with_torch": server_memory >> 20},
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "machine": {
            "cpus": os.cpu_count(),
            "processor": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    arguments = parser.parse_args()
    text = json.dumps(run(arguments.rounds), indent=2)
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
