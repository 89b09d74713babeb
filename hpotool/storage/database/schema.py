"""hpotool's own tables: installed by whoever comes first, checked by everybody, upgraded when somebody says so.

Every process asks `check_schema` before it writes; a worker never writes to a schema that is not the one it was
written for. Installing and upgrading are one transaction each, under one advisory lock, so that any number of
processes may try at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files

from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the class is lower-case there)

from hpotool.errors import HpotoolError
from hpotool.storage.database.connection import (
    Connection,
    as_database_error,
    open_psycopg,
    read_facts,
    transaction_settings,
)
from hpotool.storage.database.queries import query
from hpotool.storage.database.tables import install_optunas_tables
from hpotool.storage.database.url import DatabaseUrl

_LOCK = 0x68706F746F6F6C  # "hpotool"; a transaction's lock, which PgBouncer in transaction mode can keep
_PATIENCE_WITH_OTHERS_S = 600  # who install or upgrade at the same time
_PATIENCE_WITH_TABLES_S = 30  # which somebody's open transaction holds: who waits for them stops every worker

_VERSION_QUERY = """
SELECT to_regclass('hpotool.schema_version') IS NOT NULL, to_regclass('trials') IS NOT NULL
"""


class SchemaError(HpotoolError):
    """The tables in the database are not the ones this hpotool was written for."""


def migrations() -> tuple[str, ...]:
    """The steps from an empty database to the newest schema; the version is how many were applied."""
    folder = files("hpotool.storage") / "sql" / "schema"
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return tuple((folder / name).read_text(encoding="utf-8") for name in names)


def ensure_schema(url: DatabaseUrl) -> None:
    """Install Optuna's tables and our own where they are missing; refuse what is older or newer.

    Raises:
        SchemaError: an older or newer hpotool made the tables.
        DatabaseUnreachableError: the database does not answer.
    """
    connection = Connection(url)
    try:
        installed = _installed_version(connection)
        if installed is None:
            _migrate(url, only_if_missing=True)
            installed = _installed_version(connection)
    finally:
        connection.close()
    _refuse_other_version(installed)


def check_schema(connection: Connection) -> None:
    """Refuse a database whose tables are missing, older or newer.

    Raises:
        SchemaError: with the command that helps.
    """
    _refuse_other_version(_installed_version(connection))


def upgrade_schema(url: DatabaseUrl) -> tuple[int, int]:
    """Bring the tables to the newest version; the version before and after. Safe while workers run.

    The numbers of a study's trials become unique by the database's own rule, where they are: see
    `numbers_given_twice`. That is no step of its own: workers of either release go on with it and without it.

    Raises:
        SchemaError: they were made by a newer hpotool.
    """
    before, after = _migrate(url, only_if_missing=False)
    _refuse_other_version(after)
    return before, after


def numbers_given_twice(connection: Connection) -> dict[str, list[int]]:
    """The numbers that several trials of a study have, by its name: while there are any, no rule forbids it."""
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
            f"the database has version {installed} of hpotool's tables, this hpotool needs {known}",
            "hpotool db upgrade",
        )
    if installed > known:
        raise SchemaError(
            f"a newer hpotool upgraded the database to version {installed} of its tables; this one knows {known}",
            "pip install --upgrade hpotool",
        )


def _migrate(url: DatabaseUrl, *, only_if_missing: bool) -> tuple[int, int]:
    with _locked_transaction(url) as cursor:
        cursor.execute(_VERSION_QUERY)
        has_own, has_optunas = cursor.fetchone() or (False, False)
        if not has_optunas:
            # On a connection of its own, which the lock keeps to one process at a time: Optuna creates its tables
            # without any, and two that do it at once fail.
            install_optunas_tables(url)
        cursor.execute(query("create_indexes"))
        before = 0
        if has_own:
            cursor.execute("SELECT version FROM hpotool.schema_version")
            [before] = cursor.fetchone() or (0,)
        steps = migrations()
        if before >= len(steps) or (before > 0 and only_if_missing):
            return before, before
        for step in steps[before:]:
            cursor.execute(step)
        cursor.execute(
            "INSERT INTO hpotool.schema_version (version) VALUES (%s)"
            " ON CONFLICT (only_row) DO UPDATE SET version = EXCLUDED.version, upgraded_at = clock_timestamp()",
            (len(steps),),
        )
        return before, len(steps)


@contextmanager
def _locked_transaction(url: DatabaseUrl) -> Iterator[Cursor]:
    with closing(open_psycopg(url)) as connection, as_database_error(connection, url):
        connection.set_session(isolation_level="READ COMMITTED", readonly=False)
        with connection, connection.cursor() as cursor:
            cursor.execute(transaction_settings(connection, read_facts(connection), _PATIENCE_WITH_OTHERS_S))
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            cursor.execute(f"SET LOCAL lock_timeout = '{_PATIENCE_WITH_TABLES_S}s'")
            yield cursor
