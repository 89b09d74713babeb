"""How many trials a second four workers finish with and without an export to MLflow, in turns on one machine.

    python -m tests.benchmarks.tracking [--rounds 5] [--trials 60] [--seconds 1.0] [--json FILE]

The server and the export run on the same machine, which is harder on the trials than a server elsewhere.
A round is a study without tracking and one with it; what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.database.url import DatabaseUrl
from tests.acceptance.command_line import CommandLine
from tests.mlflow_server import MlflowServer
from tests.postgres import open_run_folder, shared_server

OBJECTIVE = """
import time

def objective(trial):
    x = trial.suggest_float("x", -1.0, 1.0)
    for step in range(10):
        time.sleep({seconds} / 10)
        trial.report(x * x + 9 - step, step)
    return x * x
"""
# From the first claim to the last end; and the processor time of all that the workers started.
PACE = """
SELECT count(*)::float8 / extract(epoch FROM max(ended_at) - min(started_at))::float8,
    avg(extract(epoch FROM ended_at - started_at))::float8
FROM hpotool.attempts
"""


def run_study(folder: Path, url: str, trials: int, tracking: str) -> tuple[float, float]:
    """Trials a second of one study of four workers, and the seconds of one trial."""
    study = folder / "study.yaml"
    study.write_text(
        'study: bench\nobjective: {python: "bench_objective:objective"}\nmetrics: {loss: minimize}\n'
        f"sampler: random\nbudget: {{trials: {trials}}}\n{tracking}"
    )
    ensure_schema(DatabaseUrl.parse(url))
    line = CommandLine(url, folder, {"PYTHONPATH": str(folder), "HPOTOOL_HOME": str(folder / "home")})
    line.run("create-study", str(study))
    with (folder / "log").open("w") as log:
        subprocess.run(
            [str(Path(sys.executable).with_name("hpotool")), "worker", "bench", "--gpu", "none", "--workers", "4"],
            cwd=folder, env=line._environment(), stdout=log, stderr=log, check=True, timeout=900,
        )  # fmt: skip
    if tracking:
        line.run("track", "bench", "--to", "mlflow", "--once")
        [job] = line.json("track", "bench", "--status")
        assert job["arrived"] >= trials, job
    connection = Connection(DatabaseUrl.parse(url))
    [(pace, duration)] = connection.run(PACE)
    connection.close()
    return pace, duration


def run(rounds: int, trials: int, seconds: float) -> dict[str, Any]:
    """All figures of one run."""
    paces: dict[str, list[float]] = {"without": [], "with": []}
    durations: dict[str, list[float]] = {"without": [], "with": []}
    alive = open_run_folder()
    folder = Path(tempfile.mkdtemp())
    (folder / "bench_objective.py").write_text(OBJECTIVE.format(seconds=seconds))
    (folder / "server").mkdir()
    server = MlflowServer(folder / "server")
    server.start()
    try:
        for place in range(rounds):
            for kind in ("without", "with") if place % 2 == 0 else ("with", "without"):
                experiment = f"bench-{place}"
                tracking = (
                    f'tracking: {{mlflow: "{server.address}", experiment: {experiment}}}\n'
                    if kind == "with"
                    else ""
                )
                with shared_server().database(f"tracking_{kind}_{place}_{time.monotonic_ns()}") as url:
                    pace, duration = run_study(folder, url, trials, tracking)
                paces[kind].append(pace)
                durations[kind].append(duration)
    finally:
        server.kill()
        alive.close()
        shutil.rmtree(folder, ignore_errors=True)
    differences = [one - other for one, other in zip(paces["with"], paces["without"], strict=True)]
    return {
        "what": f"{trials} trials of {seconds:g} s with 10 reports, four workers, MLflow on the same machine",
        "rounds": rounds,
        "trials_per_s": {kind: _mean_and_error(values) for kind, values in paces.items()},
        "difference_per_s": _mean_and_error(differences),
        "seconds_of_a_trial": {kind: _mean_and_error(values) for kind, values in durations.items()},
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "cpus": os.cpu_count(),
    }


def _mean_and_error(values: list[float]) -> dict[str, float]:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return {"mean": round(statistics.mean(values), 3), "standard_error": round(error, 3)}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    arguments = parser.parse_args()
    text = json.dumps(run(arguments.rounds, arguments.trials, arguments.seconds), indent=2)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
