"""The socket on which further processes of an attempt, forked or spawned by the objective, reach its worker.

The attempt's own process uses a socket that it inherits. Two processes on one stream would mix their messages, and
a spawned process inherits nothing, so each further process opens its own connection, to an address that is passed
with the trial. Only processes of the same user are accepted.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import struct
import sys
import tempfile
from pathlib import Path

from hpotool.worker.process.channel import Channel, ChannelClosed

_CREDENTIALS = struct.Struct("3i")  # process, user, group
_WAITING = 128  # processes that may be connecting at the same moment


class AttemptSocket:
    """Listens for the processes of one attempt, at an ``address`` that is never reused."""

    def __init__(self) -> None:
        self._folder: str | None = None
        name = f"hpotool-{secrets.token_hex(16)}"
        if sys.platform == "linux":
            self.address = f"\0{name}"  # no file: nothing to clean up, no limit on the path, no full disk
        else:
            self._folder = tempfile.mkdtemp(prefix="hpotool-", dir="/tmp")  # a user's TMPDIR may be too long
            self.address = str(Path(self._folder, name))
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(self.address)
        self._listening.listen(_WAITING)
        self._listening.setblocking(False)

    def fileno(self) -> int:
        """The socket's file descriptor, for ``select``."""
        return self._listening.fileno()

    def accept(self) -> Channel | None:
        """The channel of a process that has connected; None if there is none that is allowed."""
        try:
            client, _ = self._listening.accept()
        except OSError:  # it has disconnected again, or this process has no file descriptor left
            return None
        client.setblocking(True)
        if not _is_ours(client):
            client.close()
            return None
        return Channel(client)

    def close(self) -> None:
        """Stop listening."""
        self._listening.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def connect_to_attempt(address: str) -> Channel:
    """Open a channel from this process to the worker of the attempt at ``address``.

    Raises:
        ChannelClosed: the attempt has ended.
    """
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connecting.connect(address)
    except OSError as error:
        connecting.close()
        raise ChannelClosed from error
    return Channel(connecting)


def _is_ours(client: socket.socket) -> bool:
    if sys.platform != "linux":
        return True  # its folder is closed to other users
    with contextlib.suppress(OSError):
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return int(_CREDENTIALS.unpack(credentials)[1]) == os.getuid()
    return False
