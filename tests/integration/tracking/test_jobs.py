"""A job beside the workers has one holder, by the database's clock."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import optuna
import pytest

from hpotool.errors import HpotoolError
from hpotool.storage.control.keeping import delete_study
from hpotool.storage.control.orders import adopt_study
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Run
from hpotool.storage.open import open_storage
from hpotool.storage.tracking.jobs import (
    Arrived,
    Job,
    advance_job,
    is_job_free,
    list_jobs,
    note_trouble,
    release_job,
    restart_job,
    take_job,
)
from hpotool.tracking.tenure import JobTakenError, Tenure
from tests.acceptance.command_line import wait_until
from tests.postgres import TestServer

LONG = timedelta(hours=1)


@pytest.fixture
def connection(study_database_url: str) -> Iterator[Connection]:
    connection = Connection(DatabaseUrl.parse(study_database_url))
    yield connection
    connection.close()


@pytest.fixture
def study_id(study_database_url: str, connection: Connection) -> int:
    study = optuna.create_study(study_name="s", storage=open_storage(study_database_url))
    adopt_study(connection.run, study._study_id)
    return study._study_id


def test_of_eight_that_want_it_one_gets_a_job(study_database_url: str, study_id: int) -> None:
    taken: list[str] = []
    begin = threading.Barrier(8)

    def want(holder: str) -> None:
        own = Connection(DatabaseUrl.parse(study_database_url))
        begin.wait()
        if take_job(own.run, Job(study_id, "mlflow x", holder), LONG) is not None:
            taken.append(holder)
        own.close()

    threads = [threading.Thread(target=want, args=(f"w{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1


def test_a_holder_keeps_its_job_and_who_falls_silent_loses_it(connection: Connection, study_id: int) -> None:
    run = connection.run
    first, second = Job(study_id, "mlflow x", "a"), Job(study_id, "mlflow x", "b")
    held = take_job(run, first, LONG)
    assert held is not None
    assert advance_job(run, first, Arrived(2, frozenset({4}), frozenset({4})))
    assert not is_job_free(run, second)
    assert is_job_free(run, first)
    assert take_job(run, second, LONG) is None
    assert take_job(run, first, timedelta()) is not None  # and no longer than that
    again = take_job(run, second, LONG)
    assert again is not None
    assert (again.job_id, again.arrived) == (held.job_id, Arrived(2, frozenset({4}), frozenset({4})))
    assert not advance_job(run, first, Arrived(9)), "it is another process's by now"
    release_job(run, first)
    assert not is_job_free(run, first)
    release_job(run, second)
    assert is_job_free(run, first)


def test_what_is_in_the_way_is_shown_until_it_goes_on(connection: Connection, study_id: int) -> None:
    job = Job(study_id, "mlflow x", "a")
    take_job(connection.run, job, LONG)
    note_trouble(connection.run, job, "it is away")
    [record] = list_jobs(connection.run, study_id)
    assert (record.name, record.holder, record.trouble, record.missing) == ("mlflow x", "a", "it is away", 0)
    advance_job(connection.run, job, Arrived(3, frozenset({5, 6}), frozenset({6})))
    [record] = list_jobs(connection.run, study_id)
    assert (record.arrived, record.refused, record.trouble) == (4, (6,), None)
    restart_job(connection.run, job)
    assert list_jobs(connection.run, study_id)[0].arrived == 0


def test_a_tenure_is_held_while_it_lasts_and_no_longer(study_database_url: str, study_id: int) -> None:
    run = Connection(DatabaseUrl.parse(study_database_url)).run
    first, second = Job(study_id, "mlflow x", "a"), Job(study_id, "mlflow x", "b")
    brief = timedelta(seconds=1)
    with Tenure(run, first, brief) as tenure:
        with pytest.raises(JobTakenError, match="another process does this already: mlflow x"):
            Tenure(run, second, brief).__enter__()
        first_until = _held_until(run)
        wait_until(lambda: _held_until(run) > first_until, "its thread has held it for longer")
        assert not tenure.is_lost()
    with Tenure(run, second, brief):
        pass


def test_who_was_stopped_for_too_long_finds_out_before_it_writes(study_database_url: str, study_id: int) -> None:
    run = Connection(DatabaseUrl.parse(study_database_url)).run
    job = Job(study_id, "mlflow x", "a")
    with Tenure(run, job, LONG) as tenure:
        run("UPDATE hpotool.side_jobs SET holder = 'b'", {})
        tenure._kept_at -= LONG.total_seconds()  # as after a SIGSTOP: its thread has not asked for so long
        assert tenure.is_lost()
    assert run("SELECT holder FROM hpotool.side_jobs", {}) == [("b",)], "it gives nothing back that is not its own"


def test_a_database_that_is_away_ends_no_tenure(own_postgres: TestServer) -> None:
    ensure_schema(DatabaseUrl.parse(own_postgres.url("postgres")))
    run = Connection(DatabaseUrl.parse(own_postgres.url("postgres"))).run
    study = optuna.create_study(study_name="s", storage=open_storage(own_postgres.url("postgres")))
    adopt_study(run, study._study_id)
    with Tenure(run, Job(study._study_id, "x", "a"), timedelta(seconds=1)) as tenure:
        own_postgres.stop()
        kept_at = tenure._kept_at
        assert not tenure.is_lost()
        own_postgres.start()
        wait_until(lambda: tenure._kept_at > kept_at, "it has held it again")
        assert not tenure.is_lost()


def test_deleting_a_study_takes_its_jobs_along(connection: Connection, study_id: int) -> None:
    take_job(connection.run, Job(study_id, "mlflow x", "a"), LONG)
    delete_study(connection, study_id)
    assert list_jobs(connection.run, study_id) == []
    with pytest.raises(HpotoolError):
        take_job(connection.run, Job(study_id, "mlflow x", "a"), LONG)


def _held_until(run: Run) -> Any:
    return run("SELECT held_until FROM hpotool.side_jobs", {})[0][0]
