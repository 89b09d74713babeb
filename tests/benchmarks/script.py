"""A plain script of ten lines, with ``optuna.load_study`` and with ``hpotool.load_study``, in one run.

    python -m tests.benchmarks.script [--finished 10000] [--output docs/benchmarks.json]

Both optimize the reference objective with what loading the study gives them: Optuna's TPE and median pruner.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import Case, measure
from tests.postgres import open_run_folder, private_server


def main() -> None:
    """Measure both, print the ratio, and keep the figures beside the other benchmarks' ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--finished", type=int, default=10_000)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    alive, server = open_run_folder(), private_server()
    try:
        ours = measure(server, Case("script", asked.finished, trials=40))
        theirs = measure(server, Case("plain-script", asked.finished, trials=8))
    finally:
        server.stop()
        alive.close()
    ratio = theirs["worker_cpu_ms"] / ours["worker_cpu_ms"]
    figures: dict[str, Any] = {"hpotool": ours, "optuna": theirs, "worker_cpu_ratio": ratio}
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    if asked.output is not None:
        others = json.loads(asked.output.read_text()) if asked.output.exists() else {}
        asked.output.write_text(json.dumps(others | {"script": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
