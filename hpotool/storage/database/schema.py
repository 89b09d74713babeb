"""hpotool's own tables: installed by the first process, checked by every process, upgraded only on request.

Every process calls `check_schema` before it writes, so a worker never writes to a schema of another version.
Installing and upgrading are one transaction each, under one advisory lock, so that any number of processes may try
at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files

from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the class is lower-case there)

from hpotool.errors import HpotoolError
from hpotool.storage.database.connection import (
    Connection,
    RefusedStatementError,
    as_database_error,
    open_psycopg,
    read_facts,
    transaction_settings,
)
from hpotool.storage.database.functions import hot_statements
from hpotool.storage.database.queries import query
from hpotool.storage.database.tables import install_optunas_tables
from hpotool.storage.database.url import DatabaseUrl

_LOCK = 0x68706F746F6F6C  # "hpotool"; a transaction-level lock, which works with PgBouncer in transaction mode
_PATIENCE_WITH_OTHERS_S = 600  # wait for other processes that install or upgrade
_PATIENCE_WITH_TABLES_S = (
    30  # wait for table locks held by open transactions, because this wait blocks every worker
)

_INSUFFICIENT_PRIVILEGE = "42501"

_VERSION_QUERY = """
SELECT to_regclass('hpotool.schema_version') IS NOT NULL, to_regclass('trials') IS NOT NULL
"""


class SchemaError(HpotoolError):
    """The tables in the database do not match this version of hpotool."""


def migrations() -> tuple[str, ...]:
    """The steps from an empty database to the newest schema; the version is the number of steps applied."""
    folder = files("hpotool.storage") / "sql" / "schema"
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return tuple((folder / name).read_text(encoding="utf-8") for name in names)


def ensure_schema(url: DatabaseUrl) -> None:
    """Install Optuna's tables and our own if they are missing; refuse older or newer tables.

    Also creates the functions of this release, if this role may: without them, everything works at a higher cost.

    Raises:
        SchemaError: the tables were created by an older or newer hpotool.
        DatabaseUnreachableError: the database does not answer.
    """
    connection = Connection(url)
    try:
        installed = _installed_version(connection)
        if installed is None:
            _migrate(url, only_if_missing=True)
            installed = _installed_version(connection)
        elif installed == len(migrations()) and connection.lacks_functions():
            _bring_functions(url)
    finally:
        connection.close()
    _refuse_other_version(installed)


def check_schema(connection: Connection) -> None:
    """Refuse a database whose tables are missing, older or newer.

    Raises:
        SchemaError: with the command to run as the hint.
    """
    _refuse_other_version(_installed_version(connection))


def upgrade_schema(url: DatabaseUrl) -> tuple[int, int]:
    """Upgrade the tables to the newest version; return the version before and after. Safe while workers run.

    Also makes the trial numbers of a study unique by an index, if they are (see `numbers_given_twice`), and
    creates the functions of this release that are missing (`functions.py`). Neither is a schema step, because
    workers of both releases work with and without them.

    Raises:
        SchemaError: the tables were created by a newer hpotool.
    """
    before, after = _migrate(url, only_if_missing=False)
    _refuse_other_version(after)
    return before, after


def numbers_given_twice(connection: Connection) -> dict[str, list[int]]:
    """Duplicate trial numbers, by study name; while there are any, the unique index cannot be created."""
    if connection.run(query("has_indexes"))[0][1]:
        return {}
    return dict(connection.run(query("find_numbers_given_twice")))


def _installed_version(connection: Connection) -> int | None:
    [(has_own, has_optunas)] = connection.run(_VERSION_QUERY)
    if not (has_own and has_optunas):
        return None
    [(version,)] = connection.run("SELECT version FROM hpotool.schema_version")
    return int(version)


def _refuse_other_version(installed: int | None) -> None:
    known = len(migrations())
    if installed is None:
        raise SchemaError("the database has no hpotool tables", "hpotool db upgrade")
    if installed < known:
        raise SchemaError(
            f"the database has version {installed} of hpotool's tables, but this hpotool needs {known}",
            "hpotool db upgrade",
        )
    if installed > known:
        raise SchemaError(
            f"a newer hpotool upgraded the database to version {installed} of its tables; this one needs {known}",
            "pip install --upgrade hpotool",
        )


def _migrate(url: DatabaseUrl, *, only_if_missing: bool) -> tuple[int, int]:
    with _locked_transaction(url) as cursor:
        cursor.execute(_VERSION_QUERY)
        has_own, has_optunas = cursor.fetchone() or (False, False)
        if not has_optunas:
            # On a separate connection, in one process at a time thanks to the lock: Optuna creates its tables
            # without a lock, and fails if two processes do so at once.
            install_optunas_tables(url)
        cursor.execute(query("create_indexes"))
        before = 0
        if has_own:
            cursor.execute("SELECT version FROM hpotool.schema_version")
            [before] = cursor.fetchone() or (0,)
        steps = migrations()
        if before > 0 and only_if_missing:
            return before, before
        if before >= len(steps):
            _create_functions(cursor)
            return before, before
        for step in steps[before:]:
            cursor.execute(step)
        cursor.execute(
            "INSERT INTO hpotool.schema_version (version) VALUES (%s)"
            " ON CONFLICT (only_row) DO UPDATE SET version = EXCLUDED.version, upgraded_at = clock_timestamp()",
            (len(steps),),
        )
        _create_functions(cursor)
        return before, len(steps)


def _bring_functions(url: DatabaseUrl) -> None:
    try:
        with _locked_transaction(url) as cursor:
            _create_functions(cursor)
    except RefusedStatementError as error:
        if error.pgcode != _INSUFFICIENT_PRIVILEGE:
            raise


def _create_functions(cursor: Cursor) -> None:
    """Create this release's functions. Those of earlier ones stay, because their workers may run on."""
    for hot in hot_statements():
        cursor.execute("SELECT to_regproc(%s) IS NULL", (f"hpotool.{hot.name}",))
        if cursor.fetchone() == (True,):
            cursor.execute(hot.definition)


@contextmanager
def _locked_transaction(url: DatabaseUrl) -> Iterator[Cursor]:
    with closing(open_psycopg(url)) as connection, as_database_error(connection, url):
        connection.set_session(isolation_level="READ COMMITTED", readonly=False)
        with connection, connection.cursor() as cursor:
            cursor.execute(transaction_settings(connection, read_facts(connection), _PATIENCE_WITH_OTHERS_S))
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            cursor.execute(f"SET LOCAL lock_timeout = '{_PATIENCE_WITH_TABLES_S}s'")
            yield cursor
