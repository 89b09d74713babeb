"""How long a person waits for the command line: `hpotool --help` and `hpotool best`, as whole processes.

    python -m tests.benchmarks.command_line [--runs 15] [--json FILE]

``import optuna`` in a fresh interpreter is measured in turn with them: nothing that reads a study is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import optuna

from hpotool.storage.database.url import DatabaseUrl
from tests.postgres import open_run_folder, private_server

HPOTOOL = str(Path(sys.executable).with_name("hpotool"))
COMMANDS = {
    "hpotool --help": [HPOTOOL, "--help"],
    "hpotool best": [HPOTOOL, "best"],
    "import optuna": [sys.executable, "-c", "import optuna"],
}


def main() -> None:
    """Measure, print, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    alive = open_run_folder()
    server = private_server()
    try:
        with server.database("bench") as url:
            fill(url)
            seconds = measure(asked.runs, {**os.environ, "HPOTOOL_STORAGE": url})
    finally:
        server.cluster.stop()
        alive.close()
    figures = {
        name: {"median_s": round(statistics.median(each), 3), "max_s": round(max(each), 3)}
        for name, each in seconds.items()
    }
    for name, figure in figures.items():
        sys.stdout.write(f"{name:<16} median {figure['median_s']:.3f} s   at most {figure['max_s']:.3f} s\n")
    if asked.json:
        asked.json.write_text(json.dumps({"runs": asked.runs, "commands": figures}, indent=1) + "\n")


def fill(url: str) -> None:
    """A study of 100 finished trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="bench", storage=DatabaseUrl.parse(url).sqlalchemy)
    study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=100)


def measure(runs: int, environment: dict[str, str]) -> dict[str, list[float]]:
    """Seconds per command, taking turns: the machine's moods fall on all of them. The first turn warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, command in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
