"""The benchmark page's section on scale, from the figures of `make bench-scale`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

_HEAD = """## Scale

`make bench-scale` measures one Postgres with many connections, a long study, workers that wait, a fleet of
simulated workers, and whole trials. Each table names the load average of the machine while it was measured.
With more than one program for each core, times and rates say little, while processor time per operation and
ratios still do. Repeat the measurement on a quiet machine before you plan with it.
"""
_CLAIMS = """### Claims and finishes

Connections claim and finish trials as fast as they can, without any training in between. For hpotool, these
are the two round trips that no trial can do without; for Optuna, they are `ask` and `tell` without a sampler's
work. *Pooled* means through PgBouncer in transaction mode, with 20 connections to Postgres. Postgres, the
clients and all other programs share {cores} cores. Claims of one study queue for its row, as Optuna's own do;
those of different studies do not wait for each other. Trials that train for a while hardly ever queue.
"""
_LONG = """### A study of {trials:,} finished trials

Each of them has ten parameters and twenty reports. A worker's first trial includes reading the history. The
commands include the start of Python. Load average: {load_average}.
"""
_IDLE = """### Workers that wait

The processor time of one `hpotool worker`, and of Postgres for it, in a minute, with the default heartbeats. A
worker waits because its study is paused, or because another worker runs the last trial of the budget.
"""
_FLEET = """### A fleet of {workers:,} workers

Simulated workers in two processes, each with the storage and the connection of a real one, on one study: for
{seconds:.0f} seconds they claimed trials of {trial_s:.0f} seconds with ten parameters, reported once a second,
sent their heartbeats and told their results. A thousand backends would not fit this machine, so they shared one
PgBouncer in transaction mode. *Cores* are processor time divided by time. Load average before: {load_average}.
"""
_WORKER = """### A whole trial

What a trial of ten parameters and twenty reports costs from its claim to its end, in an objective that returns at
once, with TPE and the median pruner in an empty study. `hpotool worker` runs it in a process of its own, or, with
`isolation: none`, in the worker. The processor time of a worker includes its fork server and children.
"""


def scale_section(scale: Mapping[str, Any]) -> str:
    """The section; a part that was not measured is not in it."""
    parts = [_HEAD]
    if rows := _rows(scale, "claims"):
        parts += [_CLAIMS.format(cores=scale["claims"]["machine"]["cores"]), _claims(rows)]
    if rows := _rows(scale, "long"):
        parts += [_LONG.format(**rows[0]), _long(rows[0])]
    if rows := _rows(scale, "idle"):
        parts += [_IDLE, _idle(rows)]
    if rows := _rows(scale, "fleet"):
        parts += [_FLEET.format(**rows[0]), _fleet(rows[0])]
    if rows := _rows(scale, "worker"):
        parts += [_WORKER, _worker(rows)]
    return "\n".join(parts)


def _rows(scale: Mapping[str, Any], part: str) -> Sequence[Row]:
    return scale.get(part, {}).get("rows", [])


def _table(heads: Sequence[str], lines: Iterator[Sequence[str]]) -> str:
    written = [f"| {' | '.join(heads)} |", f"|{'|'.join('---' if not head else '--:' for head in heads)}|"]
    return "\n".join([*written, *(f"| {' | '.join(cells)} |" for cells in lines)]) + "\n"


def _claims(rows: Sequence[Row]) -> str:
    heads = (
        "connections", "", "studies", "Postgres CPU, ms", "client CPU, ms", "trials per second", "claim p50, ms",
        "claim p99, ms", "load average",
    )  # fmt: skip
    return _table(heads, (_claim_cells(row) for row in rows))


def _claim_cells(row: Row) -> Sequence[str]:
    name = "Optuna" if row["kind"] == "optuna" else "**hpotool**"
    return (
        str(row["connections"]),
        f"{name}, pooled" if row["is_pooled"] else name,
        str(row["studies"]),
        f"{row['postgres_cpu_ms']:.1f}",
        f"{row['client_cpu_ms']:.1f}",
        f"{row['per_s']:.0f}",
        f"{row['claim_p50_ms']:.0f}",
        f"{row['claim_p99_ms']:.0f}",
        str(row["load_average"]),
    )


def _long(row: Row) -> str:
    worker = (
        "a worker's first trial",
        f"{row['first_trial_s']:.1f}",
        *(
            f"{row[name]:.1f}" if name in row else ""
            for name in ("first_trial_cpu_s", "first_trial_postgres_cpu_s")
        ),
        f"{row['memory_mb']:.0f}",
    )
    trial = (
        "each further trial",
        "",
        f"{row['worker_cpu_ms'] / 1000:.3f}",
        f"{row['postgres_cpu_ms'] / 1000:.3f}",
        "",
    )
    commands = [_command_cells(row, name) for name in ("status", "best", "studies", "metrics")]
    return _table(("", "time, s", "CPU, s", "Postgres CPU, s", "memory, MB"), iter([worker, trial, *commands]))


def _command_cells(row: Row, name: str) -> Sequence[str]:
    return (
        f"`hpotool {name}`",
        f"{row[f'{name}_s']:.1f}",
        f"{row[f'{name}_cpu_s']:.1f}",
        f"{row[f'{name}_postgres_cpu_s']:.1f}",
        f"{row[f'{name}_memory_mb']:.0f}",
    )


def _idle(rows: Sequence[Row]) -> str:
    heads = ("", "workers", "worker CPU, ms", "Postgres CPU, ms", "load average")
    cells = (
        (row["state"], str(row["workers"]), f"{row['worker_cpu_ms']:.0f}", f"{row['postgres_cpu_ms']:.0f}",
         str(row["load_average"]))
        for row in rows
    )  # fmt: skip
    return _table(heads, cells)


def _fleet(row: Row) -> str:
    errors = ", ".join(f"{count} × {name}" for name, count in row["errors"].items())
    cells = [
        ("trials finished", f"{row['trials']:,}"),
        ("trials per second", f"{row['trials'] / row['wall_s']:.0f}"),
        ("claim, p50 and p99, ms", f"{row['claim_p50_ms']:.1f} and {row['claim_p99_ms']:.0f}"),
        ("end of a trial, p50 and p99, ms", f"{row['end_p50_ms']:.1f} and {row['end_p99_ms']:.0f}"),
        ("Postgres CPU for a trial, ms", f"{row['postgres_cpu_ms']:.1f}"),
        ("Postgres, cores", f"{row['postgres_cores']:.2f}"),
        ("the workers, cores", f"{row['client_cores']:.2f}"),
        ("PgBouncer, cores", f"{row['pgbouncer_cores']:.2f}"),
        ("connections to Postgres", str(row["connections"])),
        ("errors", errors or "none"),
    ]
    return _table(("", "measured"), iter(cells))


def _worker(rows: Sequence[Row]) -> str:
    heads = ("", "round trips", "Postgres CPU, ms", "worker CPU, ms", "wall time, ms")
    cells = (
        (row["what"], f"{row['round_trips']:.0f}" if "round_trips" in row else "", f"{row['postgres_cpu_ms']:.1f}",
         f"{row['worker_cpu_ms']:.1f}", f"{row['wall_ms']:.1f}")
        for row in rows
    )  # fmt: skip
    return _table(heads, cells)
