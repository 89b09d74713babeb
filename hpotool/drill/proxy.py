"""A TCP proxy that can be cut like a network: nothing gets through, and nobody is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.engine import URL

from hpotool.storage.database.url import DatabaseUrl

_POSTGRES_PORT = 5432


class CuttableProxy:
    """Listens on loopback and passes on to what ``connect`` opens, until it is cut.

    Args:
        connect: opens a socket to the target, or raises OSError; a port means that port of this machine.
    """

    def __init__(self, connect: int | Callable[[], socket.socket]) -> None:
        self._connect = _to_port(connect) if isinstance(connect, int) else connect
        self._is_open = threading.Event()
        self._is_open.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Let nothing through until `heal`."""
        self._is_open.clear()

    def heal(self) -> None:
        """Let through what was held back, and what comes."""
        self._is_open.set()

    def drop_all(self) -> None:
        """End the connections that there are, as a server does that is ended."""
        while self._sockets:
            with suppress(OSError):
                self._sockets.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End everything."""
        self.heal()
        for each in [self._server, *self._sockets]:
            with suppress(OSError):
                each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._is_open.wait()
                try:
                    server = self._connect()
                except OSError:
                    client.close()
                    continue
                self._sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._is_open.wait()
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def connector(url: DatabaseUrl) -> Callable[[], socket.socket] | None:
    """What opens a socket to the database; None where the URL names several servers, or none itself."""
    host, port = _server_of(url.url)
    if host is None:
        return None
    if host.startswith("/"):
        return lambda: _connect_unix(f"{host}/.s.PGSQL.{port}")
    return lambda: socket.create_connection((host, port), timeout=None)


def through(url: DatabaseUrl, port: int) -> DatabaseUrl:
    """The same database through a proxy on this machine; its certificate still has to name the server."""
    host, _ = _server_of(url.url)
    behind = url.url.difference_update_query(["host", "port", "hostaddr"])
    if host is None or host.startswith("/"):
        return DatabaseUrl(behind.set(host="127.0.0.1", port=port))
    return DatabaseUrl(behind.set(host=host, port=port).update_query_dict({"hostaddr": "127.0.0.1"}))


def _server_of(url: URL) -> tuple[str | None, int]:
    host = url.query.get("hostaddr") or url.query.get("host") or url.host
    port = url.query.get("port") or url.port or _POSTGRES_PORT
    if not isinstance(host, str) or not str(port).isdigit() or "service" in url.query:
        return None, _POSTGRES_PORT
    name, colon, own_port = host.rpartition(":")
    if colon and own_port.isdigit() and ":" not in name:  # SQLAlchemy's spelling: ?host=name:5432
        return name, int(own_port)
    return host, int(str(port))


def _to_port(port: int) -> Callable[[], socket.socket]:
    return lambda: socket.create_connection(("127.0.0.1", port))


def _connect_unix(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection
