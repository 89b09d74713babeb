"""Framed messages over a stream socket: a length, then that many bytes; a message arrives whole or not at all.

What a worker sends may be pickled, because whoever it starts trusts it. What a worker *receives* is JSON only:
it never unpickles anything that came out of a process in which an objective runs. Nor does it believe what it
reads there: bytes that make no message are an end like any other (`ChannelGarbled`).
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
LONGEST = 64 << 20  # bytes of one message to a worker; a length beyond it is no length


class ChannelClosed(Exception):  # noqa: N818 (not an error: the other end is gone)
    """The other end of the channel is gone."""


class ChannelGarbled(ChannelClosed):
    """What arrived is no message: somebody else has written into the socket."""


class Channel:
    """One end of a stream socket that carries whole messages.

    Sending is not safe for several threads at once; receiving and sending from two different threads is. Nor are
    several processes: one that was forked needs a channel of its own.
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
            ChannelClosed: nobody reads it any more.
        """
        try:
            self._sock.sendall(_LENGTH.pack(len(body)) + body)
        except OSError as error:  # gone, or closed by an objective that closes whatever it finds
            raise ChannelClosed from error

    def send_json(self, message: Any) -> None:
        """Send ``message`` as JSON; NaN and the infinities are kept."""
        self.send(json.dumps(message).encode())

    def send_pickle(self, message: Any) -> None:
        """Send ``message`` pickled."""
        self.send(pickle.dumps(message))

    def receive(self) -> bytes:
        """Wait for one message, and read not one byte beyond it: file descriptors may follow.

        Raises:
            ChannelClosed: the other end was closed before a whole message arrived.
        """
        while (body := self._next_whole_message()) is None:
            self._read_some(self._missing())
        return body

    def receive_pickle(self) -> Any:
        """Wait for one pickled message. Only from a process that one trusts."""
        return pickle.loads(self.receive())

    def receive_pickle_within(self, seconds: float) -> tuple[bool, Any]:
        """Wait at most ``seconds`` between two pieces of a message: (whether one came, the message)."""
        while (body := self._next_whole_message()) is None:
            if not is_readable(self._sock, seconds):
                return False, None
            self._read_some()
        return True, pickle.loads(body)

    def receive_available(self) -> list[bytes]:
        """Read once, and return every whole message that is there now. Call it when the socket is readable.

        Raises:
            ChannelClosed: the other end is closed and no whole message is left.
            ChannelGarbled: what comes next is too long for a message.
        """
        self._read_some()
        messages: list[bytes] = []
        while (body := self._next_whole_message()) is not None:
            messages.append(body)
        if not messages and self._next_length() > LONGEST:
            raise ChannelGarbled
        return messages

    def drain(self) -> list[bytes]:
        """Every whole message that has arrived, without waiting for more."""
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
        """How many bytes the next message still needs, as far as that is known."""
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
    """Whether something arrives within ``seconds``. As ``select``, for file descriptors beyond 1023 too."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def channel_pair() -> tuple[Channel, Channel]:
    """Two connected ends."""
    one, other = socket.socketpair()
    return Channel(one), Channel(other)
