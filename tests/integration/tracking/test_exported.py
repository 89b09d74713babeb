"""What exporters read of a study, from a real database: all that is stored of a trial, and no more than asked."""

import math
from collections.abc import Iterator
from datetime import timezone

import optuna
import optuna_dashboard
import pytest
from optuna.trial import TrialState

from hpotool.storage.control.confirmations import order_confirmation
from hpotool.storage.control.creation import create_or_resume, read_spec
from hpotool.storage.control.keeping import change_trial_tags, rename_study, write_note
from hpotool.storage.control.orders import adopt_study, register_worker, set_state
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.origins import note_origin, record_origin
from hpotool.storage.fleet.reuse import REUSED
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.open import open_storage
from hpotool.storage.tracking.exported import REPORTS_ATTRIBUTE, ExportedStudy, ExportedTrial, ExportReader
from hpotool.storage.tracking.jobs import Arrived
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.file.reader import read_study_file
from hpotool.study.labels import read_tags
from hpotool.study.origins.content import Part

STUDY = """
study: s
objective: {python: m:f}
metrics: {loss: minimize, size: maximize}
constraints: {latency: "<= 5"}
pruner: {name: median, metric: size}
budget: {trials: 3, cost: 100, prices: {H100: 2, cpu: 0.5}}
description: two metrics
tags: {owner: ann}
"""
# As a worker leaves an attempt behind.
ATTEMPT = """
INSERT INTO hpotool.attempts (attempt_id, study_id, trial_id, number, root_number, worker_id, host, pid, slot,
    started_at, ended_at, ended_by, outcome, reason, gpu)
VALUES (gen_random_uuid(), %(study_id)s, %(trial_id)s, %(number)s, 0, 'w1', 'gpu7', 1, %(slot)s,
    clock_timestamp() - interval '1 hour', clock_timestamp(), 'w1', %(outcome)s, 'why', '{"peak_memory_bytes": 7}')
"""


class AtHand:
    def __init__(self, url: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.connection = Connection(DatabaseUrl.parse(url))
        self.run = self.connection.run
        create_or_resume(self.connection, read_study_file(STUDY), "ann")
        self.study_id, _ = read_spec(self.connection, "s")
        self.storage = open_storage(url)
        self.study = optuna.load_study(study_name="s", storage=self.storage)
        self.reader = ExportReader(self.run, self.study_id)

    def read(self) -> ExportedStudy:
        study = self.reader.read_study()
        assert study is not None
        return study

    def finished(self, arrived: Arrived = Arrived(), limit: int = 50) -> list[ExportedTrial]:  # noqa: B008  (frozen)
        return self.reader.read_finished(self.read(), arrived, limit)

    def attempt(self, trial: optuna.Trial, slot: str, outcome: str) -> None:
        parameters = {"study_id": self.study_id, "trial_id": trial._trial_id, "number": trial.number}
        self.run(ATTEMPT, {**parameters, "slot": slot, "outcome": outcome})


@pytest.fixture
def at_hand(study_database_url: str) -> Iterator[AtHand]:
    at_hand = AtHand(study_database_url)
    yield at_hand
    at_hand.connection.close()


def test_a_study_is_read_with_where_it_stands(at_hand: AtHand) -> None:
    trial = at_hand.study.ask()
    study = at_hand.read()
    assert (study.name, study.state, study.budget_trials) == ("s", "running", 3)
    assert study.metrics == {"loss": "minimize", "size": "maximize"}
    assert (study.finished, study.running, study.waiting, study.failed) == (0, 1, 0, 0)
    assert study.spec is not None
    assert study.spec.tags == {"owner": "ann"}
    assert study.created.tzinfo is timezone.utc
    assert not study.is_over
    at_hand.study.tell(trial, state=TrialState.FAIL)
    assert at_hand.read().failed == 1


def test_a_study_is_done_when_its_budget_is_though_nobody_has_said_so(at_hand: AtHand) -> None:
    trials = [at_hand.study.ask() for _ in range(4)]
    for trial in trials[:3]:
        at_hand.study.tell(trial, [1.0, 2.0])
    assert at_hand.read().state == "running"  # one more runs
    at_hand.study.tell(trials[3], state=TrialState.FAIL)
    study = at_hand.read()
    assert (study.state, study.reason, study.is_over) == ("done", "3 of 3 trials are finished", True)
    set_state(at_hand.run, at_hand.study_id, "stopped", "enough", "ann")
    assert (at_hand.read().state, at_hand.read().reason) == ("stopped", "enough")


def test_a_study_is_not_over_while_replicates_run_or_wait(at_hand: AtHand) -> None:
    """Else an export beside the workers would end and begin again all the while."""
    for _ in range(3):
        at_hand.study.tell(at_hand.study.ask(), [1.0, 2.0])
    assert at_hand.read().is_over
    order_confirmation(at_hand.run, at_hand.study_id, "ann", Order((Point("trial 0", {}, 0),), 1).including)
    assert (at_hand.read().state, at_hand.read().is_over) == ("done", False)
    [(trial_id,)] = at_hand.run(
        "UPDATE trials SET state = 'RUNNING' WHERE state = 'WAITING' RETURNING trial_id", {}
    )
    assert not at_hand.read().is_over
    set_state(at_hand.run, at_hand.study_id, "stopped", "enough", "ann")
    assert not at_hand.read().is_over, "it still runs"
    at_hand.run("UPDATE trials SET state = 'WAITING' WHERE trial_id = %(trial_id)s", {"trial_id": trial_id})
    assert at_hand.read().is_over, "a stopped study begins nothing"


def test_what_a_trial_comes_from_is_read_once_for_all(at_hand: AtHand) -> None:
    parts = [
        Part("code", {"files": {"a.py": "1"}, "tree": "t", "commit": "c1"}),
        Part("data", {"x": {"hash": "d" * 40}}),
    ]
    environment = Part("environment", {"python": "3.11", "image": "a:1"})
    record_origin(at_hand.run, at_hand.study_id, [*parts, environment])
    identity = WorkerIdentity("w1", "gpu7", 1, "boot", "1", "cpu")
    register_worker(at_hand.run, at_hand.study_id, identity)
    note_origin(at_hand.run, "w1", environment.hash, None)
    for number in range(3):
        trial = at_hand.study.ask()
        if number == 2:
            at_hand.storage.set_trial_system_attr(trial._trial_id, REUSED, {"study": "old", "trial": 2})
        at_hand.study.tell(trial, [1.0, 2.0])
        if number:
            at_hand.attempt(trial, "cpu", "complete")
    hashes = {"code": parts[0].hash, "data": parts[1].hash}
    at_hand.run("UPDATE hpotool.attempts SET code_hash = %(code)s, data_hash = %(data)s", hashes)
    unknown, known, reused = at_hand.finished()
    own = {**hashes, "commit": "c1", "data_hashes": {"x": "d" * 16}}
    assert (unknown.origin, unknown.reused) == ({}, None)
    assert known.origin == {**own, "environment": environment.hash, "python": "3.11", "image": "a:1"}
    assert (reused.origin, reused.reused) == (own, {"study": "old", "trial": 2})
    asked: list[str] = []
    at_hand.reader._origins._run = lambda *_: asked.append("asked") or []
    assert len(at_hand.finished()) == 3
    assert asked == []


def test_everything_that_is_stored_about_a_trial_is_read(at_hand: AtHand) -> None:
    trial = at_hand.study.ask()
    trial.suggest_float("lr", 0, 1)
    trial.suggest_categorical("kind", [None, "a", True])
    trial.set_user_attr("note", {"a": [1]})
    trial.set_constraint("latency", -2.0)
    at_hand.storage.set_trial_system_attr(trial._trial_id, REPORTS_ATTRIBUTE + "loss", {"3": 0.5, "4": 0.25})
    at_hand.storage.set_trial_system_attr(trial._trial_id, "retry_history", [0, 2])
    for step, value in ((0, 1.0), (5, math.inf), (2, math.nan)):
        at_hand.storage.set_trial_intermediate_value(trial._trial_id, step, value)
    at_hand.study.tell(trial, [math.inf, 3.0])
    at_hand.attempt(trial, "gpu 0,1 (NVIDIA H100)", "crash")
    at_hand.attempt(trial, "cpu", "complete")

    [read] = at_hand.finished()
    assert read.params == trial.params
    assert read.values == {"loss": math.inf, "size": 3.0}
    assert list(read.steps["size"]) == [0, 5, 2], "in the order in which they were reported"
    assert read.steps["size"][5] == math.inf
    assert math.isnan(read.steps["size"][2])
    assert read.steps["loss"] == {3: 0.5, 4: 0.25}
    assert read.attributes == {"note": {"a": [1]}}
    assert read.violations == {"latency": -2.0}
    assert read.lineage == (0, 2)
    assert {attempt["outcome"] for attempt in read.attempts} == {"crash", "complete"}
    assert read.attempts[0]["gpu"] == {"peak_memory_bytes": 7}
    assert read.cost == pytest.approx(2 * 2 + 0.5, rel=0.01)  # an hour on two GPUs, and one on none
    assert read.started is not None
    assert read.ended is not None
    assert read.started.tzinfo is timezone.utc
    assert read.started <= read.ended


def test_only_what_has_not_arrived_is_read_in_order_and_in_parts(at_hand: AtHand) -> None:
    trials = [at_hand.study.ask() for _ in range(6)]
    for trial in reversed(trials[1:]):
        at_hand.study.tell(trial, [1.0, 2.0])
    assert [trial.number for trial in at_hand.finished()] == [1, 2, 3, 4, 5]
    assert [trial.number for trial in at_hand.finished(limit=2)] == [1, 2]
    assert [trial.number for trial in at_hand.finished(Arrived().with_more([1, 4]))] == [2, 3, 5]
    assert at_hand.finished(Arrived(6)) == []
    [running] = at_hand.reader.read_running(at_hand.read())
    assert (running.number, running.state, running.ended, running.is_finished) == (0, "RUNNING", None, False)


def test_a_trial_that_waits_is_not_read(at_hand: AtHand) -> None:
    at_hand.study.enqueue_trial({"lr": 0.5})
    assert at_hand.finished() == []
    assert at_hand.reader.read_running(at_hand.read()) == []
    assert at_hand.read().waiting == 1


def test_a_study_that_was_renamed_goes_on_under_its_name(at_hand: AtHand) -> None:
    at_hand.study.tell(at_hand.study.ask(), [1.0, 2.0])
    rename_study(at_hand.connection, "s", "another", "ann")
    assert at_hand.read().name == "another"
    assert len(at_hand.finished()) == 1


def test_a_study_of_plain_optuna_has_names_for_its_values(study_database_url: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    connection = Connection(DatabaseUrl.parse(study_database_url))
    study = optuna.create_study(study_name="plain", storage=open_storage(study_database_url), direction="maximize")
    adopt_study(connection.run, study._study_id)
    trial = study.ask()
    trial.report(0.5, 1)
    study.tell(trial, 0.75)
    reader = ExportReader(connection.run, study._study_id)
    read = reader.read_study()
    assert read is not None
    assert (read.metrics, read.spec, read.budget_trials) == ({"value": "maximize"}, None, None)
    [trial_read] = reader.read_finished(read, Arrived(), 50)
    assert (trial_read.values, trial_read.steps) == ({"value": 0.75}, {"value": {1: 0.5}})
    assert (trial_read.attempts, trial_read.outcome, trial_read.cost) == ((), "complete", None)
    connection.close()


def test_a_study_that_is_gone_is_none(at_hand: AtHand) -> None:
    assert ExportReader(at_hand.run, at_hand.study_id + 1).read_study() is None


def test_tags_and_notes_come_with_their_study_and_trial(at_hand: AtHand) -> None:
    for _ in range(2):
        at_hand.study.tell(at_hand.study.ask(), [1.0, 2.0])
    long = "ß" * 5000
    optuna_dashboard.save_note(at_hand.study, "of the study")
    write_note(at_hand.connection, at_hand.study_id, long, 1, actor="ann@desk")
    for _ in range(2):  # the second time is a change
        tags = read_tags(["kind=small", "odd=\ud800\0"])
        change_trial_tags(at_hand.connection, at_hand.study_id, 1, tags)
    first, second = at_hand.finished()
    assert at_hand.read().note == "of the study"
    assert (first.note, first.tags) == ("", {})
    assert (second.note, second.tags["kind"]) == (long, "small")
    assert set(second.tags) == {"kind", "odd"}
