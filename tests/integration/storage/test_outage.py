"""The database away: waited out by who has to wait, never by a running attempt, and no result is lost."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.control import orders
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.outage import GaveUpError, Outage, PatientConnection
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Attempt, fail_and_queue
from hpotool.storage.fleet.spool import Spool
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.fleet.worker_storage import WorkerStorage
from tests.integration.storage.test_attempts import LOST


def _worker(name: str = "w") -> WorkerIdentity:
    return WorkerIdentity(name, "here", 1, "boot", "1", "cpu")


class Stage:
    """A study on a server that the test may stop, and a worker's storage on it."""

    def __init__(self, server, home) -> None:
        self.server = server
        self.home = home
        self.url = DatabaseUrl.parse(server.url("postgres"))
        ensure_schema(self.url)
        self.identity = Connection(self.url).identify()
        self.study_id = optuna.create_study(study_name="s", storage=self.url.sqlalchemy)._study_id

    def open(self, name: str = "w", **options) -> tuple[WorkerStorage, optuna.Study]:
        storage = WorkerStorage(self.url, _worker(name), home=self.home, **options)
        orders.register_worker(storage.run, self.study_id, storage.worker)
        return storage, optuna.load_study(study_name="s", storage=storage)

    def trials(self) -> list[optuna.trial.FrozenTrial]:
        return optuna.load_study(study_name="s", storage=self.url.sqlalchemy).trials

    def restart_when_missed(self, storage: WorkerStorage) -> threading.Thread:
        def restart() -> None:
            while storage.connection.outage.lasted_s == 0:
                threading.Event().wait(0.02)
            self.server.start()

        thread = threading.Thread(target=restart)
        thread.start()
        return thread


@pytest.fixture
def stage(own_postgres, tmp_path) -> Stage:
    return Stage(own_postgres, tmp_path)


def test_a_tell_waits_the_outage_out_and_training_goes_on_meanwhile(stage: Stage) -> None:
    storage, study = stage.open()
    starters = []

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.report(0.1, 1)
        assert not trial.should_prune()
        stage.server.stop()
        trial.report(0.2, 2)
        assert not trial.should_prune()
        starters.append(stage.restart_when_missed(storage))
        return x

    study.optimize(objective, n_trials=1)

    starters[0].join()
    [trial] = stage.trials()
    assert trial.state == TrialState.COMPLETE
    assert trial.intermediate_values == {1: 0.1, 2: 0.2}
    assert not storage.last_tell.is_fenced


def test_a_claim_waits_the_outage_out(stage: Stage) -> None:
    storage, study = stage.open()
    stage.server.stop()
    starter = stage.restart_when_missed(storage)

    study.optimize(lambda _: 1.0, n_trials=1)

    starter.join()
    assert [trial.value for trial in stage.trials()] == [1.0]


@pytest.mark.parametrize("was_reaped", [False, True])
def test_a_result_that_a_worker_took_into_its_grave_is_sent_by_the_next_one(stage: Stage, was_reaped) -> None:
    storage, study = stage.open(give_up_after=timedelta(0))

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.report(0.5, 3)
        stage.server.stop()
        trial.set_user_attr("note", "kept")
        return x

    with pytest.raises(GaveUpError):
        study.optimize(objective, n_trials=2)
    stage.server.start()
    if was_reaped:
        fail_and_queue(storage.run, stage.study_id, storage.last_tell.attempt.trial_id, "reaper", LOST)

    successor, _ = stage.open("successor")
    assert successor.rescue_all(lambda worker: worker.worker_id == "w") == 1
    assert successor.rescue_all(lambda _: True) == 0

    kept = stage.trials()[-1]
    assert kept.state == TrialState.COMPLETE
    assert kept.value == kept.params["x"]
    assert kept.intermediate_values == {3: 0.5}
    assert kept.user_attrs == {"note": "kept"}
    assert len(stage.trials()) == (2 if was_reaped else 1)


def test_reports_of_an_outage_are_on_disk_for_whoever_comes_after(stage: Stage) -> None:
    storage, study = stage.open()
    trial = study.ask()
    stage.server.kill()
    trial.report(0.25, 1)
    storage.spool_attempt()

    [spooled] = Spool(stage.home, stage.identity, stage.url).list()
    stage.server.start()
    successor, _ = stage.open("successor")
    assert successor.rescue(spooled.attempt.attempt_id) is False, "there was no result among it"

    assert spooled.result is None
    assert stage.trials()[0].intermediate_values == {1: 0.25}


def test_what_an_objective_returned_outlives_a_worker_that_never_heard_of_it(stage: Stage) -> None:
    storage, study = stage.open()
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    storage.connection.run("select 1")
    attempt_id = storage.attempt.attempt_id
    storage.returned_file.write_text('{"values": [0.125], "extra": {"epochs": 7}}')

    successor, _ = stage.open("successor")
    assert successor.rescue(attempt_id) is True
    assert successor.rescue(attempt_id) is False, "once is enough"

    [kept] = stage.trials()
    assert (kept.state, kept.value, kept.user_attrs) == (TrialState.COMPLETE, 0.125, {"epochs": 7})
    assert not storage.returned_file.exists()


def test_a_returned_file_that_cannot_be_read_is_no_result(stage: Stage) -> None:
    storage, study = stage.open()
    study.ask()
    storage.returned_file.write_text('{"values": [0.1')
    assert stage.open("successor")[0].rescue(storage.attempt.attempt_id) is False
    assert stage.trials()[0].state == TrialState.RUNNING


def test_a_commit_whose_answer_was_lost_duplicates_nothing(stage: Stage, monkeypatch) -> None:
    storage, study = stage.open()
    really_run = type(storage.connection).__mro__[1].run_all
    lost = []

    def run_and_lose_the_answer(connection, statements):
        rows = really_run(connection, statements)
        sql = statements[-1][0]
        if "hpotool.attempts" in sql and sql not in lost:
            lost.append(sql)
            raise DatabaseUnreachableError("the connection broke after the commit")
        return rows

    monkeypatch.setattr(type(storage.connection).__mro__[1], "run_all", run_and_lose_the_answer)

    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)

    assert len(lost) == 2, "a claim and a finish lost their answers"
    assert [trial.state for trial in stage.trials()] == [TrialState.COMPLETE] * 2
    assert storage.run("SELECT count(*) FROM hpotool.attempts", {}) == [(2,)]


def test_other_threads_never_wait(stage: Stage) -> None:
    connection = PatientConnection(stage.url)
    stage.server.stop()
    errors = []

    def ask() -> None:
        try:
            connection.run("SELECT 1")
        except DatabaseUnreachableError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(30)

    assert len(errors) == 1


def test_aborting_the_wait_ends_it_at_once(stage: Stage) -> None:
    connection = PatientConnection(stage.url)
    connection.abort_wait.set()
    stage.server.stop()

    with pytest.raises(GaveUpError, match="asked to leave"):
        connection.run("SELECT 1")


def test_an_outage_is_logged_once_and_then_every_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    outage = Outage(clock=lambda: now[0])
    caplog.set_level(logging.WARNING)
    for _ in range(150):
        outage.note_failure(DatabaseUnreachableError("the database x does not answer"))
        now[0] += 1
    outage.note_answer()
    outage.note_answer()

    assert [record.getMessage() for record in caplog.records] == [
        "the database x does not answer; waiting, nothing is lost",
        "the database has been away for 60 s; still waiting",
        "the database has been away for 120 s; still waiting",
        "the database is back after 150 s",
    ]


def test_a_full_disk_does_not_stop_an_attempt(stage: Stage) -> None:
    stage.home.joinpath("spool").write_text("a file where the folder should be")
    _, study = stage.open()

    study.optimize(lambda _: 1.0, n_trials=1)

    assert [trial.value for trial in stage.trials()] == [1.0]


def test_an_attempt_is_an_attempt_after_a_round_over_the_disk(stage: Stage) -> None:
    storage, study = stage.open()
    study.ask()
    storage.spool_attempt()
    attempt = storage.attempt

    [spooled] = Spool(stage.home, stage.identity, stage.url).list()

    assert isinstance(spooled.attempt, Attempt)
    assert (spooled.attempt, spooled.worker) == (attempt, storage.worker)
