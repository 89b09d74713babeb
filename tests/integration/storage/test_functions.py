"""Statements of every trial as functions in the database: used where they are, not missed where they are not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import optuna
import psycopg2
import pytest
from optuna.trial import TrialState

from hpotool.storage.database import schema
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.functions import function_names
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import (
    Attempt,
    Ending,
    NoTrial,
    beat,
    claim_trial,
    finish_attempt,
    new_attempt_id,
)
from hpotool.storage.open import open_storage
from hpotool.study.outcome import Outcome

_EXISTING = (
    "SELECT proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'hpotool'"
)


def _drop_functions(connection: Connection) -> None:
    for name in function_names():
        connection.run(f"DROP FUNCTION hpotool.{name}")


def _calls(connection: Connection) -> int:
    """How often the functions were called, as far as the server has counted."""
    time.sleep(0.05)
    connection.run("SELECT pg_stat_clear_snapshot()")
    [(calls,)] = connection.run(
        "SELECT COALESCE(sum(calls), 0) FROM pg_stat_user_functions WHERE funcname = ANY(%s)",
        (list(function_names()),),
    )
    return int(calls)


@contextmanager
def _role(owner: Connection, postgres, *grants: str) -> Iterator[DatabaseUrl]:
    """The database's URL for a role that has these privileges only."""
    role = f"role_{owner.url.url.database}"
    postgres.run(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'x'")
    try:
        for grant in grants:
            owner.run(f'GRANT {grant} TO "{role}"')
        yield DatabaseUrl.parse(owner.url.url.set(username=role, password="x").render_as_string(False))
    finally:
        owner.run(f'DROP OWNED BY "{role}"')
        postgres.run(f'DROP ROLE "{role}"')


_WORKER_GRANTS = (
    "USAGE ON SCHEMA public, hpotool",
    "SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public, hpotool",
    "USAGE ON ALL SEQUENCES IN SCHEMA public, hpotool",
)


def _forbid_functions(connection: Connection) -> None:
    for (signature,) in connection.run(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE proname = ANY(%s)", (list(function_names()),)
    ):
        connection.run(f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC")


@pytest.mark.parametrize("has_functions", [True, False])
def test_a_trial_is_the_same_with_functions_and_without(make_study, has_functions: bool) -> None:
    study = make_study(budget=2)
    if not has_functions:
        _drop_functions(study.connection)
    connection = Connection(study.url)
    worker = study.worker()

    first = claim_trial(connection.run, study.study_id, worker, new_attempt_id())
    again = claim_trial(connection.run, study.study_id, worker, first.attempt_id)
    orders = beat(connection.run, worker, first, "café ' \\ %", has_checkpoint=True)
    ended = finish_attempt(
        connection.run, first, worker.worker_id, TrialState.COMPLETE, (float("inf"),), Ending(Outcome.COMPLETE)
    )
    second = claim_trial(connection.run, study.study_id, worker, new_attempt_id())
    third = claim_trial(connection.run, study.study_id, worker, new_attempt_id())
    finish_attempt(
        connection.run, second, worker.worker_id, TrialState.FAIL, None, Ending(Outcome.NAN, "it's NaN")
    )

    assert isinstance(first, Attempt)
    assert isinstance(again, Attempt)
    assert (first.number, first.is_new, again.number, again.is_new, second.number) == (0, True, 0, False, 1)
    assert isinstance(third, NoTrial)
    assert (third.kind, third.finished, third.running, third.waiting, third.budget) == ("wait", 1, 1, 0, 2)
    assert orders is not None
    assert orders.is_owner
    assert ended is not None
    trials = study.optuna.get_trials()
    assert [(trial.state.name, trial.values) for trial in trials] == [("COMPLETE", [float("inf")]), ("FAIL", None)]
    [(waits,)] = connection.run("SELECT waits FROM hpotool.workers")
    assert waits == "café ' \\ %"
    connection.close()


@pytest.mark.parametrize("has_functions", [True, False])
def test_a_script_s_trial_is_the_same_with_functions_and_without(make_study, has_functions: bool) -> None:
    study = make_study()
    if not has_functions:
        _drop_functions(study.connection)
    ours = optuna.load_study(study_name=study.optuna.study_name, storage=open_storage(study.url.sqlalchemy))

    ours.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    ours.tell(ours.ask(), float("-inf"))
    ours.tell(ours.ask(), state=TrialState.FAIL)

    states = [trial.state.name for trial in study.optuna.trials]
    assert states == ["COMPLETE", "COMPLETE", "COMPLETE", "FAIL"]
    assert [trial.number for trial in study.optuna.trials] == [0, 1, 2, 3]
    assert study.optuna.trials[2].value == float("-inf")
    assert study.optuna.trials[1].value == study.optuna.trials[1].params["x"]
    assert all(trial.datetime_complete for trial in study.optuna.trials)
    ours._storage._connection.close()


def test_a_connection_calls_the_functions_that_it_may_call(make_study, postgres) -> None:
    study = make_study(budget=2)
    database = study.url.url.database
    postgres.run(f"ALTER DATABASE \"{database}\" SET track_functions = 'all'")
    worker, owner = study.worker(), Connection(study.url)
    before = _calls(owner)
    called = Connection(study.url)
    claim_trial(called.run, study.study_id, worker, new_attempt_id())
    called.close()  # which sends its counts

    deadline = time.monotonic() + 20
    while _calls(owner) == before and time.monotonic() < deadline:
        pass
    assert _calls(owner) > before

    _forbid_functions(owner)
    with _role(owner, postgres, *_WORKER_GRANTS) as url, closing(Connection(url)) as limited:
        claimed = claim_trial(limited.run, study.study_id, worker, new_attempt_id())
        assert isinstance(claimed, Attempt), "a role that may not call them sends the statements"
    owner.close()


@pytest.mark.parametrize("take", [_drop_functions, _forbid_functions])
def test_functions_that_are_taken_from_an_open_connection_are_not_missed(
    make_study, postgres, take: Callable[[Connection], None]
) -> None:
    """A restored dump, a DBA who tidies up: the statement itself is sent, once, and nothing is done twice."""
    study = make_study(budget=3)
    worker, owner = study.worker(), Connection(study.url)
    with _role(owner, postgres, *_WORKER_GRANTS) as url, closing(Connection(url)) as connection:
        first = claim_trial(connection.run, study.study_id, worker, new_attempt_id())
        assert not connection.lacks_functions()
        take(owner)

        assert isinstance(first, Attempt)
        assert beat(connection.run, worker, first) is not None
        finish_attempt(
            connection.run, first, worker.worker_id, TrialState.COMPLETE, (0.5,), Ending(Outcome.COMPLETE)
        )
        second = claim_trial(connection.run, study.study_id, worker, new_attempt_id())
    assert isinstance(second, Attempt)
    assert (first.number, second.number) == (0, 1)
    assert [trial.state.name for trial in study.optuna.get_trials()] == ["COMPLETE", "RUNNING"]
    owner.close()


def test_an_upgrade_brings_missing_functions_and_leaves_those_of_other_releases(study_database_url: str) -> None:
    url = DatabaseUrl.parse(study_database_url)
    connection = Connection(url)
    _drop_functions(connection)
    connection.run("CREATE FUNCTION hpotool.claim_of_another_release() RETURNS int LANGUAGE sql AS 'SELECT 1'")

    schema.upgrade_schema(url)
    schema.upgrade_schema(url)

    existing = {name for (name,) in connection.run(_EXISTING)}
    assert {*function_names(), "claim_of_another_release"} <= existing
    connection.close()


def test_who_makes_a_study_brings_missing_functions(study_database_url: str) -> None:
    url = DatabaseUrl.parse(study_database_url)
    connection = Connection(url)
    _drop_functions(connection)
    connection.close()
    assert connection.lacks_functions()
    connection.close()

    schema.ensure_schema(url)

    assert not connection.lacks_functions()
    connection.close()


def test_a_role_that_may_not_create_them_works_without(study_database_url: str, postgres) -> None:
    url = DatabaseUrl.parse(study_database_url)
    owner = Connection(url)
    _drop_functions(owner)
    reading = ("USAGE ON SCHEMA hpotool", "SELECT ON ALL TABLES IN SCHEMA public, hpotool")
    with _role(owner, postgres, *reading) as limited:
        schema.ensure_schema(limited)
        with closing(Connection(limited)) as connection:
            assert connection.lacks_functions()
    owner.close()


@pytest.fixture
def holder(make_study) -> Iterator[tuple[object, psycopg2.extensions.connection]]:
    """A study, and a connection that holds its row as plain Optuna does while it creates a trial."""
    study = make_study(budget=200)
    connection = psycopg2.connect(study.url.libpq)
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM studies WHERE study_id = %s FOR UPDATE", (study.study_id,))
    yield study, connection
    connection.close()


def test_of_many_that_claim_at_once_few_wait_for_the_study_s_row(holder) -> None:
    study, other = holder
    workers = [study.worker() for _ in range(40)]
    claimed = threading.Event()

    def claim(worker) -> int:
        connection = Connection(study.url)
        try:
            attempt = claim_trial(connection.run, study.study_id, worker, new_attempt_id())
            claimed.set()
            return attempt.number
        finally:
            connection.close()

    with ThreadPoolExecutor(len(workers)) as pool:
        numbers = [pool.submit(claim, worker) for worker in workers]
        waiting: dict[str, int] = {}
        deadline = time.monotonic() + 60
        while sum(waiting.values()) < len(workers) and time.monotonic() < deadline:
            rows = study.connection.run(
                "SELECT locktype, count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
                "WHERE NOT granted AND datname = current_database() GROUP BY 1"
            )
            waiting = dict(rows)
        other.rollback()
        found = sorted(number.result() for number in numbers)

    assert waiting.get("advisory", 0) >= len(workers) - 16, waiting
    assert waiting.get("tuple", 0) + waiting.get("transactionid", 0) <= 16, waiting
    assert found == list(range(len(workers))), "each trial once"
