"""Where a script's ``hpotool.report`` arrives: a Unix socket beside the command, one JSON line each way.

A socket and not an inherited file: scripts start scripts (torchrun, make), and those close what they inherit.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_LONGEST_REQUEST = 1 << 20


class ReportSocket:
    """Listens for the processes of one command; ``answer`` is called with each request, in order."""

    def __init__(self, path: Path, answer: Callable[[Any], Any]) -> None:
        self.path = path
        self._answer = answer
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(path))
        self._listening.listen()
        self._received: dict[socket.socket, bytes] = {}

    def sources(self) -> list[socket.socket]:
        """What to wait for."""
        return [self._listening, *self._received]

    def serve(self, readable: Sequence[Any]) -> None:
        """Answer what has arrived on those of ``sources()`` that are readable."""
        if self._listening in readable:
            client, _ = self._listening.accept()
            self._received[client] = b""
        for client in [client for client in self._received if client in readable]:
            self._serve_client(client)

    def close(self) -> None:
        """Stop listening."""
        for client in self._received:
            client.close()
        self._listening.close()

    def _serve_client(self, client: socket.socket) -> None:
        try:
            data = client.recv(1 << 16)
        except OSError:
            data = b""
        *requests, rest = (self._received[client] + data).split(b"\n")
        self._received[client] = rest
        for request in requests:
            self._reply(client, request)
        if not data or len(rest) > _LONGEST_REQUEST:
            del self._received[client]
            client.close()

    def _reply(self, client: socket.socket, request: bytes) -> None:
        try:
            answer = self._answer(json.loads(request))
        except (ValueError, TypeError):  # not JSON, or numbers that cannot be reported
            answer = None
        with contextlib.suppress(OSError):  # it has ended, or does not read
            client.sendall(json.dumps(answer).encode() + b"\n")
