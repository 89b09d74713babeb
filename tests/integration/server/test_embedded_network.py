"""Opening the embedded Postgres to other machines, and closing it again."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import psycopg2
import pytest

from hpotool.errors import DatabaseUnreachableError
from hpotool.server import EmbeddedPostgres, embedded
from hpotool.server.embedded import SUPERUSER
from hpotool.server.network import free_port, own_address
from hpotool.storage.database.url import DatabaseUrl

ADDRESS = own_address()
ELSEWHERE = "127.0.0.2"  # an address that is no interface's own, as another machine's

pytestmark = pytest.mark.skipif(ADDRESS == "127.0.0.1", reason="this machine has no address but loopback")


def connect(url: DatabaseUrl) -> None:
    psycopg2.connect(url.libpq).close()


def answer_to(url: DatabaseUrl, source: str) -> bytes:
    """What the server says first to hpotool's role from the address ``source``: ``R`` asks for the password."""
    address = (str(url.url.host), int(url.url.port or 0))
    with socket.create_connection(address, timeout=10, source_address=(source, 0)) as connection:
        asked = struct.pack("!i", 3 << 16) + b"user\0hpotool\0database\0hpotool\0\0"
        connection.sendall(struct.pack("!i", len(asked) + 4) + asked)
        return connection.recv(4096)


def towards(url: DatabaseUrl, host: str) -> DatabaseUrl:
    return DatabaseUrl(url.url.set(host=host))


@pytest.mark.parametrize("listen", [ADDRESS, "0.0.0.0"])
def test_an_opened_server_answers_admitted_machines(home: Path, listen: str) -> None:
    started = EmbeddedPostgres(home).start(listen, [f"{ADDRESS}/32"])
    assert started.url_for_others.url.host == ADDRESS
    connect(started.url_for_others)
    connect(started.url)


def test_until_it_is_opened_nobody_else_reaches_it(home: Path) -> None:
    server = EmbeddedPostgres(home)
    started = server.start()
    assert started.url_for_others is None
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        connect(towards(started.url, ADDRESS))
    with pytest.raises(DatabaseUnreachableError, match="listens only to this machine") as caught:
        server.url_for_others()
    assert "hpotool db up --listen" in caught.value.hint


def test_a_running_server_is_opened_admits_more_and_is_closed_again(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    opened = server.start(ADDRESS, ["198.51.100.0/24"])
    assert opened.was_running
    connect(opened.url_for_others)  # this machine uses the same line as the others
    assert b"no pg_hba" in answer_to(opened.url_for_others, ELSEWHERE)
    process_id = server.status().process_id
    admitting = server.start(allow=["198.51.100.0/24", f"{ELSEWHERE}/32"])
    assert answer_to(admitting.url_for_others, ELSEWHERE).startswith(b"R")
    assert server.status().process_id == process_id, "admitting a network must not cut anybody's connection"
    closed = server.start("127.0.0.1")
    connect(closed.url)
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        connect(towards(closed.url, ADDRESS))


@pytest.mark.parametrize("taken_on", ["127.0.0.1", ADDRESS])
def test_a_port_that_is_taken_in_the_last_moment_on_one_address_is_left_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch, taken_on: str
) -> None:
    with socket.socket() as other:
        other.bind((taken_on, 0))
        taken = other.getsockname()[1]
        ports = iter([taken])
        # Looking comes too early by design here: the port is said to be free once, and is not.
        monkeypatch.setattr(embedded, "free_port", lambda *a, **k: next(ports, None) or free_port(*a, **k))
        other.listen()
        started = EmbeddedPostgres(home).start(ADDRESS, [f"{ADDRESS}/32"])
    assert started.url.url.port != taken
    connect(started.url)
    connect(started.url_for_others)


def test_how_it_listens_is_remembered(home: Path) -> None:
    server = EmbeddedPostgres(home)
    url = server.start(ADDRESS, [f"{ADDRESS}/32"]).url_for_others
    server.stop()
    assert server.start().url_for_others == url
    connect(url)


def test_the_superuser_is_admitted_from_this_machine_only(home: Path) -> None:
    url = EmbeddedPostgres(home).start(ADDRESS, [f"{ADDRESS}/32"]).url_for_others
    superuser = url.url.set(username=SUPERUSER, password=(home / "postgres" / "superuser-password").read_text())
    connect(DatabaseUrl(superuser.set(host="127.0.0.1", database="postgres")))
    with pytest.raises(psycopg2.OperationalError, match="no pg_hba"):
        connect(DatabaseUrl(superuser))
