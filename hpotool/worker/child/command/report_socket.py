"""Receives a script's ``hpotool.report``: a Unix socket for each command, one JSON line in each direction.

A socket rather than an inherited file, because scripts start scripts (torchrun, make) that close inherited files.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_LONGEST_REQUEST = 1 << 20
_ANSWER_WITHIN_S = 5.0  # a script that asks but never reads must not block its attempt
_LONGEST_PATH = 100  # bytes; a socket's path is limited to 108 on Linux and 104 on macOS, including the final NUL
_SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
_SOCKET = "socket"
SCRATCH_PREFIX = "hpotool-"


def scratch_parents() -> list[Path]:
    """Where the temporary folders of commands lie, those with a socket in them."""
    return [Path(tempfile.gettempdir()), *map(Path, _SHORT_FOLDERS)]


def is_abandoned(folder: Path) -> bool:
    """Whether the process that listened at this folder's socket is gone.

    Raises:
        OSError: it is not ours to ask.
    """
    path = folder / _SOCKET
    if not path.is_socket():
        return False
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connecting:
        try:
            connecting.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False


class ReportSocket:
    """Listens for the processes of one command; ``answer`` is called with each request, in order.

    It is in ``folder`` or, if that path is too long for a socket, in a temporary folder with a shorter path.

    Raises:
        OSError: no temporary folder has a path that is short enough.
    """

    def __init__(self, folder: Path, answer: Callable[[Any], Any]) -> None:
        self._own_folder = None if _fits(folder) else _make_short_folder()
        self.path = (self._own_folder or folder) / _SOCKET
        self._answer = answer
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(self.path))
        self._listening.listen()
        self._received: dict[socket.socket, bytes] = {}

    def sources(self) -> list[socket.socket]:
        """The sockets to wait for."""
        return [self._listening, *self._received]

    def serve(self, readable: Sequence[Any]) -> None:
        """Answer requests on those of ``sources()`` that are readable."""
        if self._listening in readable:
            with contextlib.suppress(OSError):  # it has disconnected again
                client, _ = self._listening.accept()
                client.settimeout(_ANSWER_WITHIN_S)
                self._received[client] = b""
        for client in [client for client in self._received if client in readable]:
            self._serve_client(client)

    def close(self) -> None:
        """Stop listening."""
        for client in self._received:
            client.close()
        self._listening.close()
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)

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
        except (ValueError, TypeError, RecursionError):  # not JSON, or numbers that cannot be reported
            answer = None
        with contextlib.suppress(OSError):  # it has ended, or is not reading
            client.sendall(json.dumps(answer).encode() + b"\n")


def _make_short_folder() -> Path:
    """A new folder, closed to other users, whose path is short enough."""
    refused: OSError | None = None
    for parent in _SHORT_FOLDERS:
        try:
            return Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=parent))
        except OSError as error:
            refused = error
    assert refused is not None
    raise refused


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / _SOCKET)) <= _LONGEST_PATH
