"""The benchmark's page: tables from the figures, and a plot where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.scale_report import scale_section

Result = dict[str, Any]

_COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "round_trips": ("round trips", "{:.1f}".format),
    "postgres_cpu_ms": ("Postgres CPU, ms", "{:.1f}".format),
    "worker_cpu_ms": ("worker CPU, ms", "{:.1f}".format),
    "wall_ms": ("wall time, ms", "{:.0f}".format),
    "first_trial_s": ("first trial, s", "{:.2f}".format),
    "memory_mb": ("memory, MB", "{:.0f}".format),
}

_GOALS = {
    "round_trips": {1_000: 10, 10_000: 10, 100_000: 10},
    "postgres_cpu_ms": {1_000: 6, 10_000: 6, 100_000: 6},
    "worker_cpu_ms": {1_000: 25, 10_000: 40, 100_000: 50},
    "wall_ms": {1_000: 35, 10_000: 50},
    "first_trial_s": {10_000: 0.8},
    "memory_mb": {1_000: 130, 10_000: 180, 100_000: 450},
}

_HEAD = """# Benchmarks: the cost of coordination

The overhead of a trial, for plain Optuna and hpotool in the same run (`make bench`): the same objective (10
float parameters, 20 reports, each followed by `should_prune`), TPE, heartbeats on, one Postgres. Round trips
are counted on the wire, and CPU time is that of the processes themselves. Figures are per trial and exclude the
worker's first trial. This page is generated from [benchmarks.json](benchmarks.json).

{machine}
"""


def write_report(figures: dict[str, Any], page: Path) -> None:
    """Write the page, and beside it the plot."""
    results: list[Result] = figures["results"]
    single = [result for result in results if result["workers"] == 1 and not result["round_trip_ms"]]
    parts = [
        _HEAD.format(machine=", ".join(f"{name} {value}" for name, value in figures["machine"].items())),
        "## One worker, median pruner\n",
        _table(_grown(single, "median"), "finished", list(_COLUMNS)),
        _missed(_grown(single, "median")),
        _remains(_grown(single, "median")),
        "## One worker, no pruner\n",
        _table(_grown(single, "none"), "finished", list(_COLUMNS)),
        "## Several workers at once, 1,000 finished trials\n",
        _table(_varied(results, "workers"), "workers", ["trials_per_s", "round_trips", "postgres_cpu_ms"]),
        "## A distant database, 1,000 finished trials\n",
        _table(_varied(results, "round_trip_ms"), "round_trip_ms", ["round_trips", "wall_ms"]),
    ]
    if "bounded_history" in figures:
        parts.append(_BOUNDED.format(**figures["bounded_history"]))
    if "scale" in figures:
        parts.append(scale_section(figures["scale"]))
    if _plot(_grown(single, "median"), page.with_suffix(".svg")):
        parts.append(f"![the cost of a trial as the study grows]({page.with_suffix('.svg').name})\n")
    page.write_text("\n".join(parts))


def _grown(results: Sequence[Result], pruner: str) -> list[Result]:
    """Of cases that were measured more than once, the first: it belongs to the growing study."""
    found: dict[tuple[str, int], Result] = {}
    for result in results:
        if result["pruner"] == pruner:
            found.setdefault((result["kind"], result["finished"]), result)
    return sorted(found.values(), key=lambda result: (result["finished"], result["kind"] == "hpotool"))


def _varied(results: Sequence[Result], what: str) -> list[Result]:
    chosen = [result for result in results if result["finished"] == 1_000 and result["pruner"] == "median"]
    last = {(result[what], result["kind"]): result for result in chosen if what == "workers" or result[what]}
    if what == "workers":
        last = {key: result for key, result in last.items() if not result["round_trip_ms"]} | {
            (1, result["kind"]): result
            for result in chosen
            if result["workers"] == 1 and not result["round_trip_ms"]
        }
    return [last[key] for key in sorted(last, key=lambda key: (key[0], key[1] == "hpotool"))]


def _table(results: Sequence[Result], what: str, columns: Sequence[str]) -> str:
    titles = {"finished": "finished trials", "workers": "workers", "round_trip_ms": "network round trip, ms"}
    heads = [_COLUMNS[column][0] if column in _COLUMNS else "trials per second" for column in columns]
    lines = [
        f"| {titles[what]} | | {' | '.join(heads)} |",
        f"|--:|---|{'--:|' * len(columns)}",
    ]
    for result in results:
        shown = [_COLUMNS[c][1](result[c]) if c in _COLUMNS else f"{result[c]:.1f}" for c in columns]
        name = "**hpotool**" if result["kind"] == "hpotool" else "Optuna"
        lines.append(f"| {result[what]:,g} | {name} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def _missed(results: Sequence[Result]) -> str:
    """Which goals were met and which were not, with the figures."""
    missed, met = [], 0
    for result in results:
        for column, goals in _GOALS.items():
            goal = goals.get(result["finished"])
            if result["kind"] != "hpotool" or goal is None:
                continue
            if result[column] <= goal:
                met += 1
            else:
                title, text = _COLUMNS[column]
                missed.append(f"{title} at {result['finished']:,}: {text(result[column])}, goal {goal}")
    sentence = f"{met} of {met + len(missed)} goals are met"
    return (f"{sentence}. Missed: {'; '.join(missed)}." if missed else f"{sentence}.") + "\n"


_REMAINS = """Only the cost of TPE grows. In an empty study, a trial takes {empty:.1f} ms of the worker's CPU time
(Optuna's own trial object, the storage and the pruner); with {size:,} finished trials, {full:.1f} ms. The
difference is the time for Optuna's Parzen densities, which hpotool uses unchanged over at most 3,000 trials; a
shorter history would make them cheaper. Before its first trial, a worker mostly waits for Postgres, which reads
and packs the whole history once. The figures for Postgres include its background processes.

Other programs on the machine (see its load average above) increase the wall times and first-trial times of
both, and CPU times less, so compare the two with each other.
"""

_BOUNDED = """## Does a bounded history find less?

Beyond {bound:,} finished trials, TPE uses only the newest and the best of them. After {history:,} trials, the
regret of the best of the next {next} (0 is the optimum, 1 a median random point) was {mean_bounded:.3f} with
the bounded history and {mean_whole:.3f} with the whole one, as means over {pairs_compared} pairs of problem and
seed. The difference is {mean_difference:+.3f} ± {standard_error:.3f} (standard error), and the bounded history
found better points in {bounded_is_better} of {pairs_compared} pairs. `python -m
tests.benchmarks.bounded_history` repeats the measurement.
"""


def _remains(results: Sequence[Result]) -> str:
    ours = {result["finished"]: result["worker_cpu_ms"] for result in results if result["kind"] == "hpotool"}
    return _REMAINS.format(empty=ours[min(ours)], size=max(ours), full=ours[max(ours)])


def _plot(results: Sequence[Result], file: Path) -> bool:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots(1, 3)
    for axis, column in zip(axes, ("worker_cpu_ms", "postgres_cpu_ms", "memory_mb"), strict=True):
        for kind, colour in (("optuna", "#b0552f"), ("hpotool", "#2f6db0")):
            chosen = [result for result in results if result["kind"] == kind]
            sizes = [max(result["finished"], 100) for result in chosen]
            axis.plot(sizes, [result[column] for result in chosen], "o-", color=colour, label=kind)
        axis.set(xscale="log", yscale="log", title=_COLUMNS[column][0], xlabel="finished trials (0 at the left)")
    axes[0].legend()
    figure.savefig(file)
    return True
