"""The tables of docs/search.md from the runs of `search_quality`: ``--report FILE`` prints them.

A mean is over problems, its error the standard error over seeds. Samplers are compared seed by seed: the same seed
is the same instance of a problem, so that the difference has a smaller error than either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, median, stdev

from tests.benchmarks.search_quality import Run

OURS, OPTUNAS = "auto", "tpe"
Row = Sequence[str]


def report(runs: Sequence[Run]) -> str:
    """Return every table as Markdown."""
    checkpoints = sorted({checkpoint for run in runs for checkpoint in run.regret})
    parts = {
        "All problems": overall(runs, checkpoints),
        "Against each of the others": against_others(runs, checkpoints),
        "By class of problem": by_group(runs, checkpoints, lambda run: run.kind),
        "By problem": by_group(runs, checkpoints, lambda run: run.problem),
        "Side by side": side_by_side(runs, checkpoints[0]),
        "CPU of a suggestion": suggestion_costs(runs),
        "Trials that failed": failures(runs),
        "What many workers lose": parallel_loss(runs, max(run.workers for run in runs), checkpoints),
    }
    return "\n\n".join(f"{title}\n\n" + "\n".join(lines) for title, lines in parts.items()) + "\n"


def overall(runs: Sequence[Run], checkpoints: Sequence[int]) -> list[str]:
    """Return a table: the regret of each sampler with each number of workers."""
    rows = []
    for workers, sampler in sorted({(run.workers, run.sampler) for run in runs}):
        curves = [_by_seed(runs, sampler, workers, checkpoint) for checkpoint in checkpoints]
        if not any(curves):  # it has not run all problems with any seed
            continue
        cells = [_cell(list(curve.values())) for curve in curves]
        rows.append((f"`{sampler}`", str(workers), str(len(curves[0])), *cells))
    return _table(("sampler", "workers", "seeds", *(f"after {count} trials" for count in checkpoints)), rows)


def against_others(runs: Sequence[Run], checkpoints: Sequence[int]) -> list[str]:
    """Return a table: regret minus that of each other sampler, over the seeds of both."""
    rows = []
    for workers, other in sorted({(run.workers, run.sampler) for run in runs if run.sampler != OURS}):
        differences = [_differences(runs, (OURS, workers), (other, workers), count) for count in checkpoints]
        rows.append(
            (f"`{other}`", str(workers), str(len(differences[0])), *(_cell(one, "+.3f") for one in differences))
        )
    return _table(
        (f"`{OURS}` minus", "workers", "seeds", *(f"after {count} trials" for count in checkpoints)), rows
    )


def by_group(runs: Sequence[Run], checkpoints: Sequence[int], group_of: Callable[[Run], str]) -> list[str]:
    """Return a table: for each group of problems the regret of both, and their difference, paired by seeds."""
    rows = []
    for group, workers in sorted({(group_of(run), run.workers) for run in runs}):
        chosen = [run for run in runs if group_of(run) == group]
        cells = []
        for checkpoint in checkpoints:
            curves = [_by_seed(chosen, sampler, workers, checkpoint) for sampler in (OURS, OPTUNAS)]
            cells += [_number(fmean(curve.values())) if curve else "–" for curve in curves]
            cells.append(_cell(_differences(chosen, (OURS, workers), (OPTUNAS, workers), checkpoint), "+.3f"))
        rows.append((group, str(workers), *cells))
    columns = (f"{name}, {count}" for count in checkpoints for name in (f"`{OURS}`", f"`{OPTUNAS}`", "difference"))
    return _table(("", "workers", *columns), rows)


def side_by_side(runs: Sequence[Run], checkpoint: int) -> list[str]:
    """Return a table: the regret of the default minus that of each other sampler, by class and for all classes.

    Paired by seeds, of which a sampler may have fewer than another; their number stands behind.
    """
    others = [name for name in sorted({run.sampler for run in runs}) if name != OURS]
    rows = []
    for workers in sorted({run.workers for run in runs}):
        these = [run for run in runs if run.workers == workers]
        for kind in [*sorted({run.kind for run in these}), None]:
            chosen = [run for run in these if kind in (run.kind, None)]
            cells = [_paired_cell(chosen, other, workers, checkpoint) for other in others]
            rows.append((kind or "all that it runs", str(workers), *cells))
    return _table((f"`{OURS}` minus", "workers", *(f"`{other}`" for other in others)), rows)


def _paired_cell(runs: Sequence[Run], other: str, workers: int, checkpoint: int) -> str:
    """Return the mean difference over the problems that the other sampler can run, and the number of seeds."""
    known = {run.problem for run in runs if run.sampler == other}
    common = [run for run in runs if run.problem in known]
    found = _differences(common, (OURS, workers), (other, workers), checkpoint)
    return f"{_cell(found, '+.3f')} ({len(found)})" if found else "–"


def suggestion_costs(runs: Sequence[Run]) -> list[str]:
    """Return a table: the median CPU milliseconds of a suggestion, over problems and seeds."""
    costs: dict[tuple[int, str], list[float]] = {}
    for run in runs:
        if run.suggestion_ms is not None:
            costs.setdefault((run.workers, run.sampler), []).append(run.suggestion_ms)
    rows = [
        (f"`{sampler}`", str(workers), f"{median(found):.1f} ms", f"{max(found):.0f} ms")
        for (workers, sampler), found in sorted(costs.items())
    ]
    return _table(("sampler", "workers", "median", "slowest problem"), rows)


def failures(runs: Sequence[Run]) -> list[str]:
    """Return a table: how many trials of a run failed, of problems on which any did."""
    samplers = sorted({run.sampler for run in runs})
    rows = []
    for problem, workers in sorted({(run.problem, run.workers) for run in runs if run.failed}):
        chosen = [run for run in runs if (run.problem, run.workers) == (problem, workers)]
        counts = [[float(run.failed) for run in chosen if run.sampler == sampler] for sampler in samplers]
        trials = max(max(run.regret) for run in chosen)
        rows.append((problem, str(workers), str(trials), *(_cell(count, ".1f") for count in counts)))
    return _table(("", "workers", "trials", *(f"`{sampler}`" for sampler in samplers)), rows)


def parallel_loss(runs: Sequence[Run], workers: int, checkpoints: Sequence[int]) -> list[str]:
    """Return a table: what is lost by so many workers against one, with the same sampler and with Optuna's."""
    rows = []
    for sampler in sorted({run.sampler for run in runs}):
        for alone in dict.fromkeys((sampler, OPTUNAS)):
            lost = [_differences(runs, (sampler, workers), (alone, 1), checkpoint) for checkpoint in checkpoints]
            if any(lost):
                rows.append((f"`{sampler}`", f"`{alone}`", *(_cell(one, "+.3f") for one in lost)))
    header = (f"{workers} workers with", "against one with", *(f"after {count} trials" for count in checkpoints))
    return _table(header, rows)


def _differences(
    runs: Sequence[Run], ours: tuple[str, int], theirs: tuple[str, int], checkpoint: int
) -> list[float]:
    """Return the first (sampler, workers) minus the second, for each seed that both have met."""
    left, right = _by_seed(runs, *ours, checkpoint), _by_seed(runs, *theirs, checkpoint)
    return [left[seed] - right[seed] for seed in sorted(left.keys() & right.keys())]


def _by_seed(runs: Iterable[Run], sampler: str, workers: int, checkpoint: int) -> dict[int, float]:
    """Return the mean over problems for each seed that has met all of them: half a seed would be a biased one."""
    runs = list(runs)
    problems = {run.problem for run in runs}
    regrets: dict[int, dict[str, float]] = {}
    for run in runs:
        if (run.sampler, run.workers) == (sampler, workers) and checkpoint in run.regret:
            regrets.setdefault(run.seed, {})[run.problem] = run.regret[checkpoint]
    return {seed: fmean(met.values()) for seed, met in regrets.items() if met.keys() == problems}


def _cell(values: Sequence[float], format: str = ".3f") -> str:
    if not values:
        return "–"
    mean = _number(fmean(values), format)
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
    return mean if error is None else f"{mean} ± {error:{format.removeprefix('+')}}"


def _number(value: float, format: str = ".3f") -> str:
    return f"{round(value, 3) + 0.0:{format}}"  # + 0.0: what rounds to nothing has no sign


def _table(header: Row, rows: Iterable[Row]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]
