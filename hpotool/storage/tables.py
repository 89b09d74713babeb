"""Optuna's tables: made where they are missing, checked where they are there, with two indexes of ours.

Everything but the indexes is done by Optuna itself, so that its own tools find what they expect.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress

import psycopg2

from hpotool.errors import InputError
from hpotool.storage.connection import Connection
from hpotool.storage.queries import optuna_query

# The last revision of Optuna's schema, unchanged since Optuna 3.2. Any other is for Optuna to judge.
_KNOWN_REVISION = "v3.2.0.a"
_MOST_ATTEMPTS = 40

_INSUFFICIENT_PRIVILEGE = "42501"
_READ_ONLY = "25006"


def prepare_tables(connection: Connection) -> None:
    """Leave Optuna's tables ready for use, however many processes ask for it at the same time.

    Raises:
        InputError: the tables belong to another version of Optuna.
    """
    if not connection.run(optuna_query("has_optuna_tables"))[0][0] or not _is_known(connection):
        _create(connection)
    if not connection.run(optuna_query("has_indexes"))[0][0]:
        _create_indexes(connection, optuna_query("create_indexes"))


def _is_known(connection: Connection) -> bool:
    return connection.run(optuna_query("read_revision")) == [(_KNOWN_REVISION,)]


def _create(connection: Connection) -> None:
    from sqlalchemy.exc import DBAPIError

    # Optuna creates its tables in several transactions. When two processes do so at once, one of them meets
    # objects that were not there when it looked. Each meeting means that the other got further: look again.
    # A lock around it would need a second connection, which a small pool may not have.
    for _ in range(_MOST_ATTEMPTS):
        with suppress(DBAPIError):
            return _let_optuna_prepare(connection)
        time.sleep(random.uniform(0.05, 0.25))
    return _let_optuna_prepare(connection)


def _let_optuna_prepare(connection: Connection) -> None:
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import NullPool

    try:
        RDBStorage(connection.url.sqlalchemy, engine_kwargs={"poolclass": NullPool})
    except RuntimeError as error:
        raise InputError(str(error), "optuna storage upgrade --storage URL") from error


def _create_indexes(connection: Connection, sql: str) -> None:
    try:
        connection.run(sql)
    except psycopg2.Error as error:
        # Slower without them, and no less right: who may only read, or may not add to the tables, still works.
        if error.pgcode not in (_INSUFFICIENT_PRIVILEGE, _READ_ONLY):
            raise
