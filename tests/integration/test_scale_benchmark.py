"""The benchmark of scale, small: its figures are of the trials that it says."""

from __future__ import annotations

import pytest

from tests.benchmarks.fleet import measure_fleet, measure_worker
from tests.benchmarks.scale import measure_claims
from tests.postgres import TestServer


@pytest.mark.parametrize(("kind", "connections", "studies"), [("hpotool", 3, 2), ("optuna", 1, 1)])
def test_claims_are_of_every_connection_and_none_fails(
    own_postgres: TestServer, kind: str, connections: int, studies: int
) -> None:
    row = measure_claims(own_postgres, kind, connections, studies, total=6)
    assert (row["kind"], row["connections"], row["studies"]) == (kind, connections, studies)
    assert row["trials"] == 6
    assert row["per_s"] > 0
    assert 0 < row["claim_p50_ms"] <= row["claim_p99_ms"]


def test_a_fleet_finishes_trials_through_a_few_connections(own_postgres: TestServer) -> None:
    row = measure_fleet(own_postgres, workers=30, seconds=3.0, trial_s=1.0)
    assert row["errors"] == {}
    assert row["trials"] >= 30
    assert 0 < row["connections"] <= 20
    assert 0 < row["claim_p50_ms"] <= row["claim_p99_ms"]


def test_whole_trials_are_measured_beside_plain_optuna_and_the_floor(own_postgres: TestServer) -> None:
    rows = {row["what"]: row for row in measure_worker(own_postgres, trials=10)}
    assert len(rows) == 5
    assert all(row["wall_ms"] > 0 for row in rows.values())
    floor = rows["the same rows, written directly"]
    assert floor["worker_cpu_ms"] < rows["Optuna's study.optimize"]["worker_cpu_ms"]
