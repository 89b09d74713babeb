"""The benchmark page's section on scale is that of its figures, and its clients count what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.benchmarks.scale_report import scale_section

DOCS = Path(__file__).parents[2] / "docs"
CLAIM: dict[str, Any] = {
    "kind": "hpotool", "connections": 8, "studies": 1, "is_pooled": False, "trials": 240, "postgres_cpu_ms": 2.04,
    "client_cpu_ms": 0.61, "per_s": 53.8, "claim_p50_ms": 36.9, "claim_p99_ms": 208.2, "load_average": 1.5,
}  # fmt: skip


def lines(**parts: list[dict[str, Any]]) -> list[str]:
    scale = {name: {"machine": {"cores": 2}, "rows": rows} for name, rows in parts.items()}
    return scale_section(scale).splitlines()


def test_the_page_has_the_section_of_its_figures() -> None:
    figures = json.loads((DOCS / "benchmarks.json").read_text())
    section = scale_section(figures["scale"])
    assert section in (DOCS / "benchmarks.md").read_text(), "python -m tests.benchmarks --report-only"
    measured = {(row["kind"], row["connections"]) for row in figures["scale"]["claims"]["rows"]}
    assert {("hpotool", connections) for connections in (1, 8, 32, 128, 500)} <= measured
    assert {kind for kind, _ in measured} == {"hpotool", "optuna"}
    assert figures["scale"]["long"]["rows"][0]["trials"] >= 300_000
    assert [row["state"] for row in figures["scale"]["idle"]["rows"]] == ["paused", "waiting"]


def test_a_row_of_claims() -> None:
    found = lines(claims=[CLAIM, CLAIM | {"kind": "optuna"}, CLAIM | {"is_pooled": True}])
    assert "| 8 | **hpotool** | 1 | 2.0 | 0.6 | 54 | 37 | 208 | 1.5 |" in found
    assert "| 8 | Optuna | 1 | 2.0 | 0.6 | 54 | 37 | 208 | 1.5 |" in found
    assert any(line.startswith("| 8 | **hpotool**, pooled |") for line in found)


def test_every_table_has_as_many_cells_in_each_line() -> None:
    long = {"trials": 1000, "load_average": 2.0, "first_trial_s": 0.2, "memory_mb": 90, "worker_cpu_ms": 9.0,
            "postgres_cpu_ms": 2.0}  # fmt: skip
    for name in ("status", "best", "studies", "metrics"):
        long |= {f"{name}_s": 1.0, f"{name}_cpu_s": 0.9, f"{name}_postgres_cpu_s": 0.1, f"{name}_memory_mb": 90.0}
    idle = {"state": "paused", "workers": 4, "worker_cpu_ms": 12.0, "postgres_cpu_ms": 30.0, "load_average": 1.0}
    fleet = {
        "workers": 1000,
        "seconds": 530.0,
        "trial_s": 10.0,
        "trials": 50_000,
        "wall_s": 540.0,
        "errors": {"E": 2},
        "claim_p50_ms": 3.0,
        "claim_p99_ms": 20.0,
        "end_p50_ms": 2.0,
        "end_p99_ms": 15.0,
        "load_average": 0.5,
        "postgres_cpu_ms": 4.0,
        "postgres_cores": 0.4,
        "client_cores": 0.4,
        "pgbouncer_cores": 0.1,
        "connections": 20,
    }
    whole = {"what": "a worker", "wall_ms": 9.0, "worker_cpu_ms": 5.0, "postgres_cpu_ms": 2.0}
    parts = lines(
        claims=[CLAIM], long=[long], idle=[idle], fleet=[fleet], worker=[whole, whole | {"round_trips": 5.0}]
    )
    assert "| trials per second | 93 |" in parts
    assert "| errors | 2 × E |" in parts
    assert "| a worker | 5 | 2.0 | 5.0 | 9.0 |" in parts
    tables = "\n".join(parts).split("\n\n")
    counts = [{line.count("|") for line in table.splitlines()} for table in tables if table.startswith("|")]
    assert [len(each) for each in counts] == [1, 1, 1, 1, 1]
    assert "### A study of 1,000 finished trials" in tables


def test_what_was_not_measured_is_not_in_it() -> None:
    found = lines(claims=[CLAIM])
    assert [line for line in found if line.startswith("#")] == ["## Scale", "### Claims and finishes"]
    assert scale_section({}).startswith("## Scale")
