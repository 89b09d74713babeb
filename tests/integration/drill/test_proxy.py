"""A real database through the proxy: as fast as without, cut, healed, and reset."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpotool.drill.proxy import CuttableProxy, connector, through
from hpotool.storage.database.connection import Connection, TransientDatabaseError
from hpotool.storage.database.url import DatabaseUrl


@pytest.fixture
def proxy(database_url: str) -> Iterator[CuttableProxy]:
    connect = connector(DatabaseUrl.parse(database_url))
    assert connect is not None
    proxy = CuttableProxy(connect)
    yield proxy
    proxy.close()


def test_a_cut_holds_a_question_back_and_healing_lets_it_through(proxy: CuttableProxy, database_url: str) -> None:
    connection = Connection(through(DatabaseUrl.parse(database_url), proxy.port))
    assert connection.run("SELECT 1") == [(1,)]
    proxy.cut()
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(connection.run("SELECT 2")))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    proxy.heal()
    thread.join(30)
    assert answers == [[(2,)]]
    connection.close()


def test_a_reset_is_an_error_and_the_next_question_is_answered(proxy: CuttableProxy, database_url: str) -> None:
    connection = Connection(through(DatabaseUrl.parse(database_url), proxy.port))
    connection.run("SELECT 1")
    errors: list[TransientDatabaseError] = []

    def wait() -> None:
        try:
            connection.run("SELECT pg_sleep(60)")
        except TransientDatabaseError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    direct = Connection(DatabaseUrl.parse(database_url))
    waiting.start()
    asked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(60)%%' AND pid <> pg_backend_pid()"
    while direct.run(asked) == [(0,)]:
        pass
    proxy.drop_all()
    waiting.join(30)
    assert len(errors) == 1
    assert connection.run("SELECT 3") == [(3,)]
    for each in (connection, direct):
        each.close()


def test_a_socket_file_is_reached_and_an_absent_server_only_ends_the_connection(
    tmp_path: Path,
) -> None:
    path = tmp_path / ".s.PGSQL.5432"
    connect = connector(DatabaseUrl.parse(f"postgresql:///d?host={tmp_path}"))
    proxy = CuttableProxy(connect) if connect else None
    assert proxy is not None
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        assert client.recv(1) == b"", "nobody listens there"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(b"hello")
            inner, _ = server.accept()
            assert inner.recv(5) == b"hello"
            inner.close()
    proxy.close()
