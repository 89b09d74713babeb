"""One small study under each setting of server, database, role, pooler or environment that could break a promise.

``make settings-matrix`` prints the table; ``tests/integration/storage/test_settings_matrix.py`` asserts it.

Every row has a database and a role of its own, with the rights that docs/operations.md gives to workers. A worker
that is lost has claimed a trial, in another time zone than the one that finds it; then four workers in threads
begin at once and claim, report, beat and tell until the budget is used up.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import optuna
import psycopg2
from sqlalchemy.engine import make_url

from hpotool.storage.control import orders
from hpotool.storage.control.creation import create_or_resume, find_study_id
from hpotool.storage.database.connection import Connection, TransientDatabaseError
from hpotool.storage.database.outage import PatientConnection
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import beat, claim_trial, new_attempt_id
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.fleet.worker_storage import NothingToClaim, WorkerStorage
from hpotool.storage.open import open_storage
from hpotool.study.file.reader import read_study_file
from hpotool.worker.membership.reaper import Reaper
from tests.pgbouncer import pooled
from tests.postgres import TestServer

ASKED = 24
WORKERS = 4
STUDY = "matrix"
CHOICES = ["Größe →", "naïve"]
NOTE = "Größe → 大きさ ‑ \\ ' \" %s"
_PASSWORD = "no-secret"
_GRACE_S = 30.0

_HOSTILE = (
    "CREATE SCHEMA hostile",
    *(
        f"CREATE TABLE hostile.{table} AS TABLE public.{table} WITH NO DATA"
        for table in ("studies", "trials", "trial_params", "trial_values", "trial_heartbeats", "alembic_version")
    ),
    "CREATE TYPE hostile.trialstate AS ENUM ('NONSENSE')",
    "CREATE FUNCTION hostile.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
    "CREATE FUNCTION hostile.current_schema() RETURNS name LANGUAGE sql AS $$ SELECT 'hostile'::name $$",
    "GRANT USAGE ON SCHEMA hostile TO PUBLIC",
    "GRANT ALL ON ALL TABLES IN SCHEMA hostile TO PUBLIC",
)
_EVERYTHING = {
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "default_transaction_read_only": "on",
    "timezone": "Pacific/Chatham",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "statement_timeout": "30ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "30ms",
    "synchronous_commit": "off",
    "transform_null_equals": "on",
}


@dataclass(frozen=True)
class Setting:
    """What is set where. ``role`` and ``database`` are names and values; ``prepare`` is done by the owner."""

    name: str
    role: Mapping[str, str] = field(default_factory=dict)
    database: Mapping[str, str] = field(default_factory=dict)
    server: Mapping[str, str] = field(default_factory=dict)  # for a server that nobody else uses
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: tuple[str, ...] = ()
    encoding: str = "UTF8"
    schema: str = "public"
    is_pooled: bool = False
    since: int = 13


def _of_role(name: str, value: str, **more: object) -> Setting:
    return Setting(f"{name} = {value} (role)", role={name: value}, **more)  # type: ignore[arg-type]


def _of_database(name: str, value: str, **more: object) -> Setting:
    return Setting(f"{name} = {value} (database)", database={name: value}, **more)  # type: ignore[arg-type]


def _of_environment(name: str, value: str) -> Setting:
    return Setting(f"{name}={value}", environment={name: value})


SERVER_WIDE = Setting("all of these (server)", server=_EVERYTHING)
SETTINGS = (
    Setting("none"),
    _of_database("default_transaction_isolation", "repeatable read"),
    _of_database("default_transaction_isolation", "serializable"),
    _of_role("default_transaction_isolation", "repeatable read"),
    _of_role("default_transaction_isolation", "serializable"),
    _of_environment("PGOPTIONS", "-c default_transaction_isolation=serializable"),
    _of_database("default_transaction_read_only", "on"),
    _of_role("timezone", "Asia/Tokyo"),
    _of_database("timezone", "America/St_Johns"),
    _of_environment("PGTZ", "Pacific/Chatham"),
    _of_role("datestyle", "SQL, DMY"),
    _of_environment("PGDATESTYLE", "German"),
    _of_role("intervalstyle", "iso_8601"),
    _of_role("extra_float_digits", "-15"),
    _of_role("bytea_output", "escape"),
    _of_role("standard_conforming_strings", "off"),
    _of_role("transform_null_equals", "on"),
    _of_role("client_encoding", "latin1"),
    _of_environment("PGCLIENTENCODING", "latin1"),
    Setting("a database in SQL_ASCII", encoding="SQL_ASCII"),
    Setting("a hostile schema first", role={"search_path": "hostile, pg_catalog, public"}, prepare=_HOSTILE),
    Setting("an empty search path", role={"search_path": "''"}),
    Setting("tables in a schema of their own", schema="mine"),
    _of_role("statement_timeout", "1ms"),
    _of_role("lock_timeout", "1ms"),
    _of_role("idle_in_transaction_session_timeout", "1ms"),
    _of_role("idle_session_timeout", "80ms", since=14),
    _of_role("transaction_timeout", "5ms", since=17),
    _of_role("synchronous_commit", "off"),
    _of_role("row_security", "off"),
    Setting("every plan compiled (role)", role={"jit": "on", "jit_above_cost": "0"}),
    Setting("no index scans (role)", role={"enable_indexscan": "off", "enable_bitmapscan": "off"}),
    Setting("all of these (database)", database=_EVERYTHING),
    SERVER_WIDE,
    Setting("PgBouncer", is_pooled=True),
    Setting("all of these behind PgBouncer", database=_EVERYTHING, is_pooled=True),
)


@dataclass
class Figures:
    """What came of one setting."""

    finished: int = 0
    numbers_given_twice: int = 0
    workers_alive: int = 0
    is_lost_one_retried: bool = False
    is_read_as_written: bool = False
    errors: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return (self.finished, self.numbers_given_twice, self.workers_alive) == (ASKED, 0, WORKERS) and (
            self.is_lost_one_retried and self.is_read_as_written
        )


def try_setting(server: TestServer, setting: Setting) -> Figures:
    """Run the small study under ``setting``."""
    name = f"matrix_{uuid.uuid4().hex}"
    server.run(
        f"CREATE DATABASE {name} ENCODING '{setting.encoding}' LOCALE 'C' TEMPLATE template0",
        f"CREATE ROLE {name} LOGIN PASSWORD '{_PASSWORD}'",
    )
    try:
        _install(server.url(name), name, setting)
        if setting.server:
            server.run(
                *(f"ALTER SYSTEM SET {key} = {_literal(key, value)}" for key, value in setting.server.items())
            )
            server.run("SELECT pg_reload_conf()")
        own = make_url(server.url(name)).set(username=name, password=_PASSWORD)
        url = own.render_as_string(hide_password=False)
        with contextlib.ExitStack() as stack:
            if setting.is_pooled:
                url = stack.enter_context(pooled(url, WORKERS))
            return _Run(url, stack.enter_context(tempfile.TemporaryDirectory())).figures(setting.environment)
    finally:
        if setting.server:
            server.run("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
        else:
            server.run(f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {name}")


def _install(url: str, role: str, setting: Setting) -> None:
    owner = psycopg2.connect(url)
    owner.autocommit = True
    with contextlib.closing(owner), owner.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {setting.schema}")
        ensure_schema(DatabaseUrl.parse(f"{url}?options=-csearch_path%3D{setting.schema}"))
        for what in ("USAGE ON SCHEMA", "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA"):
            cursor.execute(f"GRANT {what} {setting.schema}, hpotool TO {role}")
        cursor.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {setting.schema}, hpotool TO {role}")
        for statement in setting.prepare:
            cursor.execute(statement)
        for target, settings in (("ROLE", setting.role), ("DATABASE", setting.database)):
            for key, value in settings.items():
                cursor.execute(f"ALTER {target} {role} SET {key} = {_literal(key, value)}")


def _literal(key: str, value: str) -> str:
    return value if key in ("search_path", "datestyle") else f"'{value}'"


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class _Run:
    def __init__(self, url: str, home: str) -> None:
        self._url = DatabaseUrl.parse(url)
        self._home = Path(home)
        self._figures = Figures()
        self._returned: dict[int, float] = {}
        self._begin = threading.Barrier(WORKERS)

    def figures(self, environment: Mapping[str, str]) -> Figures:
        with _environment(environment):
            connection = PatientConnection(self._url)
            text = (
                f"study: {STUDY}\nobjective: {{python: a:b}}\nmetrics: {{value: minimize}}\n"
                f"search_space: {{x: {{float: [0, 1]}}, size: {{choice: {CHOICES}}}}}\n"
                f"budget: {{trials: {ASKED}}}\n"
            )
            create_or_resume(connection, read_study_file(text), "matrix")
            self._study_id = find_study_id(connection, STUDY)
            self._lose_one()
            threads = [threading.Thread(target=self._work, args=(number,)) for number in range(WORKERS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self._count(connection)
        return self._figures

    def _lose_one(self) -> None:
        now = [0.0]
        with _environment({"PGTZ": "Asia/Tokyo"}):
            lost = PatientConnection(self._url)
            attempt_id = new_attempt_id()
            worker = self._register(lost, "lost")
            for _ in range(2):  # the answer to the first one was lost
                claim_trial(lost.run, self._study_id, worker, attempt_id)
        with _environment({"PGTZ": "America/St_Johns"}):
            finder = PatientConnection(self._url)
            reaper = Reaper(
                finder.run,
                self._study_id,
                "reaper",
                lambda _, history: "retry" if len(history) < 3 else "none",
                interval=timedelta(seconds=_GRACE_S / 3),
                grace=timedelta(seconds=_GRACE_S),
                is_gone=lambda _: False,
                clock=lambda: now[0],
            )
            while now[0] <= _GRACE_S:
                reaper.look()
                now[0] += _GRACE_S / 6
        again = claim_trial(lost.run, self._study_id, worker, attempt_id)
        self._figures.is_lost_one_retried = getattr(again, "root_number", None) == 0 and again.number == 1  # type: ignore[union-attr]
        self._reap_at_once(finder, again)

    def _reap_at_once(self, connection: Connection, attempt: object) -> None:
        """The lost worker's second attempt goes to the queue again, for the four."""
        reaper = Reaper(
            connection.run,
            self._study_id,
            "reaper",
            lambda *_: "requeue",
            interval=timedelta(seconds=1),
            grace=timedelta(seconds=2),
            is_gone=lambda worker: worker.worker_id == "lost",
        )
        reaper.look()

    def _register(self, connection: Connection, name: str) -> WorkerIdentity:
        worker = WorkerIdentity(name, "here", 1, "boot", "1", "cpu")
        orders.register_worker(connection.run, self._study_id, worker)
        return worker

    def _work(self, number: int) -> None:
        try:
            storage = WorkerStorage(
                self._url, WorkerIdentity(f"w{number}", "here", number, "boot", "1", "cpu"), home=self._home
            )
            self._register(storage.connection, f"w{number}")
            study = optuna.load_study(
                study_name=STUDY, storage=storage, sampler=optuna.samplers.RandomSampler(seed=number)
            )
            self._begin.wait(60)
            self._until_done(storage, study)
        except Exception as error:  # noqa: BLE001  (a worker that dies is what is counted)
            self._figures.errors.append(repr(error))
            self._begin.abort()
        else:
            self._figures.workers_alive += 1

    def _until_done(self, storage: WorkerStorage, study: optuna.Study) -> None:
        def objective(trial: optuna.Trial) -> float:
            x = trial.suggest_float("x", 0, 1)
            trial.suggest_categorical("size", CHOICES)
            trial.report(x / 3, 1)
            trial.set_user_attr("note", NOTE)
            orders = beat(storage.run, storage.worker, storage.attempt)
            assert orders is not None, "the worker is registered"
            assert orders.is_owner, "the trial is the attempt's own"
            self._returned[trial.number] = x
            return x

        while True:
            try:
                study.optimize(objective, n_trials=1)
            except NothingToClaim as nothing:
                if nothing.answer.kind != "wait":
                    return

    def _count(self, connection: Connection) -> None:
        self._figures.finished = orders.count_budget(connection.run, self._study_id).finished
        [(self._figures.numbers_given_twice,)] = connection.run(
            "SELECT count(*) - count(DISTINCT number) FROM trials WHERE study_id = %s", (self._study_id,)
        )
        trials = self._completed()
        self._figures.is_read_as_written = len(trials) == ASKED and all(
            trial.value == trial.params["x"] == self._returned[trial.number]
            and trial.intermediate_values == {1: self._returned[trial.number] / 3}
            and trial.user_attrs == {"note": NOTE}
            and trial.params["size"] in CHOICES
            for trial in trials
        )

    def _completed(self) -> list[optuna.trial.FrozenTrial]:
        while True:
            with contextlib.suppress(TransientDatabaseError):  # a session that may be idle for 80 ms only
                study = optuna.load_study(study_name=STUDY, storage=open_storage(self._url.sqlalchemy))
                return study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))


def main() -> None:
    """Print the table, each row as soon as it is known."""
    from tests.postgres import open_run_folder, private_server, shared_server

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("hpotool").setLevel(logging.CRITICAL)
    with open_run_folder():
        server, of_its_own = shared_server(), private_server()
        columns = "| {:<58} | {:>8} of {:<2} | {:>5} | {:>7} of {} | {:<7} | {:<10} |"
        print(columns.format("setting", "finished", "", "twice", "workers", "", "retried", "as written"))  # noqa: T201
        for setting in SETTINGS:
            if setting.since > major_version(server):
                continue
            found = try_setting(of_its_own if setting.server else server, setting)
            told = ("yes" if is_so else "NO" for is_so in (found.is_lost_one_retried, found.is_read_as_written))
            figures = (found.finished, ASKED, found.numbers_given_twice, found.workers_alive, WORKERS, *told)
            print(columns.format(setting.name, *figures), *found.errors, flush=True)  # noqa: T201


def major_version(server: TestServer) -> int:
    """Of the server's Postgres."""
    with contextlib.closing(psycopg2.connect(server.url("postgres"))) as connection:
        return int(connection.server_version) // 10_000


if __name__ == "__main__":
    main()
