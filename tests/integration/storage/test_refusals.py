"""What a database refuses: what passes is waited for, what does not costs itself and is said in one sentence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import optuna
import psycopg2
import pytest

from hpotool.errors import DatabaseUnreachableError, HpotoolError, InputError
from hpotool.storage.database.connection import (
    Connection,
    RefusedDataError,
    RefusedStatementError,
    TransientDatabaseError,
)
from hpotool.storage.database.outage import PatientConnection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.optuna.postgres import PostgresStorage

CANCEL = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
_RAISE = "DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{code}'; END $$"


def _wait_for(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("code", ["40001", "40P01", "53100", "53300", "55P03", "57014", "57P01", "25006", "08006"])
def test_what_passes_by_itself_is_waited_for(study_database_url: str, code: str) -> None:
    connection = PatientConnection(DatabaseUrl.parse(study_database_url))
    gate = Connection(connection.url)
    gate.run("CREATE TABLE public.gate (is_shut boolean); INSERT INTO public.gate VALUES (true)")
    opener = threading.Thread(
        target=lambda: (
            _wait_for(lambda: connection.outage.lasted_s > 0),
            gate.run("UPDATE public.gate SET is_shut = false"),
        )
    )
    opener.start()

    rows = connection.run(
        "DO $$ BEGIN IF (SELECT is_shut FROM public.gate) THEN "
        f"RAISE EXCEPTION 'on purpose' USING ERRCODE = '{code}'; END IF; END $$; SELECT 1"
    )

    opener.join()
    assert rows == [(1,)]
    assert connection.outage.lasted_s == 0


@pytest.mark.parametrize(
    ("statement", "kind", "hint"),
    [
        ("SELECT * FROM no_such_table", RefusedStatementError, "hpotool db upgrade"),
        ("SELECT no_such_column FROM trials", RefusedStatementError, "hpotool db upgrade"),
        (_RAISE.format(code="42501"), RefusedStatementError, "Roles"),
        (_RAISE.format(code="XX000"), RefusedStatementError, ""),
        ("SELECT 2147483647 + 1", RefusedDataError, ""),
        ("INSERT INTO studies (study_name) VALUES (repeat('x', 513))", RefusedDataError, ""),
        ("INSERT INTO studies (study_id, study_name) VALUES (1, 'x'), (1, 'y')", RefusedDataError, ""),
    ],
)
def test_what_stays_refused_is_a_sentence_and_the_connection_goes_on(
    study_database_url: str, statement: str, kind: type[HpotoolError], hint: str
) -> None:
    connection = Connection(DatabaseUrl.parse(study_database_url))
    with pytest.raises(kind) as refused:
        connection.run(statement)
    assert type(refused.value) is kind
    assert "\n" not in str(refused.value)
    assert hint in (refused.value.hint or "")
    assert connection.run("SELECT 1") == [(1,)]


@pytest.mark.parametrize("text", ["\0", "\udcff", "a\ud83d"])
def test_a_text_that_postgres_has_no_place_for_is_refused_before_it_is_sent(
    study_database_url: str, text: str
) -> None:
    connection = Connection(DatabaseUrl.parse(study_database_url))
    with pytest.raises(RefusedDataError, match="cannot be stored"):
        connection.run("SELECT %s", (text,))
    storage = PostgresStorage(connection.url)
    study = optuna.create_study(storage=storage)
    with pytest.raises(optuna.exceptions.StorageInternalError):
        study.ask().set_user_attr(f"key {text}", 1)


def test_a_statement_that_is_cancelled_at_once_is_sent_again_and_not_for_ever(
    study_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a statement_timeout of a millisecond on a busy machine, until the statements have lifted it."""
    monkeypatch.setattr("hpotool.storage.database.connection._CANCELLED_FOR_S", 60.0)
    connection = Connection(DatabaseUrl.parse(study_database_url))
    [(pid,)] = connection.run("SELECT pg_backend_pid()")
    with ThreadPoolExecutor() as beside, closing(psycopg2.connect(connection.url.libpq)) as canceller:
        canceller.autocommit = True

        def cancel() -> bool:
            with canceller.cursor() as cursor:
                cursor.execute(f"{CANCEL} WHERE pid = %s AND wait_event = 'PgSleep'", (pid,))
                return bool(cursor.rowcount)

        asleep = beside.submit(connection.run, "SELECT 1 FROM pg_sleep(2)")
        _wait_for(cancel)
        assert asleep.result() == [(1,)]
        monkeypatch.undo()
        asleep = beside.submit(connection.run, "SELECT 1 FROM pg_sleep(60)")
        _wait_for(lambda: cancel() is None or asleep.done())
        with pytest.raises(TransientDatabaseError, match="canceling statement"):
            asleep.result()
        in_its_own_transaction = beside.submit(connection.run, "COMMIT; BEGIN; SELECT 1 FROM pg_sleep(60)")
        _wait_for(cancel)
        with pytest.raises(TransientDatabaseError, match="canceling statement"):
            in_its_own_transaction.result()
    assert connection.run("SELECT 1") == [(1,)]


def test_who_holds_a_lock_for_ever_keeps_nobody_from_hearing_a_signal(
    study_database_url: str, monkeypatch
) -> None:
    monkeypatch.setattr(PatientConnection, "lock_timeout_s", 1)
    connection = PatientConnection(DatabaseUrl.parse(study_database_url))
    holder = psycopg2.connect(connection.url.libpq)
    holder.cursor().execute("LOCK TABLE trials")
    aborter = threading.Thread(
        target=lambda: (_wait_for(lambda: connection.outage.lasted_s > 0), connection.abort_wait.set())
    )
    aborter.start()

    with pytest.raises(DatabaseUnreachableError, match="asked to leave"):
        connection.run("SELECT count(*) FROM trials")

    aborter.join()
    holder.close()


def test_a_standby_is_read_and_its_promotion_waited_for(own_postgres) -> None:
    url = DatabaseUrl.parse(own_postgres.url("postgres"))
    own_postgres.run("CREATE TABLE public.notes (note text)")
    own_postgres.run("ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'")
    own_postgres.stop()
    (own_postgres.cluster.data / "standby.signal").touch()
    own_postgres.cluster.account.own(own_postgres.cluster.data / "standby.signal")
    own_postgres.start()
    assert Connection(url).run("SELECT count(*) FROM public.notes") == [(0,)]
    with pytest.raises(TransientDatabaseError, match="read-only"):
        Connection(url).run("INSERT INTO public.notes VALUES ('x')")
    writer = PatientConnection(url)
    promotion = threading.Thread(
        target=lambda: (
            _wait_for(lambda: writer.outage.lasted_s > 0),
            Connection(url).run("SELECT pg_promote()"),
        )
    )
    promotion.start()

    writer.run("INSERT INTO public.notes VALUES ('kept')")

    promotion.join()
    assert writer.run("SELECT note FROM public.notes") == [("kept",)]


# ---------------------------------------------------------------- encodings


def test_a_database_whose_encoding_cannot_hold_every_text_is_refused_in_one_sentence(postgres) -> None:
    postgres.run("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(InputError, match="has the encoding LATIN1, but hpotool needs UTF8") as refused:
        Connection(DatabaseUrl.parse(postgres.url("latin"))).run("SELECT 1")
    assert "createdb --encoding UTF8" in (refused.value.hint or "")
    postgres.run("DROP DATABASE latin")


# ---------------------------------------------------------------- buffered writes


@pytest.fixture
def storage(study_database_url: str) -> PostgresStorage:
    return PostgresStorage(DatabaseUrl.parse(study_database_url))


@pytest.mark.parametrize(
    ("kind", "key", "value", "extra"),
    [
        ("user_attrs", "bad \udcff", "1", None),
        ("user_attrs", "k" * 513, "1", None),
        ("steps", 2**31, 0.5, "FINITE"),
        ("steps", 7, 0.5, "NO SUCH TYPE"),
        ("params", "a\0b", 0.5, "{}"),
    ],
)
@pytest.mark.parametrize("is_told", [True, False])
def test_a_write_that_is_refused_costs_no_other_one(
    storage: PostgresStorage, caplog, kind, key, value, extra, is_told: bool
) -> None:
    optuna.logging.enable_propagation()
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.report(0.25, 1)
    storage._writes.add(kind, trial._trial_id, key, value, extra)
    trial.set_user_attr("note", "kept")
    reader = optuna.load_study(study_name=study.study_name, storage=storage.url.sqlalchemy)

    if is_told:
        study.tell(trial, 0.5)
        assert reader.trials[0].value == 0.5
    else:
        _wait_for(lambda: not storage._writes._pending and not storage._writes._sending.locked())

    [seen] = reader.trials
    assert (set(seen.params), seen.intermediate_values, seen.user_attrs) == ({"x"}, {1: 0.25}, {"note": "kept"})
    assert any("was dropped" in record.getMessage() for record in caplog.records)
    later = study.ask()
    later.set_user_attr("after", 1)
    storage.remove_session()
    assert reader.trials[1].user_attrs == {"after": 1}


def test_a_flush_waits_for_what_is_on_the_wire(storage: PostgresStorage) -> None:
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    holder = psycopg2.connect(storage.url.libpq)
    holder.cursor().execute("LOCK TABLE trial_user_attributes")
    trial.set_user_attr("note", "kept")
    asker = Connection(storage.url)
    _wait_for(lambda: asker.run("SELECT count(*) FROM pg_locks WHERE NOT granted") != [(0,)])

    flushing = threading.Thread(target=storage.remove_session)
    flushing.start()
    flushing.join(0.3)
    assert flushing.is_alive(), "what another thread is sending has not arrived"
    holder.close()
    flushing.join()

    assert asker.run("SELECT value_json FROM trial_user_attributes") == [('"kept"',)]


def test_writes_to_a_table_that_is_away_are_kept_until_it_is_back(
    storage: PostgresStorage,
) -> None:
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    admin = Connection(storage.url)
    admin.run("ALTER TABLE trial_user_attributes RENAME TO away")
    trial.set_user_attr("note", "kept")
    with pytest.raises(RefusedStatementError, match="does not exist"):
        storage.remove_session()
    admin.run("ALTER TABLE away RENAME TO trial_user_attributes")

    storage.remove_session()

    assert admin.run("SELECT value_json FROM trial_user_attributes") == [('"kept"',)]
