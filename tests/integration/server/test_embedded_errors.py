"""What can be wrong with a machine: each thing is one clear sentence, a hint and an exit code."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from hpotool.errors import EXIT_DATABASE_UNREACHABLE, EXIT_WRONG_INPUT, DatabaseUnreachableError, HpotoolError
from hpotool.server import EmbeddedPostgres, binaries
from tests.postgres import open_folder
from tests.unprivileged import IS_ROOT, as_ordinary_user


def refusal(server: EmbeddedPostgres, **arguments: object) -> HpotoolError:
    with pytest.raises(HpotoolError) as caught:
        server.start(**arguments)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def test_a_taken_port_is_left_to_its_owner_and_the_new_one_remembered(home: Path) -> None:
    server = EmbeddedPostgres(home)
    former = server.status().listening.port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", former))
        other.listen()
        started = server.start()
        assert started.moved_from == former
        assert started.url.url.port != former
        psycopg2.connect(started.url.libpq).close()
    server.stop()
    again = server.start()
    # Between the two, another server of this machine may have been quicker: then it has moved on, and says so.
    remembered = started.url.url.port
    assert again.moved_from in (None, remembered)
    assert (again.url == started.url) == (again.moved_from is None)


def test_data_of_a_version_that_is_not_here_is_not_touched(home: Path) -> None:
    server = EmbeddedPostgres(home)
    version = server.status().data / "PG_VERSION"
    version.write_text("12\n")
    error = refusal(server)
    assert "is of Postgres 12" in error.message
    assert "install PostgreSQL 12" in error.hint
    assert error.exit_code == EXIT_DATABASE_UNREACHABLE
    assert version.exists()


def test_a_machine_without_postgres(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(binaries, "_SYSTEM_FOLDERS", ())
    monkeypatch.setattr(binaries, "_WHEEL", "no_such_wheel")
    error = refusal(EmbeddedPostgres(empty_home))
    assert "no Postgres programs are installed" in error.message
    assert "HPOTOOL_STORAGE" in error.hint
    assert error.exit_code == EXIT_DATABASE_UNREACHABLE


@pytest.fixture
def full_disk() -> Iterator[Path]:
    """A disk of eight megabytes; an empty Postgres takes forty."""
    folder = open_folder("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.skipif(not IS_ROOT, reason="only root can mount a small disk")
def test_a_full_disk(full_disk: Path) -> None:
    error = refusal(EmbeddedPostgres(full_disk))
    assert "the disk of" in error.message
    assert "is full" in error.message
    assert "HPOTOOL_HOME" in error.hint
    assert error.exit_code == EXIT_DATABASE_UNREACHABLE


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    error = refusal(EmbeddedPostgres(tmp_path / "home"))
    assert str(tmp_path / "home") in error.message
    assert "HPOTOOL_HOME" in error.hint
    assert error.exit_code == EXIT_DATABASE_UNREACHABLE


def test_a_home_that_may_not_be_written() -> None:
    home = open_folder("readonly")
    home.chmod(0o555)

    def start() -> tuple[str, str | None, int]:
        try:
            EmbeddedPostgres(home).start()
        except DatabaseUnreachableError as error:
            return error.message, error.hint, error.exit_code
        raise AssertionError("it started")

    message, hint, exit_code = as_ordinary_user(start)
    assert "Permission denied" in message
    assert "HPOTOOL_HOME" in hint
    assert exit_code == EXIT_DATABASE_UNREACHABLE


def test_a_server_that_does_not_start_says_why(home: Path) -> None:
    server = EmbeddedPostgres(home)
    (server.status().data / "global" / "pg_control").unlink()
    error = refusal(server)
    assert "does not start" in error.message or "cannot start" in error.message
    assert "pg_control" in error.message
    assert str(server.status().log) in error.hint


def test_a_lost_password_is_made_again(home: Path) -> None:
    server = EmbeddedPostgres(home)
    before = server.url()
    (home / "postgres" / "password").unlink()
    with pytest.raises(DatabaseUnreachableError, match="password is missing") as caught:
        server.url()
    assert "hpotool db up" in caught.value.hint
    after = server.start().url
    assert after != before
    psycopg2.connect(after.libpq).close()


def test_a_lost_superuser_password_is_said(home: Path) -> None:
    (home / "postgres" / "superuser-password").unlink()
    error = refusal(EmbeddedPostgres(home))
    assert "refuses its own superuser" in error.message
    assert "superuser-password" in error.hint


def test_an_address_that_the_machine_has_lost(home: Path) -> None:
    (home / "postgres" / "state.json").write_text(
        '{"port": 5433, "address": "198.51.100.7", "allow": ["10.0.0.0/8"]}'
    )
    server = EmbeddedPostgres(home)
    error = refusal(server)
    assert "should listen on 198.51.100.7, which this machine no longer has" in error.message
    assert "--listen 127.0.0.1" in error.hint
    psycopg2.connect(server.start("127.0.0.1").url.libpq).close()


def test_a_broken_state_file_is_named(home: Path) -> None:
    (home / "postgres" / "state.json").write_text("{")
    error = refusal(EmbeddedPostgres(home))
    assert "state.json cannot be read" in error.message


@pytest.mark.skipif(not IS_ROOT, reason="only root can enter another process and host name space")
@pytest.mark.parametrize("method", ["start", "stop", "destroy"])
def test_a_server_in_another_container_on_the_same_home_is_respected(home: Path, method: str) -> None:
    server = EmbeddedPostgres(home)
    url = server.start().url
    script = (
        "import pathlib, socket, sys\n"
        "from hpotool.server import EmbeddedPostgres\n"
        "socket.sethostname('elsewhere')\n"
        "server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))\n"
        "try:\n"
        "    getattr(server, sys.argv[2])()\n"
        "except Exception as error:\n"
        "    print(error.message, error.exit_code, error.hint, server.status().state)\n"
    )
    other = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "--uts", sys.executable, "-c", script, home, method],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"runs on {os.uname().nodename} 4" in other.stdout, other.stderr
    assert "HPOTOOL_STORAGE" in other.stdout
    assert other.stdout.endswith("elsewhere\n")
    psycopg2.connect(url.libpq).close()


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ({"listen": "everywhere"}, "not an IP address", "hpotool db up --listen"),
        ({"listen": "198.51.100.7", "allow": ["10.0.0.0/8"]}, "no network interface", "hpotool db up --listen"),
        ({"listen": "0.0.0.0"}, "name them with --allow", "--allow"),
        ({"allow": ["10.0.0.0/8"]}, "listens only to this one", "--listen"),
        ({"listen": "127.0.0.1", "allow": ["10.0.0.0/8"]}, "listens only to this one", "--listen"),
        ({"listen": "0.0.0.0", "allow": ["the lab"]}, "--allow the lab is not a network", "/24"),
        ({"listen": "0.0.0.0", "allow": ["10.0.0.1/8"]}, "--allow 10.0.0.1/8 is not a network", "/32"),
    ],
)
def test_a_wrong_address_or_network(tmp_path: Path, arguments: dict[str, object], message: str, hint: str) -> None:
    error = refusal(EmbeddedPostgres(tmp_path), **arguments)
    assert message in error.message
    assert hint in error.hint
    assert error.exit_code == EXIT_WRONG_INPUT
    assert not (tmp_path / "postgres").exists()
