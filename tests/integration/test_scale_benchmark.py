"""The benchmark of scale, small: its figures are of the trials that it says."""

from __future__ import annotations

import pytest

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
