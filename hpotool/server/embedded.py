"""The embedded Postgres: one server per home folder, started when it is first needed, running until it is stopped.

However many processes start it at once, there is only one server. It listens on loopback until it is opened to
other machines, requires a password for every connection, keeps committed data through a power cut, and survives
the terminal.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg2
from psycopg2 import extensions, sql

from hpotool.errors import DatabaseUnreachableError, NotFoundError
from hpotool.server.account import make_reachable, server_account
from hpotool.server.binaries import Binaries, find_binaries
from hpotool.server.cluster import ServerFailedError
from hpotool.server.folder import LOOPBACK, Listening, ServerFolder, explained_file_errors
from hpotool.server.network import (
    EVERY_ADDRESS,
    access_rules,
    address_for_others,
    free_port,
    require_address,
    require_open,
    wanted_listening,
)
from hpotool.storage.database.url import DatabaseUrl

USER = "hpotool"
DATABASE = "hpotool"
SUPERUSER = "hpotool_admin"
_LOG_LIMIT = 10_000_000
_PORT_TAKEN = "Address already in use"
_MOST_PORTS_TRIED = 5

_SETTINGS: dict[str, str | int] = {
    "max_connections": 200,
    "password_encryption": "scram-sha-256",
    "unix_socket_directories": "",
    "log_line_prefix": "%m [%p] %u@%d %h ",
    "log_checkpoints": "off",
    # A machine that vanished must not hold a study's row lock for two hours, the kernel's default timeout.
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
    "idle_in_transaction_session_timeout": "5min",
}


State = Literal["running", "stopped", "absent", "elsewhere"]


@dataclass(frozen=True)
class Started:
    """What ``start`` found or did. ``moved_from`` is the former port if another program has taken it."""

    url: DatabaseUrl
    url_for_others: DatabaseUrl | None
    was_running: bool
    was_created: bool
    moved_from: int | None


@dataclass(frozen=True)
class Status:
    """The state of the server, determined without changing anything.

    ``elsewhere``: another machine or container, named ``host``, runs the server of this home folder.
    """

    state: State
    host: str | None
    process_id: int | None
    version: int | None
    listening: Listening | None
    data: Path
    log: Path


class EmbeddedPostgres:
    """The embedded Postgres of the folder ``home``. Prints nothing; commands print the returned data.

    Every method raises DatabaseUnreachableError with a message and a hint if the machine has a problem: no
    programs, no space, no permissions, data of another version, a server of the same home folder on another
    machine.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = ServerFolder(home, server_account())

    def start(self, listen: str | None = None, allow: Sequence[str] = ()) -> Started:
        """Make sure that the server runs and listens as requested, or else as before; create it if necessary.

        Raises:
            InputError: ``listen`` is not an address of this machine, or ``allow`` is not a list of networks.
        """
        with explained_file_errors(self._home), self._folder.locked():
            before = self._folder.read_listening()
            address, networks = wanted_listening(before, listen, allow)
            self._folder.prepare()
            cluster = self._folder.cluster
            was_running = cluster.process_id() is not None
            was_created = cluster.version() is None
            if was_running and before is not None and cluster.port() == before.port:
                self._listen_anew(before, Listening(before.port, address, networks))
            else:
                cluster.stop()  # the last start was interrupted before it had stored everything
                self._start(address, networks, before.port if before else None)
            now = self._listening()
            moved_from = before.port if before and before.port != now.port else None
            for_others = self._url(now, address_for_others(now.address)) if now.is_open else None
            return Started(self._url(now), for_others, was_running, was_created, moved_from)

    def stop(self) -> bool:
        """Stop the server if it is running; return whether it was."""
        with explained_file_errors(self._home):
            if not self._folder.path.exists():
                return False
            with self._folder.locked():
                was_running = self._folder.cluster.stop()
                with self._folder.server_lock():  # a server elsewhere is not stopped, which raises an error
                    return was_running

    def destroy(self) -> bool:
        """Stop the server and permanently delete its data; return whether there was any."""
        with explained_file_errors(self._home):
            if not self._folder.path.exists():
                return False
            with self._folder.locked():
                was_there = self._folder.cluster.version() is not None
                self._folder.cluster.stop(signal.SIGQUIT)  # no data has to be preserved
                with self._folder.server_lock():  # and the data of a server elsewhere is not deleted
                    self._folder.remove()
                return was_there

    def status(self) -> Status:
        """The state of the server; starts, creates and waits for nothing."""
        with explained_file_errors(self._home):
            cluster = self._folder.cluster
            process_id, version = cluster.process_id(), cluster.version()
            host = self._folder.server_host()
            state: State = "stopped"
            if process_id is not None:
                state = "running"
            elif version is None:
                state = "absent"
            elif host is not None:
                state = "elsewhere"
            listening = self._folder.read_listening()
            return Status(state, host, process_id, version, listening, cluster.data, cluster.log)

    def url(self) -> DatabaseUrl:
        """The database's URL on this machine, whether the server runs or not.

        Raises:
            NotFoundError: there is no embedded Postgres yet.
        """
        with explained_file_errors(self._home):
            return self._url(self._listening())

    def url_for_others(self) -> DatabaseUrl:
        """The database's URL on the machines that ``allow`` admits.

        Raises:
            NotFoundError: there is no embedded Postgres yet.
            DatabaseUnreachableError: it listens to this machine only.
        """
        with explained_file_errors(self._home):
            listening = self._listening()
            require_open(listening)
            return self._url(listening, address_for_others(listening.address))

    def _start(self, address: str, networks: tuple[str, ...], preferred_port: int | None) -> None:
        require_address(address)
        cluster = self._folder.cluster
        binaries = self._binaries()
        with self._folder.server_lock() as descriptor:
            if cluster.version() is None:
                _, superuser_password = self._folder.make_passwords()
                cluster.initialise(binaries, SUPERUSER, superuser_password, pass_fds=(descriptor,))
            # The lock proves that no server is running. A pid file from before a reboot may now name another
            # process of this user, and Postgres would refuse to start.
            cluster.forget_process()
            if cluster.log_size() > _LOG_LIMIT:
                cluster.put_log_aside()
            listening = self._start_on_free_port(binaries, address, networks, preferred_port, descriptor)
        self._create_database(listening.port)
        self._folder.write_listening(listening)

    def _start_on_free_port(
        self, binaries: Binaries, address: str, networks: tuple[str, ...], preferred: int | None, descriptor: int
    ) -> Listening:
        tried: list[int] = []
        while True:
            listening = Listening(free_port(address, preferred, but=tried), address, networks)
            self._configure(listening)
            try:
                logged = self._folder.cluster.start(binaries, pass_fds=(descriptor,))
            except ServerFailedError as error:
                if _PORT_TAKEN not in error.output or len(tried) == _MOST_PORTS_TRIED:
                    raise
            else:
                if _PORT_TAKEN not in logged:
                    return listening
                # Postgres accepts one of several addresses, but another program has this port on the others.
                self._folder.cluster.stop()
            # Another program took the port between the check and the start.
            tried.append(listening.port)

    def _listen_anew(self, before: Listening, after: Listening) -> None:
        if after.address != before.address:
            self._folder.cluster.stop()
            self._start(after.address, after.allow, before.port)
        elif after != before:
            self._configure(after)
            self._folder.cluster.reload()
            self._folder.write_listening(after)

    def _configure(self, listening: Listening) -> None:
        # "Every address" includes loopback, which cannot be bound twice.
        every = listening.address == EVERY_ADDRESS
        addresses = EVERY_ADDRESS if every else ",".join(dict.fromkeys((LOOPBACK, listening.address)))
        self._folder.cluster.configure(_SETTINGS | {"listen_addresses": addresses, "port": listening.port})
        self._folder.cluster.admit(access_rules(listening, SUPERUSER, USER, DATABASE))

    def _binaries(self) -> Binaries:
        """Programs of the version that created the data, or of the preferred version for new data."""
        version = self._folder.cluster.version()
        try:
            binaries = find_binaries(version)
        except DatabaseUnreachableError as error:
            if version is None:
                raise
            raise DatabaseUnreachableError(
                f"the data in {self._folder.cluster.data} is of Postgres {version}: {error.message}",
                f"install PostgreSQL {version}, or delete the data with: hpotool db destroy",
            ) from error
        return make_reachable(binaries, self._folder.account, self._folder.programs)

    def _create_database(self, port: int) -> None:
        """Create hpotool's role and database, if they are missing."""
        password, superuser_password = self._folder.make_passwords()
        try:
            connection = psycopg2.connect(
                host=LOOPBACK, port=port, dbname="postgres", user=SUPERUSER, password=superuser_password
            )
        except psycopg2.OperationalError as error:
            reason = str(error).strip().splitlines()[-1]
            raise DatabaseUnreachableError(
                f"the embedded Postgres is running but refuses its own superuser: {reason}",
                f"put back {self._folder.path / 'superuser-password'}, or delete the data: hpotool db destroy",
            ) from error
        with contextlib.closing(connection):
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (USER,))
                verb = "ALTER" if cursor.fetchone() else "CREATE"
                # Hashed here, so that it never appears in the server's log.
                hashed = extensions.encrypt_password(password, USER, connection, "scram-sha-256")
                statement = sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}")
                cursor.execute(statement.format(sql.Identifier(USER), sql.Literal(hashed)))
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {USER}")

    def _listening(self) -> Listening:
        listening = self._folder.read_listening()
        if listening is None:
            raise NotFoundError(f"there is no embedded Postgres in {self._home}", "hpotool db up")
        return listening

    def _url(self, listening: Listening, host: str = LOOPBACK) -> DatabaseUrl:
        bracketed = f"[{host}]" if ":" in host else host
        return DatabaseUrl.parse(
            f"postgresql://{USER}:{self._folder.password()}@{bracketed}:{listening.port}/{DATABASE}"
        )
