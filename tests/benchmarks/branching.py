"""Tiers and population based training against random search, on the PyTorch example, with equally many epochs.

    python -m tests.benchmarks.branching [--seeds 10] [--json FILE]

Every study trains for 240 epochs in all, with real workers on an embedded Postgres of its own. What is compared is
the best validation accuracy that a study found, paired by seed. Of the two ways to spend random search's epochs,
many short trainings or few long ones, both are run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy.stats import wilcoxon

EPOCHS = 240
RANDOM, POPULATION, TIERS = "random, 8 x 30 epochs", "population of 8", "tiers"
METHODS: Mapping[str, Mapping[str, Any]] = {
    RANDOM: {"sampler": {"name": "random"}, "budget": {"trials": 8}},
    "random, 16 x 15 epochs": {
        "objective": {"python": "objectives.pytorch_digits:objective"},
        "sampler": {"name": "random"},
        "budget": {"trials": 16},
    },
    POPULATION: {
        "sampler": {"name": "pbt", "interval": 3, "explore": ["lr", "weight_decay", "dropout"]},
        "budget": {"trials": 80},
    },
    TIERS: {
        "sampler": {"name": "random"},
        "tiers": [{"trials": 36, "steps": 3}, {"trials": 12, "steps": 9}, {"trials": 3, "steps": 29}],
    },
}


def run_study(method: str, seed: int, folder: Path) -> dict[str, Any]:
    """The best accuracy of one study, and after how many epochs of training in all it ended."""
    name = f"{method.replace(' ', '').replace(',', '-')}-{seed}"
    settings = METHODS[method]
    study = {
        "study": name,
        "objective": {"python": "tests.benchmarks.digits_objective:objective"},
        "metrics": {"accuracy": "maximize"},
        **settings,
        "sampler": {**settings["sampler"], "seed": seed},
        "keep": "best 0",
    }
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(study))
    _hpotool(folder, "create-study", str(file))
    _hpotool(folder, "worker", "--study", name, "--gpu", "none", "--workers", "2")
    trials = json.loads(_hpotool(folder, "trials", "--study", name, "--format", "json"))
    best = max(trial["values"]["accuracy"] for trial in trials if trial["state"] == "COMPLETE")
    return {"method": method, "seed": seed, "accuracy": best, "trials": len(trials)}


def summarise(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table: mean and standard error per method, and paired with random search: difference and Wilcoxon's p."""
    by_method: dict[str, dict[int, float]] = {}
    for run in runs:
        by_method.setdefault(run["method"], {})[run["seed"]] = run["accuracy"]
    reference = by_method[RANDOM]
    lines = [
        f"| {EPOCHS} epochs in all | best accuracy | against {RANDOM} | better / equal / worse | p |",
        "|--|--|--|--|--|",
    ]
    for method, accuracies in by_method.items():
        mean = f"{statistics.mean(accuracies.values()):.4f} ± {_error(list(accuracies.values())):.4f}"
        gains = [
            round(accuracy - reference[seed], 9) for seed, accuracy in accuracies.items() if seed in reference
        ]
        if method == RANDOM:
            lines.append(f"| {method} | {mean} | | | |")
            continue
        p = wilcoxon(gains).pvalue if any(gains) else 1.0
        counts = " / ".join(str(sum(holds(gain) for gain in gains)) for holds in (_up, _same, _down))
        difference = f"{statistics.mean(gains):+.4f} ± {_error(gains):.4f}"
        lines.append(f"| {method} | {mean} | {difference} | {counts} | {p:.3f} |")
    return lines


def _up(gain: float) -> bool:
    return gain > 0


def _same(gain: float) -> bool:
    return gain == 0


def _down(gain: float) -> bool:
    return gain < 0


def _error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")


def _hpotool(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "HPOTOOL_HOME": str(folder / "home")}
    environment.pop("HPOTOOL_STORAGE", None)
    done = subprocess.run(
        [sys.executable, "-m", "hpotool", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"hpotool {' '.join(arguments)} left with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def main() -> None:
    """Run every method with every seed, a line of JSON each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--json", type=Path, help="append every study as a line; those that are there are not run again"
    )
    arguments = parser.parse_args()
    kept = arguments.json.read_text().splitlines() if arguments.json and arguments.json.exists() else []
    runs = [json.loads(line) for line in kept]
    known = {(run["method"], run["seed"]) for run in runs}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for seed in range(arguments.seeds):
                for method in METHODS:
                    if (method, seed) in known:
                        continue
                    runs.append(run_study(method, seed, Path(scratch)))
                    if arguments.json:
                        with arguments.json.open("a") as file:
                            file.write(json.dumps(runs[-1]) + "\n")
        finally:
            _hpotool(Path(scratch), "db", "down")
    sys.stdout.write("\n".join(summarise(runs)) + "\n")


if __name__ == "__main__":
    main()
