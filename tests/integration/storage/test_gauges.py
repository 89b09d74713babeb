"""What ``/metrics`` and a drill read, from a real database: right, for all studies at once, and over refusals."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from optuna.trial import TrialState

from hpotool.settings import Pulse
from hpotool.storage.control import orders
from hpotool.storage.control.keeping import set_archived
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Attempt, Ending, fail_and_queue, finish_attempt
from hpotool.storage.monitoring.evidence import AttemptEvidence, Start, TrialEvidence, read_evidence
from hpotool.storage.monitoring.gauges import StudyGauges, read_gauges
from hpotool.study.outcome import Outcome

PULSE = Pulse(timedelta(seconds=10), timedelta(seconds=30))


def study_of(connection: Connection, name: str) -> StudyGauges:
    [found] = [study for study in read_gauges(connection, PULSE).studies if study.name == name]
    return found


def finish(study, attempt: Attempt, value: float = 1.0) -> None:
    finish_attempt(study.connection.run, attempt, "test", TrialState.COMPLETE, (value,), Ending(Outcome.COMPLETE))


def test_trials_attempts_and_budget_are_counted(make_study) -> None:
    study = make_study(budget=5, study_name="a")
    make_study(study_name="b")
    worker = study.worker(slot="gpu 0,1 (NVIDIA H100)")
    finish(study, study.claim(worker))
    lost = study.claim(worker)
    fail_and_queue(
        study.connection.run, study.study_id, lost.trial_id, "test", Ending(Outcome.LOST, follow_up="retry")
    )
    study.claim(worker)

    gauges = read_gauges(study.connection, PULSE)

    found = {each.name: each for each in gauges.studies}
    assert list(found) == ["a", "b"]
    assert found["a"].trials == {"COMPLETE": 1, "FAIL": 1, "RUNNING": 1}
    assert (found["a"].state, found["a"].budget_trials, found["a"].finished) == ("running", 5, 1)
    assert {(each.outcome, each.slot, each.count) for each in found["a"].ended} == {
        ("complete", worker.slot, 1), ("lost", worker.slot, 1),
    }  # fmt: skip
    assert (found["b"].trials, found["b"].ended, found["b"].begun_s) == ({}, [], None)
    assert 0 < gauges.round_trip_s <= gauges.read_s
    assert gauges.connections is not None
    assert 0 < gauges.connections[0] <= gauges.connections[1]
    assert gauges.refused == ()


def test_workers_are_alive_silent_or_gone_by_their_last_sign_of_life(make_study) -> None:
    study = make_study(study_name="a")
    for silence in (0, 0, 21, 61):
        worker = study.worker()
        study.connection.run(
            "UPDATE hpotool.workers SET last_beat = last_beat - make_interval(secs => %s) WHERE worker_id = %s",
            (silence, worker.worker_id),
        )
    orders.end_worker(study.connection.run, study.worker().worker_id, "done")
    assert study_of(study.connection, "a").workers == (2, 1, 1)


def test_waits_are_those_between_two_trials_of_a_worker_in_the_last_minutes(make_study) -> None:
    study = make_study(study_name="a")
    worker, other = study.worker(), study.worker()
    finish(study, study.claim(worker))
    assert study_of(study.connection, "a").claims is None, "one trial has no time before it"
    for _ in range(2):
        finish(study, study.claim(worker))
    finish(study, study.claim(other))
    # Ten seconds before the last of them.
    study.connection.run(
        "UPDATE hpotool.attempts SET started_at = started_at - interval '10 s', "
        "ended_at = ended_at - interval '10 s' WHERE worker_id = %s AND number < 2",
        (worker.worker_id,),
    )
    claims = study_of(study.connection, "a").claims
    assert claims is not None
    assert claims.count == 2
    assert claims.sum_s == pytest.approx(10, abs=1)
    assert claims.quantiles[2] == pytest.approx(10, abs=1)
    study.connection.run("UPDATE hpotool.attempts SET started_at = started_at - interval '1 h'", {})
    assert study_of(study.connection, "a").claims is None


def test_archived_studies_are_left_out(make_study) -> None:
    study = make_study(study_name="a")
    make_study(study_name="b")
    set_archived(study.connection, study.study_id, archived=True)
    assert [each.name for each in read_gauges(study.connection, PULSE).studies] == ["b"]


def test_trials_beside_the_search_are_no_part_of_the_budget(make_study) -> None:
    study = make_study(budget=5, study_name="a")
    worker = study.worker()
    finish(study, study.claim(worker))
    beside = study.claim(worker)
    finish(study, beside)
    study.connection.run(
        "INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (%s, 'hpotool:phase', '{}')",
        (beside.trial_id,),
    )
    found = study_of(study.connection, "a")
    assert (found.trials["COMPLETE"], found.reevaluations["COMPLETE"], found.finished) == (2, 1, 1)


class Counting(Connection):
    """A connection that counts what it is asked."""

    asked = 0

    def run(self, sql, params=()):
        self.asked += 1
        return super().run(sql, params)


def test_more_studies_cost_no_more_questions(make_study) -> None:
    counts = []
    for number in range(3):
        study = make_study(study_name=f"s{number}")
        finish(study, study.claim(study.worker()))
        connection = Counting(study.url)
        assert len(read_gauges(connection, PULSE).studies) == number + 1
        counts.append(connection.asked)
        connection.close()
    assert counts[0] == counts[1] == counts[2] <= 10


def test_what_a_role_may_not_read_is_left_out_and_named(make_study) -> None:
    study = make_study(study_name="a")
    finish(study, study.claim(study.worker()))
    role, database = f"r_{uuid.uuid4().hex}", study.url.url.database
    study.connection.run(
        f"CREATE ROLE {role} LOGIN PASSWORD 'r'; GRANT USAGE ON SCHEMA hpotool TO {role}; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public, hpotool TO {role}; "
        f"REVOKE SELECT ON hpotool.attempts FROM {role}"
    )
    reader = Connection(DatabaseUrl(study.url.url.set(username=role, password="r", database=database)))
    try:
        gauges = read_gauges(reader, PULSE)
    finally:
        reader.close()
        study.connection.run(f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert gauges.refused == ("attempts", "claims")
    assert [(each.name, each.trials, each.ended) for each in gauges.studies] == [("a", {"COMPLETE": 1}, [])]


def test_a_database_without_studies_is_read_too(database_url: str) -> None:
    connection = Connection(DatabaseUrl.parse(database_url))
    gauges = read_gauges(connection, PULSE)
    connection.close()
    assert (gauges.studies, gauges.refused) == ([], ())


def test_evidence_is_of_one_study_and_has_what_the_objective_noted(make_study) -> None:
    study, other = make_study(study_name="a"), make_study(study_name="b")
    finish(other, other.claim(other.worker()))
    worker = study.worker()
    lost = study.claim(worker)
    trial_id = lost.trial_id
    study.connection.run(
        "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
        "VALUES (%(t)s, 0, 1, 'FINITE'), (%(t)s, 3, 1, 'FINITE'); "
        "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
        "VALUES (%(t)s, 'x', 0.5, '{}'); "
        "INSERT INTO trial_user_attributes (trial_id, key, value_json) "
        """VALUES (%(t)s, 'start', '{"began_at": 2, "found_x": 0.5}')""",
        {"t": trial_id},
    )
    fail_and_queue(study.connection.run, study.study_id, trial_id, "test", Ending(Outcome.LOST, follow_up="retry"))
    finish(study, study.claim(worker), 0.25)

    evidence = read_evidence(study.connection.run, study.study_id, "start")

    first, second = evidence.trials
    assert first == TrialEvidence(0, 0, "FAIL", has_retry=True, reported=3, x=0.5, start=Start(2, 0.5))
    assert (second.number, second.root, second.state, second.value, second.values) == (1, 0, "COMPLETE", 0.25, 1)
    assert second.start == Start(2, 0.5), "user attributes go along"
    assert evidence.attempts == [AttemptEvidence(0, 0, "lost"), AttemptEvidence(1, 0, "complete")]
    assert evidence.taken_over == 0
    assert read_evidence(study.connection.run, study.study_id).trials[0].start is None
