"""A message arrives whole or not at all, whatever pieces its bytes come in."""

import math
import os
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.worker.process.channel import (
    LONGEST,
    Channel,
    ChannelClosed,
    ChannelGarbled,
    channel_pair,
    is_readable,
)

BODIES = st.lists(st.binary(max_size=50), min_size=1, max_size=6)


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    pair = channel_pair()
    yield pair
    for end in pair:
        end.close()


@given(BODIES)
def test_messages_arrive_whole_and_in_order(bodies: list[bytes]) -> None:
    one, other = channel_pair()
    for body in bodies:
        one.send(body)
    assert other.drain() == bodies
    assert other.drain() == []
    one.close()
    other.close()


@given(BODIES, st.integers(1, 7))
def test_pieces_become_the_messages_they_are_of(bodies: list[bytes], size: int) -> None:
    writer, sock = socket.socketpair()
    channel, stream = Channel(sock), b"".join(struct.pack("!I", len(body)) + body for body in bodies)
    arrived = []
    for start in range(0, len(stream), size):
        writer.sendall(stream[start : start + size])
        arrived += channel.receive_available()
    assert arrived == bodies
    writer.close()
    channel.close()


def test_not_one_byte_beyond_a_message_is_read(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.send(b"first")
    one.socket.sendall(b"rest")
    assert other.receive() == b"first"
    assert other.socket.recv(99) == b"rest"


def test_json_keeps_what_is_not_finite(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.send_json({"value": math.inf})
    assert other.receive() == b'{"value": Infinity}'


def test_a_pickled_message_is_waited_for_no_longer_than_asked(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    assert other.receive_pickle_within(0) == (False, None)
    one.send_pickle({"a": (1, 2)})
    assert other.receive_pickle_within(5) == (True, {"a": (1, 2)})
    one.send_pickle([3])
    assert other.receive_pickle() == [3]


def test_half_a_message_is_the_end_where_nobody_writes_the_rest(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.socket.sendall(struct.pack("!I", 10) + b"half")
    one.close()
    with pytest.raises(ChannelClosed):
        other.receive()


def test_whole_messages_before_the_end_are_not_lost(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.send(b"last")
    one.close()
    assert other.drain() == [b"last"]
    with pytest.raises(ChannelClosed):
        other.receive_available()


def test_nobody_there_to_read_is_noticed(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    other.close()
    with pytest.raises(ChannelClosed):
        one.send(b"x" * 100_000)


def test_a_length_that_no_message_has_is_garbage(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.socket.sendall(struct.pack("!I", LONGEST + 1) + b"GET /")
    with pytest.raises(ChannelGarbled):
        other.receive_available()


def test_an_end_that_was_closed_here_has_nothing_more(ends: tuple[Channel, Channel]) -> None:
    ends[1].close()
    assert ends[1].drain() == []


def test_a_descriptor_beyond_what_select_takes_is_waited_on() -> None:
    one, other = socket.socketpair()
    high = socket.socket(fileno=os.dup2(other.fileno(), 1024 + 7))
    try:
        assert not is_readable(high, 0)
        one.sendall(b"x")
        assert is_readable(high, 5)
    finally:
        for sock in (one, other, high):
            sock.close()
