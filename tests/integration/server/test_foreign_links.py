"""Root works in folders that belong to the account Postgres runs as, and that account may put links there."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hpotool.errors import DatabaseUnreachableError
from hpotool.server import EmbeddedPostgres
from hpotool.server.account import server_account
from hpotool.server.folder import ServerFolder
from tests.postgres import open_folder
from tests.unprivileged import IS_ROOT

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="only root works in folders of another account")
CONTENT = "root's own"


@pytest.fixture
def victim() -> Path:
    """A file that only root may read and write, in a folder that everybody can reach."""
    file = open_folder("victim") / "file"
    file.write_text(CONTENT)
    file.chmod(0o600)
    return file


def is_untouched(victim: Path) -> bool:
    status = victim.stat()
    return (victim.read_text(), status.st_uid, stat.S_IMODE(status.st_mode)) == (CONTENT, 0, 0o600)


def as_server(action: Callable[[], None]) -> None:
    """Do what the server's account might do; root's rights are given up in a child."""
    account, child = server_account(), os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
        action()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("name", ["postgresql.auto.conf", "pg_hba.conf", "pg_hba.conf.unfinished"])
def test_a_link_in_the_data_directory_is_replaced_and_not_followed(home: Path, victim: Path, name: str) -> None:
    server = EmbeddedPostgres(home)
    link = server.status().data / name

    def put_link() -> None:
        link.unlink(missing_ok=True)
        link.symlink_to(victim)

    as_server(put_link)
    server.start()
    assert server.status().state == "running"
    assert is_untouched(victim)
    assert not link.is_symlink()


@pytest.mark.parametrize("name", ["data.superuser", "data.superuser.unfinished", "data.unfinished", "log"])
def test_a_link_that_waits_for_the_first_start_is_not_followed(empty_home: Path, victim: Path, name: str) -> None:
    folder = ServerFolder(empty_home, server_account())
    folder.home.mkdir(exist_ok=True)
    folder.prepare()
    link = folder.server / name
    as_server(lambda: link.symlink_to(victim))
    with contextlib.suppress(DatabaseUnreachableError):
        EmbeddedPostgres(empty_home).start()
    assert is_untouched(victim)


def test_a_data_directory_that_is_a_link_is_refused(home: Path, victim: Path) -> None:
    data = EmbeddedPostgres(home).status().data
    (victim.parent / "PG_VERSION").write_text((data / "PG_VERSION").read_text())
    pid_file = victim.parent / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n")

    def swap() -> None:
        data.rename(data.with_name("aside"))
        data.symlink_to(victim.parent)

    as_server(swap)
    with pytest.raises(DatabaseUnreachableError, match="cannot be used"):
        EmbeddedPostgres(home).start()
    assert is_untouched(victim)
    assert pid_file.exists()
    data.unlink()
    data.with_name("aside").rename(data)


def test_a_folder_of_the_server_that_is_a_link_is_not_given_away(empty_home: Path, victim: Path) -> None:
    inside = empty_home / "postgres"
    inside.mkdir()
    (inside / "server").symlink_to(victim.parent)
    before = victim.parent.stat()
    with pytest.raises(DatabaseUnreachableError, match="cannot be used"):
        EmbeddedPostgres(empty_home).start()
    (inside / "server").unlink()
    after = victim.parent.stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)


@pytest.mark.parametrize("name", ["postgres.lock", "postgres/running"])
def test_a_lock_that_is_a_link_is_refused(home: Path, victim: Path, name: str) -> None:
    (home / name).unlink(missing_ok=True)
    (home / name).symlink_to(victim)
    with pytest.raises(DatabaseUnreachableError, match="cannot be used"):
        EmbeddedPostgres(home).start()
    (home / name).unlink()
    assert is_untouched(victim)
