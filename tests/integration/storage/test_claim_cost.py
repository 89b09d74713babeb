"""What a claim, a beat and a reaper's look cost does not grow with the study: none of them scans the trials."""

from __future__ import annotations

import json

import pytest

from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Attempt, new_attempt_id

_MANY = """
INSERT INTO trials (study_id, number, state)
SELECT %(study_id)s, n, (CASE WHEN n %% 10 = 0 THEN 'FAIL' ELSE 'COMPLETE' END)::trialstate
FROM generate_series(0, 29999) n;
UPDATE hpotool.study_settings SET settled_below = 29990, failed_below = 2999, first_claim_at = now();
ANALYZE trials
"""


@pytest.fixture
def long_study(make_study):
    study = make_study(budget=100_000)
    for statement in _MANY.split(";"):
        study.connection.run(statement, {"study_id": study.study_id})
    return study


def _scans_of_all_trials(node: object) -> list[str]:
    """The parts of a plan that read a table of trials from end to end, or more than a handful of its rows."""
    if isinstance(node, list):
        return [scan for part in node for scan in _scans_of_all_trials(part)]
    if not isinstance(node, dict):
        return []
    found = []
    if node.get("Relation Name") == "trials":
        rows = node.get("Actual Rows", 0) * node.get("Actual Loops", 1) + node.get("Rows Removed by Filter", 0)
        if node.get("Node Type") == "Seq Scan" or rows > 100:
            found.append(f"{node['Node Type']} with {rows} rows")
    return found + [scan for part in node.values() for scan in _scans_of_all_trials(part)]


@pytest.mark.parametrize("name", ["claim", "beat", "find_running", "finish", "fail_and_queue", "count_budget"])
def test_no_statement_reads_more_trials_than_are_open(long_study, name: str) -> None:
    worker = long_study.worker()
    running = long_study.claim(worker)
    assert isinstance(running, Attempt)
    parameters = {
        "study_id": long_study.study_id,
        "trial_id": running.trial_id,
        "attempt_id": new_attempt_id() if name == "claim" else running.attempt_id,
        "worker_id": worker.worker_id,
        "host": worker.host,
        "pid": worker.pid,
        "slot": worker.slot,
        "actor": worker.worker_id,
        "state": "COMPLETE",
        "outcome": "lost",
        "reason": "",
        "output_tail": None,
        "gpu": None,
        "event": "finish",
        "follow_up": "retry",
        "seen_beat": None,
        "objectives": [0],
        "values": [1.0],
        "value_types": ["FINITE"],
        "progress_age": None,
        "grace_s": 30,
        "study_name": "",
        "create_below": None,
        "final_trial_id": None,
        "has_checkpoint": False,
        "waits": None,
        "code_hash": "0123456789abcdef",
        "data_hash": None,
    }
    statement = query(name).rpartition(";")[2]

    [(plan,)] = long_study.connection.run(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)

    plan = json.loads(plan) if isinstance(plan, str) else plan
    assert _scans_of_all_trials(plan) == []


def test_the_check_finds_a_scan(long_study) -> None:
    [(plan,)] = long_study.connection.run(
        "EXPLAIN (ANALYZE, FORMAT JSON) SELECT count(*) FROM trials WHERE state = 'COMPLETE'"
    )

    assert _scans_of_all_trials(plan)
