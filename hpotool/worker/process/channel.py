"""Framed messages over a stream socket: a length, then that many bytes. A message arrives whole or not at all.

A worker may send pickled messages, because the processes it starts trust it. It only *receives* JSON: it never
unpickles anything from a process in which an objective runs. Nor does it trust the content: bytes that are not a
valid message end the channel (`ChannelGarbled`).
"""

from __future__ import annotations

import json
import pickle
import select
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!I")
_CHUNK = 1 << 16
LONGEST = 64 << 20  # bytes of one message to a worker; a larger length is invalid


class ChannelClosed(Exception):  # noqa: N818 (not an error: the other end is gone)
    """The other end of the channel is closed."""


class ChannelGarbled(ChannelClosed):
    """Invalid data arrived: something else has written into the socket."""


class Channel:
    """One end of a stream socket that transfers whole messages.

    Several threads must not send at once, but one may send while another receives. A channel must not be shared
    between processes: a forked process needs its own.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = bytearray()

    def fileno(self) -> int:
        """The socket's file descriptor, for ``select``."""
        return self._sock.fileno()

    @property
    def socket(self) -> socket.socket:
        """The socket itself, to pass file descriptors over."""
        return self._sock

    def close(self) -> None:
        """Close this end."""
        self._sock.close()

    def send(self, body: bytes) -> None:
        """Send one message.

        Raises:
            ChannelClosed: the other end is closed.
        """
        try:
            self._sock.sendall(_LENGTH.pack(len(body)) + body)
        except OSError as error:  # closed by the other end, or by an objective that closes all file descriptors
            raise ChannelClosed from error

    def send_json(self, message: Any) -> None:
        """Send ``message`` as JSON; NaN and the infinities are kept."""
        self.send(json.dumps(message).encode())

    def send_pickle(self, message: Any) -> None:
        """Send ``message`` pickled."""
        self.send(pickle.dumps(message))

    def receive(self) -> bytes:
        """Wait for one message, and read no byte beyond it, because file descriptors may follow.

        Raises:
            ChannelClosed: the other end was closed before a whole message arrived.
        """
        while (body := self._next_whole_message()) is None:
            self._read_some(self._missing())
        return body

    def receive_pickle(self) -> Any:
        """Wait for one pickled message. Only for channels from a trusted process."""
        return pickle.loads(self.receive())

    def receive_pickle_within(self, seconds: float) -> tuple[bool, Any]:
        """Wait at most ``seconds`` between two parts of a message; return (whether one arrived, the message)."""
        while (body := self._next_whole_message()) is None:
            if not is_readable(self._sock, seconds):
                return False, None
            self._read_some()
        return True, pickle.loads(body)

    def receive_available(self) -> list[bytes]:
        """Read once, and return all whole messages received so far. Call this when the socket is readable.

        Raises:
            ChannelClosed: the other end is closed and no whole message is left.
            ChannelGarbled: the next message would be too long.
        """
        self._read_some()
        messages: list[bytes] = []
        while (body := self._next_whole_message()) is not None:
            messages.append(body)
        if not messages and self._next_length() > LONGEST:
            raise ChannelGarbled
        return messages

    def drain(self) -> list[bytes]:
        """All whole messages that have arrived, without waiting for more."""
        messages: list[bytes] = []
        if self._sock.fileno() < 0:
            return messages
        try:
            while is_readable(self._sock, 0):
                messages.extend(self.receive_available())
        except ChannelClosed:
            pass
        return messages

    def _next_length(self) -> int:
        """How long the next message says it is; 0 while that has not arrived."""
        return int(_LENGTH.unpack_from(self._received)[0]) if len(self._received) >= _LENGTH.size else 0

    def _next_whole_message(self) -> bytes | None:
        end = _LENGTH.size + self._next_length()
        if len(self._received) < end:
            return None
        body = bytes(self._received[_LENGTH.size : end])
        del self._received[:end]
        return body

    def _missing(self) -> int:
        """The number of bytes missing from the next message, as far as known."""
        return _LENGTH.size + self._next_length() - len(self._received)

    def _read_some(self, most: int = _CHUNK) -> None:
        try:
            data = self._sock.recv(most)
        except OSError as error:
            raise ChannelClosed from error
        if not data:
            raise ChannelClosed
        self._received += data


def is_readable(sock: socket.socket, seconds: float) -> bool:
    """Whether data arrives within ``seconds``. Like ``select``, but also for file descriptors above 1023."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def channel_pair() -> tuple[Channel, Channel]:
    """Two connected ends."""
    one, other = socket.socketpair()
    return Channel(one), Channel(other)
