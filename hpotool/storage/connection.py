"""One connection to Postgres: one call is one round trip and one transaction.

Several statements in one string are sent together and are one transaction: all of them or none. In READ COMMITTED
each of them still has its own snapshot, so what follows a ``SELECT … FOR UPDATE`` sees what was committed while
it waited for the lock.

Nothing is kept in the session (no settings, prepared statements, advisory locks, LISTEN), so that it works
through PgBouncer in transaction mode.
"""

from __future__ import annotations

import os
import select
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812  (the class is lower-case there)

from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.url import DatabaseUrl

Parameters = Sequence[Any] | Mapping[str, Any]
Rows = list[tuple[Any, ...]]

# Classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html that pass by themselves:
# connection failures, rollbacks by deadlock, exhausted resources, shutdowns and starts of the server, a standby
# that is about to be promoted, a lock or idle timeout set by the server's owner.
_TRANSIENT_CLASSES = ("08", "40", "53")
_TRANSIENT_CODES = ("25006", "25P03", "55P03", "57P01", "57P02", "57P03", "57P05", "58000", "58030")

# libpq gives no code for a failed login, only the server's text. These do not pass by themselves.
_REFUSED = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "not support SSL",
)


class TransientDatabaseError(DatabaseUnreachableError):
    """The database was away or gave up on the transaction; the same call may succeed later.

    ``maybe_applied`` is true when the connection broke after the statements were sent: they may have been
    committed without our hearing of it. Otherwise nothing of them was applied.
    """

    def __init__(self, message: str, hint: str | None = None, *, maybe_applied: bool = False) -> None:
        super().__init__(message, hint)
        self.maybe_applied = maybe_applied


class Connection:
    """A connection that opens when first used, and again after it broke. Threads take turns.

    A forked child never touches its parent's connection: it opens its own.
    """

    def __init__(self, url: DatabaseUrl) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._open: PsycopgConnection | None = None
        own = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _forget_parents_connection(own))

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["url"])  # type: ignore[misc]

    def run(self, sql: str, params: Parameters = ()) -> Rows:
        """Run ``sql`` as one transaction in one round trip; the rows of its last statement.

        Nothing is tried twice here: whether it is safe to send the statements again is the caller's to know.

        Raises:
            TransientDatabaseError: the database is away or gave up; the next call opens a new connection.
            DatabaseUnreachableError: the login is refused or the database does not exist.
            psycopg2.Error: anything else, with its ``pgcode``; the connection stays usable.
        """
        return self.run_all([(sql, params)])

    def run_all(self, statements: Sequence[tuple[str, Parameters]]) -> Rows:
        """Run statements, each with its own parameters, as `run` runs one string."""
        with self._lock:
            connection = self._usable_connection()
            try:
                with connection.cursor() as cursor:
                    cursor.execute(b";\n".join(cursor.mogrify(sql, params or None) for sql, params in statements))
                    return cursor.fetchall() if cursor.description else []
            except psycopg2.Error as error:
                broken = connection.closed != 0
                if broken or connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                    # Left inside a transaction that the string itself began: the server rolls it back with us.
                    self._drop()
                if broken or is_transient_code(error.pgcode):
                    # A code means that the server itself answered with a rollback; silence means nobody knows.
                    maybe_applied = broken and error.pgcode is None
                    raise TransientDatabaseError(self._sentence(error), maybe_applied=maybe_applied) from error
                raise

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        with self._lock:
            self._drop()

    def _usable_connection(self) -> PsycopgConnection:
        # An idle connection has nothing to read, unless the server closed it: then nothing was sent yet, and a
        # new connection costs nobody a failed call.
        if self._open is not None and (self._open.closed or _has_something_to_read(self._open)):
            self._drop()
        if self._open is None:
            self._open = self._connect()
        return self._open

    def _connect(self) -> PsycopgConnection:
        try:
            connection = psycopg2.connect(self.url.libpq)
        except psycopg2.OperationalError as error:
            refused = any(reason in str(error) for reason in _REFUSED)
            # Without its cause: libpq's text is in the sentence, and a cause could show what the sentence hides.
            if refused:
                raise DatabaseUnreachableError(self._sentence(error), "check the storage URL") from None
            raise TransientDatabaseError(self._sentence(error), "start it, or check the storage URL") from None
        connection.autocommit = True
        return connection

    def _drop(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _sentence(self, error: psycopg2.Error) -> str:
        reason = " ".join(str(error).split()) or type(error).__name__
        password = self.url.url.password
        if password:
            reason = reason.replace(str(password), "***")
        return f"the database {self.url} does not answer: {reason}"


def is_transient_code(pgcode: str | None) -> bool:
    """Whether an error with this SQLSTATE passes by itself."""
    return pgcode is not None and (pgcode[:2] in _TRANSIENT_CLASSES or pgcode in _TRANSIENT_CODES)


def _has_something_to_read(connection: PsycopgConnection) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _forget_parents_connection(reference: weakref.ref[Connection]) -> None:
    connection = reference()
    if connection is not None:
        # psycopg2 does not close a connection of another process when its object goes away.
        connection._lock = threading.Lock()
        connection._open = None
