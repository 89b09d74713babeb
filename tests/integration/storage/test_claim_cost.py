"""What a claim, a beat and a reaper's look cost does not grow with the study: none of them scans the trials."""

from __future__ import annotations

import json

import pytest

from hpotool.storage.database.connection import Connection
from hpotool.storage.database.functions import hot_statements
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


def _life_of_a_trial(study, connection: Connection, worker) -> dict[str, int]:
    """Run a trial with the statements of a worker; how many rows of trials each of them looked at."""
    attempt_id = new_attempt_id()
    asked = {"study_id": study.study_id, "attempt_id": attempt_id, "worker_id": worker.worker_id, "host": "h"}
    asked |= {
        "pid": 1,
        "slot": "cpu",
        "create_below": None,
        "final_trial_id": None,
        "code_hash": None,
        "data_hash": None,
    }
    looked = {"claim": _rows_of_trials(connection, "claim", asked)}
    [(trial_id,)] = study.connection.run(
        "SELECT trial_id FROM hpotool.attempts WHERE attempt_id = %s", (attempt_id,)
    )
    for kind, keys, values, extras in (
        ("params", ["x"], [0.5], ['{"name": "FloatDistribution"}']),
        ("steps", [1], [0.5], ["FINITE"]),
        ("user_attrs", ["note"], ['"text"'], [None]),
        ("system_attrs", ["other"], ['"text"'], [None]),
    ):
        written = {"trial_ids": [trial_id], "keys": keys, "values": values, "extras": extras}
        looked[f"write_{kind}"] = _rows_of_trials(connection, f"write_{kind}", written)
    beat = {"worker_id": worker.worker_id, "attempt_id": attempt_id, "waits": None, "has_checkpoint": False}
    looked["beat"] = _rows_of_trials(connection, "beat", beat)
    ending = {"trial_id": trial_id, "attempt_id": attempt_id, "actor": "w", "state": "COMPLETE", "reason": ""}
    ending |= {"outcome": "complete", "output_tail": None, "gpu": None, "event": "finish"}
    ending |= {"objectives": [0], "values": [1.0], "value_types": ["FINITE"]}
    looked["finish"] = _rows_of_trials(connection, "finish", ending)
    looked["create_trial"] = _rows_of_trials(connection, "create_trial", {"study_id": study.study_id})
    [(created,)] = study.connection.run("SELECT max(trial_id) FROM trials WHERE state = 'RUNNING'")
    told = {"trial_id": created, "state": "COMPLETE", "finished": True, "values": [0.5], "value_types": ["FINITE"]}
    looked["set_state_and_values"] = _rows_of_trials(connection, "set_state_and_values", told)
    return looked


def _rows_of_trials(connection: Connection, name: str, asked: dict[str, object]) -> int:
    counted = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'trials'"
    [(before,)] = connection.run(counted)
    [(after,)] = connection.run_all([(query(name), asked), (counted, ())])
    return after - before if after >= before else after  # the counts start again when the server has them


def test_plans_that_were_made_for_an_empty_study_read_no_more_when_it_has_grown(make_study) -> None:
    study = make_study(budget=100_000)
    connection, worker = Connection(study.url), study.worker()
    for _ in range(7):  # Postgres decides for good after five
        _life_of_a_trial(study, connection, worker)
    assert not connection.lacks_functions()
    study.connection.run("UPDATE trials SET number = number + 100000")
    for statement in _MANY.split(";")[:2]:  # without the statistics, which would have plans made anew
        study.connection.run(statement, {"study_id": study.study_id})

    looked = _life_of_a_trial(study, connection, worker)

    tried = {"claim_in_pool" if hot.statement == "claim" else hot.statement for hot in hot_statements()}
    assert tried == {*looked, "claim_in_pool"} - {"claim"}
    assert {name: rows for name, rows in looked.items() if rows > 60} == {}


def test_the_check_finds_a_scan(long_study) -> None:
    [(plan,)] = long_study.connection.run(
        "EXPLAIN (ANALYZE, FORMAT JSON) SELECT count(*) FROM trials WHERE state = 'COMPLETE'"
    )

    assert _scans_of_all_trials(plan)
