"""`make bench`: plain Optuna and hpotool side by side, in one run, on one Postgres.

    python -m tests.benchmarks [--quick] [--output docs/benchmarks.json]

Absolute times are of the machine it runs on, and of what else runs there: compare within one run.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from tests.benchmarks.measure import Case, measure
from tests.benchmarks.report import write_report
from tests.postgres import TestServer, open_run_folder, private_server

_DOCS = Path(__file__).parents[2] / "docs"


def cases(quick: bool) -> Iterator[Case]:
    """What is measured. Plain Optuna runs fewer trials: each takes so much longer."""
    sizes = (0, 1_000) if quick else (0, 1_000, 10_000, 100_000)
    ours, theirs = (10, 3) if quick else (40, 8)
    for finished in sizes:
        for pruner in ("median", "none"):
            yield Case("hpotool", finished, ours, pruner)
            # At 100,000 finished trials plain Optuna would need some 6 GB and minutes before its first trial.
            if finished < 100_000:
                yield Case("optuna", finished, theirs, pruner)
    for workers in (1, 4) if quick else (1, 4, 16):
        yield Case("hpotool", 1_000, ours // 2, workers=workers)
        yield Case("optuna", 1_000, max(theirs // 4, 1), workers=workers)
    for round_trip_ms in (5.0, 20.0):
        yield Case("hpotool", 1_000, ours // 2, round_trip_ms=round_trip_ms)
        yield Case("optuna", 1_000, max(theirs // 4, 1), round_trip_ms=round_trip_ms)


def main() -> None:
    """Measure, and write the figures as JSON and as a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cases and trials: a minute or two")
    parser.add_argument("--output", type=Path, default=_DOCS / "benchmarks.json")
    parser.add_argument("--report-only", action="store_true", help="write the page from figures that are there")
    asked = parser.parse_args()
    if not asked.report_only:
        _measure_all(asked.quick, asked.output)
    write_report(json.loads(asked.output.read_text()), asked.output.with_suffix(".md"))


def _measure_all(quick: bool, output: Path) -> None:
    alive = open_run_folder()
    server = private_server()
    # What another benchmark has put there stays.
    others: dict[str, Any] = json.loads(output.read_text()) if output.exists() else {}
    figures: dict[str, Any] = others | {"machine": machine(server), "results": []}
    try:
        for case in cases(quick):
            figures["results"].append(measure(server, case))
            sys.stderr.write(f"{_line(figures['results'][-1])}\n")
            output.write_text(json.dumps(figures, indent=1) + "\n")  # a run that is cut short is not lost
    finally:
        server.stop()
        alive.close()


def _line(result: dict[str, Any]) -> str:
    return "  ".join(
        f"{name}={value:.1f}" if isinstance(value, float) else f"{name}={value}" for name, value in result.items()
    )


def machine(server: TestServer) -> dict[str, Any]:
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average": [round(load, 1) for load in psutil.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgres": f"{_postgres_version(server)} on loopback, fsync off",
        **{package: version(package) for package in ("optuna", "numpy", "sqlalchemy", "psycopg2-binary")},
    }


def _postgres_version(server: TestServer) -> str:
    return str(Connection(DatabaseUrl.parse(server.url("postgres"))).run("show server_version")[0][0])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
