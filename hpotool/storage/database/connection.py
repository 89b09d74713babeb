"""A connection to Postgres on which every call is one round trip and one transaction.

Several statements in one string are sent together as one transaction: all of them take effect, or none. It is READ
COMMITTED regardless of the settings of the server, the database, the role or the environment: each statement has
its own snapshot, so a statement after a ``SELECT … FOR UPDATE`` sees everything committed while that waited for
the lock. All other settings that could change the meaning of a statement are set in the same string
(`transaction_settings`).

No state is kept in the session (no settings, prepared statements, advisory locks or LISTEN), so it works through
PgBouncer in transaction mode. Where the database has a function for a statement (`functions.py`), that is called.
"""

from __future__ import annotations

import os
import select
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import psycopg2
import psycopg2.errors
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, quote_ident
from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812  (the class is lower-case there)

from hpotool.errors import EXIT_WRONG_INPUT, DatabaseUnreachableError, HpotoolError, InputError
from hpotool.storage.database.functions import calls_of, function_names
from hpotool.storage.database.queries import query
from hpotool.storage.database.url import HOW_TO_WRITE, DatabaseUrl

Parameters = Sequence[Any] | Mapping[str, Any]
Rows = list[tuple[Any, ...]]

# Transient classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html: connection
# failures, rollbacks by deadlock or serialization, exhausted resources, shutdown and start of the server, a
# standby that is about to be promoted, a cancelled statement or ended session, and timeouts that a server's owner
# may set.
_TRANSIENT_CLASSES = ("08", "40", "53")
_TRANSIENT_CODES = (
    "25006", "25P03", "25P04", "55P03", "57014", "57P01", "57P02", "57P03", "57P04", "57P05", "58000", "58030",
)  # fmt: skip
# The data of the statement can never be stored: values, constraints, limits.
_DATA_CLASSES = ("22", "23", "54")
_NOT_SUPPORTED = "0A000"
_OUT_OF_RANGE = "22003"
_CANCELLED_FOR_S = 1.0
UNDEFINED_TABLE = "42P01"
_HINTS = {
    "42501": "docs/operations.md lists the privileges that a role needs, under Roles and privileges",
    UNDEFINED_TABLE: "hpotool's tables are missing or of another version: hpotool db upgrade",
    "42703": "the tables of hpotool are of another version: hpotool db upgrade",
    "42883": "the tables of hpotool are of another version: hpotool db upgrade",
    "3F000": "hpotool's tables are missing: hpotool db upgrade",
}

# For a failed login, libpq gives only the server's text, without a code. These failures are permanent.
_REFUSED = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "not support SSL",
    "unsupported startup parameter",
    "definition of service",
)

# SQL_ASCII stores our UTF-8 unchanged. Other encodings cannot represent every text that a trial writes.
_ENCODINGS = ("UTF8", "SQL_ASCII")

_READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"


class TransientDatabaseError(DatabaseUnreachableError):
    """The database was away, or aborted the transaction; the same call may succeed later.

    ``maybe_applied`` is true if the connection broke after the statements were sent: they may have been committed
    without an answer. Otherwise, none of them was applied.
    """

    def __init__(self, message: str, hint: str | None = None, *, maybe_applied: bool = False) -> None:
        super().__init__(message, hint)
        self.maybe_applied = maybe_applied


class RefusedStatementError(HpotoolError):
    """The database answered, but refused: tables or privileges are missing. Nothing was applied."""

    def __init__(self, message: str, hint: str | None = None, *, pgcode: str | None = None) -> None:
        super().__init__(message, hint)
        self.pgcode = pgcode


class RefusedDataError(RefusedStatementError):
    """The database can never store the data of the statements. Nothing was applied.

    A command fails with it if what was typed cannot be stored.
    """

    exit_code = EXIT_WRONG_INPUT


@dataclass(frozen=True)
class DatabaseFacts:
    """Facts that a connection reads when it opens."""

    schema: str  # where Optuna's tables are, or would be created
    is_commit_asynchronous: bool
    functions: tuple[str, ...] = ()  # of this release, as far as the database has them


def open_psycopg(url: DatabaseUrl) -> PsycopgConnection:
    """Open a new psycopg2 connection with UTF-8 as the client encoding.

    Raises:
        TransientDatabaseError: the database does not answer.
        DatabaseUnreachableError: the database refuses the login, or does not exist.
        InputError: libpq does not understand the URL, or the database's encoding is not supported.
    """
    try:
        # Overrides PGCLIENTENCODING and the role's setting, under which text could be refused.
        connection = psycopg2.connect(url.libpq, client_encoding="UTF8")
    except psycopg2.ProgrammingError as error:
        reason = " ".join(str(error).removeprefix("invalid dsn: ").split())
        said = f"the storage URL {url} cannot be used: {_without_password(url, reason)}"
        raise InputError(said, HOW_TO_WRITE) from None
    except psycopg2.OperationalError as error:
        refused = str(error).startswith("invalid ") or any(reason in str(error) for reason in _REFUSED)
        # Without a cause: libpq's text is in the message, and the cause could show the password that the message
        # hides.
        if refused:
            raise DatabaseUnreachableError(_sentence(url, error), "check the storage URL") from None
        raise TransientDatabaseError(_sentence(url, error), "start it, or check the storage URL") from None
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in _ENCODINGS:
        connection.close()
        hint = f"createdb --encoding UTF8 --template template0 {url.url.database}_utf8"
        raise InputError(f"the database {url} has the encoding {encoding}, but hpotool needs UTF8", hint)
    return connection


def transaction_settings(connection: PsycopgConnection, facts: DatabaseFacts, lock_timeout_s: int) -> str:
    """The settings for each transaction after READ COMMITTED, so that no outside setting can break a guarantee.

    ``lock_timeout_s`` limits how long a statement waits for a lock, so that one stuck session cannot block others
    for ever.

    One ``SET LOCAL`` costs 2 µs of the server's time (measured); all of them end with the transaction.
    """
    # Names refer to Optuna's tables and Postgres's functions, whatever other schemas contain.
    settings = {"search_path": f"{quote_ident(facts.schema, connection)}, pg_temp"}
    settings["lock_timeout"] = f"'{lock_timeout_s}s'"
    if facts.is_commit_asynchronous:
        settings["synchronous_commit"] = "on"  # a confirmed commit survives a crash of the server
    return f"{_patience(connection)};\n{_set_local(settings)}"


def read_facts(connection: PsycopgConnection) -> DatabaseFacts:
    """Ask the database where Optuna's tables are, for its synchronous_commit, and for its functions."""
    sql = f"{_READ_COMMITTED};\n{_patience(connection)};\n{query('database_facts')}"
    asked = {"functions": list(function_names())}
    [(schema, is_commit_asynchronous, functions)] = _execute(connection, _put_together(connection, [(sql, asked)]))
    return DatabaseFacts(schema, is_commit_asynchronous, tuple(functions))


def _patience(connection: PsycopgConnection) -> str:
    settings = {
        "statement_timeout": "0",  # reading a history may take long; waiting is limited by lock_timeout
        "jit": "off",  # none of our queries benefits from compilation
        "extra_float_digits": "1",  # so that floats read back as they were written
    }
    if connection.server_version >= 170_000:
        settings["transaction_timeout"] = "0"
    return _set_local(settings)


def _set_local(settings: Mapping[str, str]) -> str:
    return ";\n".join(f"SET LOCAL {name} = {value}" for name, value in settings.items())


class Connection:
    """A connection that opens on first use, and reopens after it broke. Threads take turns.

    A forked child never touches its parent's connection: it opens its own.
    """

    lock_timeout_s = 60

    def __init__(self, url: DatabaseUrl) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._forget()
        own = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _forget_parents_connection(own))

    def _forget(self) -> None:
        self._open: PsycopgConnection | None = None
        self._facts: DatabaseFacts | None = None
        self._settings = ""
        self._calls: Mapping[str, str] = {}  # of functions, by the statements that they stand for

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["url"])  # type: ignore[misc]

    def run(self, sql: str, params: Parameters = ()) -> Rows:
        """Run ``sql`` as one transaction in one round trip; return the rows of its last statement.

        Does not retry, because only the caller knows whether it is safe to send the statements again.

        Raises:
            TransientDatabaseError: the database is away or aborted; the next call opens a new connection.
            DatabaseUnreachableError: the login is refused, or the database does not exist.
            RefusedDataError: the statement's data cannot be stored.
            RefusedStatementError: any other error, with its ``pgcode``; the connection remains usable.
        """
        return self.run_all([(sql, params)])

    def run_all(self, statements: Sequence[tuple[str, Parameters]]) -> Rows:
        """Like `run`, for several statements, each with its own parameters."""
        with self._lock:
            connection = self._usable_connection()
            try:
                called = [(self._calls.get(sql, sql), params) for sql, params in statements]
                try:
                    return self._send(connection, called)
                except (psycopg2.errors.UndefinedFunction, psycopg2.errors.InsufficientPrivilege):
                    if called == list(statements):
                        raise
                    # Somebody took the functions away since the connection was opened. Nothing was done yet.
                    self._calls = {}
                    return self._send(connection, statements)
            except psycopg2.Error as error:
                raise self._judged(connection, error) from error

    def _send(self, connection: PsycopgConnection, statements: Sequence[tuple[str, Parameters]]) -> Rows:
        sent = _put_together(connection, statements)
        try:
            return _execute(connection, f"{_READ_COMMITTED}, READ WRITE;\n{self._settings};\n".encode() + sent)
        except psycopg2.errors.FeatureNotSupported:
            # A standby refuses READ WRITE itself: there, reads are answered and writes get error 25006.
            return _execute(connection, f"{_READ_COMMITTED};\n{self._settings};\n".encode() + sent)

    def identify(self) -> str:
        """The database's identity: the same through every address and port, different for every database."""
        try:
            [(identity,)] = self.run(query("database_identity"))
        except RefusedStatementError:  # some providers hide the cluster's identifier
            return f"{self.url.url.host}:{self.url.url.port}/{self.url.url.database}"
        return str(identity)

    def lacks_functions(self) -> bool:
        """Whether the database had not all functions of this release when the connection opened."""
        with self._lock:
            self._usable_connection()
            return len(self._calls) < len(function_names())

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        with self._lock:
            self._drop()

    def _judged(self, connection: PsycopgConnection, error: psycopg2.Error) -> HpotoolError:
        """Translate an error for the caller; drop the connection if it may be unusable."""
        judged = _database_error(self.url, connection, error)
        if connection.closed or connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
            # The error occurred inside a transaction that the string itself began; closing makes the server roll
            # back.
            self._drop()
        return judged

    def _usable_connection(self) -> PsycopgConnection:
        # An idle connection has data to read only if the server closed it. Nothing was sent yet, so opening a new
        # connection avoids a failed call.
        if self._open is not None and (self._open.closed or _has_something_to_read(self._open)):
            self._drop()
        if self._open is None:
            connection = open_psycopg(self.url)
            connection.autocommit = True
            try:
                self._facts = read_facts(connection)
            except psycopg2.Error as error:
                judged = _database_error(self.url, connection, error)
                connection.close()
                raise judged from error
            self._settings = transaction_settings(connection, self._facts, self.lock_timeout_s)
            self._calls = calls_of(self._facts.functions)
            self._open = connection
        return self._open

    def _drop(self) -> None:
        if self._open is not None:
            self._open.close()
            self._forget()


@contextmanager
def as_database_error(connection: PsycopgConnection, url: DatabaseUrl) -> Iterator[None]:
    """Translate psycopg2's errors as in `Connection.run`."""
    try:
        yield
    except psycopg2.Error as error:
        raise _database_error(url, connection, error) from error


def _database_error(url: DatabaseUrl, connection: PsycopgConnection, error: psycopg2.Error) -> HpotoolError:
    if connection.closed or is_transient_code(error.pgcode):
        # With a code, the server itself answered with a rollback; without one, the outcome is unknown.
        maybe_applied = connection.closed != 0 and error.pgcode is None
        return TransientDatabaseError(_sentence(url, error), maybe_applied=maybe_applied)
    code = error.pgcode or ""
    refused = RefusedDataError if code[:2] in _DATA_CLASSES else RefusedStatementError
    reason = error.diag.message_primary or str(error)
    if code == _OUT_OF_RANGE:
        reason = f"a number is too large ({reason})"
    return refused(f"the database {url} refused: {reason}", _HINTS.get(code), pgcode=error.pgcode)


def _put_together(connection: PsycopgConnection, statements: Sequence[tuple[str, Parameters]]) -> bytes:
    """The statements as one string.

    Raises:
        RefusedDataError: a text has a character that Postgres cannot store (NUL, half of a surrogate pair).
    """
    try:
        with connection.cursor() as cursor:
            return b";\n".join(cursor.mogrify(sql, params or None) for sql, params in statements)
    except UnicodeEncodeError as error:
        raise RefusedDataError(
            f"a text cannot be stored: {error.object[error.start]!r} is no character"
        ) from error
    except ValueError as error:
        raise RefusedDataError(f"a text cannot be stored: {error}") from error


def _execute(connection: PsycopgConnection, statements: bytes) -> Rows:
    """Run them; if they are cancelled, run them again for up to a second. What is cancelled was rolled back.

    The statement_timeout of a role or a database may be a millisecond, and holds until the statements lift it.
    """
    until = time.monotonic() + _CANCELLED_FOR_S
    while True:
        try:
            with connection.cursor() as cursor:
                cursor.execute(statements)
                return cursor.fetchall() if cursor.description else []
        except psycopg2.errors.QueryCanceled:
            is_rolled_back = connection.info.transaction_status == TRANSACTION_STATUS_IDLE
            if not is_rolled_back or time.monotonic() > until:
                raise


def _sentence(url: DatabaseUrl, error: psycopg2.Error) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"the database {url} does not answer: {_without_password(url, reason)}"


def _without_password(url: DatabaseUrl, text: str) -> str:
    # libpq shows a password only as part of a whole URL. The same letters elsewhere are an ordinary word.
    for password in {url.url.password, quote(url.url.password or "", safe="")} - {None, ""}:
        text = text.replace(f":{password}@", ":***@")
    return text


def is_transient_code(pgcode: str | None) -> bool:
    """Whether an error with this SQLSTATE is transient."""
    return pgcode is not None and (pgcode[:2] in _TRANSIENT_CLASSES or pgcode in _TRANSIENT_CODES)


def _has_something_to_read(connection: PsycopgConnection) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _forget_parents_connection(reference: weakref.ref[Connection]) -> None:
    connection = reference()
    if connection is not None:
        # psycopg2 does not close a connection of another process when its object is deleted.
        connection._lock = threading.Lock()
        connection._forget()
