"""What an attempt sends is read or refused; nothing else comes out, whatever the bytes."""

import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hpotool.study.outcome import Outcome
from hpotool.worker.process.channel import Channel, ChannelClosed, ChannelGarbled, channel_pair
from hpotool.worker.process.protocol import read_control, read_message
from tests.worker_processes import FRAMED

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["end", "do", "at", "reason", "values", "extra"]), inner)
    ),
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
@example(b"1" * 10_000)
def test_bytes_are_a_message_or_garbled(body: bytes) -> None:
    with contextlib.suppress(ChannelGarbled):
        message = read_message(body)
        assert isinstance(message.get("do"), str) or Outcome(message["end"])
    with contextlib.suppress(ChannelGarbled):
        assert isinstance(read_control(body), dict)


@pytest.mark.parametrize("body", FRAMED)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(ChannelGarbled):
        read_message(body)


def test_a_message_is_what_it_was() -> None:
    end = {"at": 1, "end": "complete", "reason": None, "values": [1, 0.5, float("inf")], "extra": {"a": None}}
    assert read_message(json.dumps(end).encode()) == end
    assert read_message(b'{"do": "report", "at": 3}') == {"do": "report", "at": 3}


@given(st.binary(min_size=1, max_size=300))
def test_whatever_is_written_into_a_channel_is_messages_or_its_end(data: bytes) -> None:
    ours, theirs = channel_pair()
    theirs.socket.sendall(data)
    theirs.close()
    received = _receive_all(ours)
    ours.close()
    assert sum(map(len, received)) + 4 * len(received) <= len(data)


def _receive_all(channel: Channel) -> list[bytes]:
    received: list[bytes] = []
    with contextlib.suppress(ChannelClosed):
        while True:
            received += channel.receive_available()
    return received
