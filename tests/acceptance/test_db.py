"""``hpotool db``, and the embedded Postgres that every command starts by itself."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest

from hpotool.server import EmbeddedPostgres
from hpotool.server.network import own_address
from tests.acceptance.command_line import HPOTOOL, CommandLine
from tests.child_processes import child_process


@pytest.fixture
def alone(hpotool_home: Path) -> Iterator[CommandLine]:
    """The command line where no database is configured."""
    yield CommandLine(None, environment={"HPOTOOL_HOME": str(hpotool_home)})
    EmbeddedPostgres(hpotool_home).destroy()


def test_the_first_of_several_commands_starts_the_server_and_alone_says_so(alone: CommandLine) -> None:
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda _: alone.run("studies").stderr, range(3)))
    said = [talk for talk in together if "created and started the embedded Postgres" in talk]
    assert len(said) == 1
    assert "hpotool db down" in said[0]
    assert "embedded Postgres" not in alone.run("studies").stderr
    assert alone.json("studies") == []


def test_up_status_url_down(alone: CommandLine, hpotool_home: Path) -> None:
    up = alone.run("db", "up")
    assert "created and started" in up.stderr
    assert up.stdout == ""
    status = alone.json("db", "status")
    assert (status["state"], status["address"]) == ("running", "127.0.0.1")
    url = alone.run("db", "url").stdout.strip()
    password = (hpotool_home / "postgres" / "password").read_text()
    assert url == f"postgresql://hpotool:{password}@127.0.0.1:{status['port']}/hpotool"
    psycopg2.connect(url).close()
    assert password not in up.stderr + str(status)
    assert alone.run("db", "down").stderr == "the embedded Postgres is stopped\n"
    assert alone.run("db", "down").stderr == "the embedded Postgres was not running\n"
    assert EmbeddedPostgres(hpotool_home).status().state == "stopped"


def test_opening_prints_the_line_for_the_other_machines(alone: CommandLine) -> None:
    address = own_address()
    assert "no embedded Postgres" in alone.run("db", "url", "--remote", code=3).stderr
    assert "name them with --allow" in alone.run("db", "up", "--listen", "*", code=2).stderr
    opened = alone.run("db", "up", "--listen", "*", "--allow", f"{address}/32")
    assert "not encrypted" in opened.stderr
    pasted = ["sh", "-c", f'{opened.stdout}printf %s "$HPOTOOL_STORAGE"']
    there = subprocess.run(pasted, capture_output=True, text=True, check=True).stdout
    assert there == alone.run("db", "url", "--remote").stdout.strip()
    assert f"@{address}:" in there
    assert there == alone.run("db", "url").stdout.strip()
    assert "@127.0.0.1:" in alone.run("db", "url", "--local").stdout
    assert "not both" in alone.run("db", "url", "--local", "--remote", code=2).stderr
    psycopg2.connect(there).close()


def test_destroy_asks_a_person_and_refuses_a_script(alone: CommandLine, hpotool_home: Path) -> None:
    server = EmbeddedPostgres(hpotool_home)
    server.start()
    assert "hpotool db destroy --yes" in alone.run("db", "destroy", code=2).stderr
    assert _answer(hpotool_home, "n\n") == 130
    assert server.status().state == "running"
    assert _answer(hpotool_home, "y\n") == 0
    assert server.status().state == "absent"
    assert "there is no embedded Postgres" in alone.run("db", "destroy", "--yes").stderr


def test_destroy_with_yes_asks_nobody(alone: CommandLine, hpotool_home: Path) -> None:
    EmbeddedPostgres(hpotool_home).start()
    assert "are deleted" in alone.run("db", "destroy", "--yes").stderr
    assert not (hpotool_home / "postgres").exists()


def test_upgrade_creates_the_tables_and_says_so_only_once(hpotool: CommandLine) -> None:
    assert hpotool.run("db", "upgrade").returncode == 0
    assert "already" in hpotool.run("db", "upgrade").stderr


def _answer(home: Path, words: str) -> int:
    """The exit code of ``hpotool db destroy`` when a person at a terminal answers so."""
    ours, theirs = pty.openpty()
    try:
        environment = os.environ | {"HPOTOOL_HOME": str(home)}
        with child_process([HPOTOOL, "db", "destroy"], stdin=theirs, stderr=theirs, env=environment) as command:
            os.write(ours, words.encode())
            return int(command.wait(60))
    finally:
        os.close(ours)
        os.close(theirs)
