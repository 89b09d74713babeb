"""A TCP proxy between a worker and Postgres: counts round trips on the wire, and makes the way longer.

A round trip is a message after which the client waits for the server: a simple query or a Sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import make_url

_STARTUP = 196608  # protocol 3.0; what else begins without a type byte is a request for encryption, answered first
_WAITS_FOR_ANSWER = (b"Q", b"S")


class Wire:
    """A running proxy. ``round_trips`` counts over all its connections; the login is not counted."""

    def __init__(self, host: str, port: int, round_trip_s: float) -> None:
        self.round_trips = 0
        self.port = 0
        self._target = (host, port)
        self._one_way_s = round_trip_s / 2
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._listening.wait()

    def stop(self) -> None:
        """Stop listening and cut what is connected."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connect, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        await asyncio.gather(
            self._pass_on(reader, server_writer, _Counter(self)), self._pass_on(server_reader, writer, None)
        )

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counter: _Counter | None
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if counter is not None:
                    counter.see(data)
                if self._one_way_s:
                    self._loop.call_later(self._one_way_s, writer.write, data)
                else:
                    writer.write(data)
        self._loop.call_later(self._one_way_s, writer.close)


class _Counter:
    """Reads one client's messages."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._is_started = False
        self._unread = b""

    def see(self, data: bytes) -> None:
        self._unread += data
        while message := self._next_message():
            if self._is_started:
                self._wire.round_trips += message[:1] in _WAITS_FOR_ANSWER
            else:
                self._is_started = struct.unpack("!i", message[4:8])[0] == _STARTUP

    def _next_message(self) -> bytes:
        head = 1 if self._is_started else 0
        if len(self._unread) < head + 4:
            return b""
        length = head + struct.unpack("!i", self._unread[head : head + 4])[0]
        if len(self._unread) < length:
            return b""
        message, self._unread = self._unread[:length], self._unread[length:]
        return message


@contextmanager
def proxied(url: str, round_trip_s: float = 0.0) -> Iterator[tuple[str, Wire]]:
    """The same database at the other end of a proxy: its URL there, and the proxy."""
    parsed = make_url(url)
    wire = Wire(parsed.host or "127.0.0.1", parsed.port or 5432, round_trip_s)
    wire.start()
    try:
        there = parsed.set(host="127.0.0.1", port=wire.port).render_as_string(hide_password=False)
        yield there, wire
    finally:
        wire.stop()
