"""Optuna's tables: created if missing, checked if present, with two additional indexes.

Optuna itself does everything except the indexes, so that its own tools find the tables they expect.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress

from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812  (the class is lower-case there)

from hpotool.errors import InputError
from hpotool.storage.database.connection import Connection, RefusedStatementError, open_psycopg
from hpotool.storage.database.queries import query
from hpotool.storage.database.url import DatabaseUrl

# The last revision of Optuna's schema, unchanged since Optuna 3.2. Optuna itself decides on any other.
_KNOWN_REVISION = "v3.2.0.a"
_MOST_ATTEMPTS = 40

_INSUFFICIENT_PRIVILEGE = "42501"


def prepare_tables(connection: Connection) -> None:
    """Make Optuna's tables ready for use, however many processes do so at the same time.

    Raises:
        InputError: the tables belong to another version of Optuna.
    """
    if not connection.run(query("has_optuna_tables"))[0][0] or not _is_known(connection):
        _create(connection)
    if not connection.run(query("has_indexes"))[0][0]:
        _create_indexes(connection, query("create_indexes"))


def _is_known(connection: Connection) -> bool:
    return connection.run(query("read_revision")) == [(_KNOWN_REVISION,)]


def _create(connection: Connection) -> None:
    from sqlalchemy.exc import DBAPIError

    # Optuna creates its tables in several transactions. If two processes do so at once, one of them finds
    # objects that did not exist when it checked. Each such error means that the other has made progress, so
    # check again. A lock would need a second connection, which a small pool may not have.
    for _ in range(_MOST_ATTEMPTS):
        with suppress(DBAPIError):
            return install_optunas_tables(connection.url)
        time.sleep(random.uniform(0.05, 0.25))
    return install_optunas_tables(connection.url)


def install_optunas_tables(url: DatabaseUrl) -> None:
    """Have Optuna create or check its tables, in READ COMMITTED whatever the default is.

    Raises:
        InputError: they belong to another version of Optuna.
    """
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import NullPool

    def connect() -> PsycopgConnection:
        connection = open_psycopg(url)
        connection.set_session(isolation_level="READ COMMITTED", readonly=False)
        return connection

    try:
        RDBStorage(url.sqlalchemy, engine_kwargs={"poolclass": NullPool, "creator": connect})
    except RuntimeError as error:
        raise InputError(str(error), "optuna storage upgrade --storage URL") from error


def _create_indexes(connection: Connection, sql: str) -> None:
    try:
        connection.run(sql)
    except RefusedStatementError as error:
        # The indexes only improve speed: a role that may not create them still works correctly.
        if error.pgcode != _INSUFFICIENT_PRIVILEGE:
            raise
