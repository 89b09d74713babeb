"""The embedded Postgres's files in the home folder: its data, passwords, listening state, and two locks.

A command that changes something holds the lock ``postgres.lock``. The server itself holds the lock on ``running``
through an inherited file descriptor: a process that gets it knows that no server runs on the data, even if process
ids are meaningless, as in another container or on another machine with the same home folder.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hpotool.errors import DatabaseUnreachableError
from hpotool.server.account import Account
from hpotool.server.cluster import Cluster

LOOPBACK = "127.0.0.1"
# The folder for root's data if its home folder is closed to the account that Postgres runs as.
_ROOTS_DATA = Path("/var/lib/hpotool")
_PASSWORD = "password"
_SUPERUSER_PASSWORD = "superuser-password"
# By then, the last backends of a killed server, or the initdb of a killed command, are gone.
_ORPHANS_LEAVE_S = 30.0
# Another command that only checks whether a server runs holds the lock for a moment.
_OTHERS_LOOK_S = 1.0


@dataclass(frozen=True)
class Listening:
    """The address on which the server listens, and the networks it admits besides this machine."""

    port: int
    address: str = LOOPBACK
    allow: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether other machines can connect."""
        return self.address != LOOPBACK


class ServerFolder:
    """The files of one home folder's embedded Postgres. Only ``prepare`` and the writers create anything."""

    def __init__(self, home: Path, account: Account) -> None:
        self.home = home.absolute()
        self.path = self.home / "postgres"
        self.account = account

    def prepare(self) -> None:
        """Create the folders, accessible to the server's account and closed to all others."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o711 if self.account.switch else 0o700)
        server = self.server
        if server.parent == _ROOTS_DATA:
            _ROOTS_DATA.mkdir(parents=True, exist_ok=True)
            _ROOTS_DATA.chmod(0o711)
        server.mkdir(exist_ok=True)
        # By descriptor: if another account owns the home folder, the path may be replaced by a link at any moment.
        no_links = os.O_NOFOLLOW if self.account.switch else 0
        descriptor = os.open(server, os.O_DIRECTORY | os.O_CLOEXEC | no_links)
        try:
            self.account.own(descriptor)
            os.fchmod(descriptor, 0o700)
        finally:
            os.close(descriptor)

    @property
    def server(self) -> Path:
        """The folder owned by the server's account."""
        inside = self.path / "server"
        if inside.exists() or self.account.can_reach(inside):
            return inside
        return _ROOTS_DATA / hashlib.sha256(str(self.home).encode()).hexdigest()[:12]

    @property
    def programs(self) -> Path:
        """Root's copy of the wheel's programs, outside the server's folder, which others may write."""
        return self.server.with_name(f"{self.server.name}-programs")

    @property
    def cluster(self) -> Cluster:
        """The data directory and its log."""
        return Cluster(self.server / "data", self.server / "log", self.account)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let one command at a time change something."""
        self.home.mkdir(parents=True, exist_ok=True)
        with open(self.home / "postgres.lock", "w", opener=_without_links) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:
                raise DatabaseUnreachableError(
                    f"{self.home} is on a file system without file locks ({error.strerror})",
                    "set HPOTOOL_HOME to a folder on a local disk",
                ) from error
            yield

    @contextlib.contextmanager
    def server_lock(self) -> Iterator[int]:
        """The descriptor for the server to inherit, once it is certain that no other server runs on the data.

        Raises:
            DatabaseUnreachableError: a server elsewhere does.
        """
        running = self.path / "running"
        with open(running, "a+", opener=_without_links) as file:
            asked_at = time.monotonic()
            while not _try_lock(file.fileno()):
                host = self.server_host()
                patience_s = _ORPHANS_LEAVE_S if host == os.uname().nodename else _OTHERS_LOOK_S
                if host is not None and time.monotonic() - asked_at > patience_s:
                    raise DatabaseUnreachableError(
                        f"the embedded Postgres of {self.home} runs on {host}",
                        "open it there (hpotool db up --listen ADDRESS --allow NETWORK) and set HPOTOOL_STORAGE "
                        "here, or set HPOTOOL_HOME to a folder of this machine",
                    )
                time.sleep(0.05)
            file.truncate(0)
            file.write(os.uname().nodename)
            file.flush()
            yield file.fileno()

    def server_host(self) -> str | None:
        """The machine or container whose server holds the lock; None if no server runs on the data."""
        try:
            with (self.path / "running").open() as file:
                return None if _try_lock(file.fileno()) else file.read().strip() or "another machine"
        except FileNotFoundError:
            return None

    def read_listening(self) -> Listening | None:
        """How the server listens; None before its first start."""
        try:
            state = json.loads((self.path / "state.json").read_text())
            return Listening(int(state["port"]), str(state["address"]), tuple(state["allow"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise DatabaseUnreachableError(
                f"{self.path / 'state.json'} cannot be read: {error}", "remove it; hpotool db up writes it again"
            ) from error

    def write_listening(self, listening: Listening) -> None:
        """Remember how the server listens."""
        self._write_private("state.json", json.dumps(asdict(listening)))

    def password(self) -> str:
        """The password of hpotool's own role."""
        return (self.path / _PASSWORD).read_text().strip()

    def make_passwords(self) -> tuple[str, str]:
        """The passwords of hpotool's own role and of the superuser, in files that only the owner reads."""
        for name in (_PASSWORD, _SUPERUSER_PASSWORD):
            if not (self.path / name).exists():
                self._write_private(name, secrets.token_urlsafe(24))
        return self.password(), (self.path / _SUPERUSER_PASSWORD).read_text().strip()

    def remove(self) -> None:
        """Remove everything but the lock that commands take."""
        for folder in (self.server, self.programs):
            shutil.rmtree(folder, ignore_errors=True)
        if self.path.exists():
            shutil.rmtree(self.path)

    def _write_private(self, name: str, text: str) -> None:
        unfinished = self.path / f"{name}.unfinished"
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
        unfinished.replace(self.path / name)


@contextlib.contextmanager
def explained_file_errors(home: Path) -> Iterator[None]:
    """Turn the operating system's errors about the home folder into messages.

    Raises:
        DatabaseUnreachableError: a file in it could not be read or written.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise DatabaseUnreachableError(
            f"the embedded Postgres cannot be used: {error.filename} is missing",
            "run hpotool db down, then hpotool db up, to create it again",
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DatabaseUnreachableError(
                f"the embedded Postgres cannot be used: the disk of {home} is full",
                "free some space there, or set HPOTOOL_HOME to a folder on another disk",
            ) from error
        raise DatabaseUnreachableError(
            f"the embedded Postgres cannot be used: {error.filename or home}: {error.strerror or error}",
            "set HPOTOOL_HOME to a writable folder, or HPOTOOL_STORAGE to another Postgres",
        ) from error


def _without_links(path: str, flags: int) -> int:
    """Like ``open``, but refuse links, because root may be using another account's home folder."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
