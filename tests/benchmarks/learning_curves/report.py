"""The tables of docs/search.md about pruners. A mean is over problems, its error the standard error over seeds;
differences are paired by seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

from tests.benchmarks.learning_curves.simulate import Run

BASE = "none"


def read_runs(file: Path) -> list[Run]:
    """Return the runs that ``--json`` kept."""
    runs = [Run(**json.loads(line)) for line in file.read_text().splitlines()]
    return [replace(run, regret={int(count): value for count, value in run.regret.items()}) for run in runs]


def report(runs: Sequence[Run]) -> str:
    """Return every table as Markdown: all problems, and the difference to no pruning on each."""
    parts = []
    for sampler in sorted({run.sampler for run in runs}):
        chosen = [run for run in runs if run.sampler == sampler]
        parts += [
            f"`{sampler}`, all problems\n\n" + overall(chosen),
            f"`{sampler}`, by problem\n\n" + by_problem(chosen),
        ]
    return "\n\n".join(parts) + "\n"


def overall(runs: Sequence[Run]) -> str:
    """Return a table: the regret of each pruner, its difference to no pruning, and how many trials it began."""
    checkpoints = sorted(runs[0].regret)
    rows = []
    for workers in sorted({run.workers for run in runs}):
        for pruner in dict.fromkeys(
            run.pruner for run in sorted(runs, key=lambda run: (run.pruner != BASE, run.pruner))
        ):
            mine = [run for run in runs if (run.workers, run.pruner) == (workers, pruner)]
            if not mine:
                continue
            cells = [f"{fmean(run.regret[count] for run in mine):.3f}" for count in checkpoints]
            others = [differences(runs, pruner, workers, count) for count in checkpoints]
            cells += ["–" if pruner == BASE else _cell(found) for found in others]
            trials, verdict = fmean(run.trials for run in mine), fmean(run.verdict_ms for run in mine)
            seeds = len({run.seed for run in mine})
            rows.append([f"`{pruner}`", str(workers), str(seeds), *cells, f"{trials:.0f}", f"{verdict:.2f}"])
    head = ["pruner", "workers", "seeds", *(f"after {count}" for count in checkpoints)]
    return _table([*head, *(f"difference, {count}" for count in checkpoints), "trials", "ms a verdict"], rows)


def by_problem(runs: Sequence[Run]) -> str:
    """Return a table: the difference to no pruning after the last checkpoint, for each problem."""
    last = max(runs[0].regret)
    pruners = [pruner for pruner in dict.fromkeys(run.pruner for run in runs) if pruner != BASE]
    rows = []
    for problem, workers in sorted({(run.problem, run.workers) for run in runs}):
        chosen = [run for run in runs if run.problem == problem]
        base = [run.regret[last] for run in chosen if (run.workers, run.pruner) == (workers, BASE)]
        cells = [_cell(differences(chosen, pruner, workers, last)) for pruner in pruners]
        rows.append([problem, str(workers), f"{fmean(base):.3f}" if base else "–", *cells])
    return _table(["", "workers", f"`{BASE}`", *(f"`{pruner}`" for pruner in pruners)], rows)


def differences(runs: Sequence[Run], pruner: str, workers: int, checkpoint: int) -> list[float]:
    """Return the regret minus that without pruning, averaged over problems, for each seed that both have."""
    mine = _by_seed(runs, lambda run: (run.pruner, run.workers) == (pruner, workers), checkpoint)
    base = _by_seed(runs, lambda run: (run.pruner, run.workers) == (BASE, workers), checkpoint)
    found = []
    for seed in sorted(mine.keys() & base.keys()):
        common = mine[seed].keys() & base[seed].keys()
        found.append(fmean(mine[seed][problem] - base[seed][problem] for problem in common))
    return found


def _by_seed(
    runs: Sequence[Run], is_wanted: Callable[[Run], bool], checkpoint: int
) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for run in runs:
        if is_wanted(run):
            found.setdefault(run.seed, {})[run.problem] = run.regret[checkpoint]
    return found


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    if len(values) == 1:
        return f"{values[0]:+.3f}"
    return f"{fmean(values):+.3f} ± {stdev(values) / len(values) ** 0.5:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines)
