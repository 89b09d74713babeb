"""Further processes of an attempt reach its worker, each on a channel of its own, as long as the attempt runs."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator

import pytest

from hpotool.worker.process import attempt_socket
from hpotool.worker.process.attempt_socket import AttemptSocket, connect_to_attempt
from hpotool.worker.process.channel import ChannelClosed


@pytest.fixture
def listening() -> Iterator[AttemptSocket]:
    listening = AttemptSocket()
    yield listening
    listening.close()


def test_each_process_has_a_channel_of_its_own(listening: AttemptSocket) -> None:
    here = [connect_to_attempt(listening.address) for _ in range(3)]
    there = []
    for channel, word in zip(here, (b"one", b"two", b"three"), strict=True):
        assert select.select([listening], [], [], 10)[0]
        accepted = listening.accept()
        assert accepted is not None
        there.append(accepted)
        channel.send(word)
    assert [channel.receive() for channel in there] == [b"one", b"two", b"three"]
    for channel in (*here, *there):
        channel.close()


def test_nobody_who_waits_is_nobody(listening: AttemptSocket) -> None:
    assert listening.accept() is None, "it does not block the worker"


def test_a_process_that_has_gone_again_blocks_nobody(listening: AttemptSocket) -> None:
    connect_to_attempt(listening.address).close()
    accepted = listening.accept()
    assert accepted is not None
    with pytest.raises(ChannelClosed):
        accepted.receive()


def test_after_its_end_an_address_leads_nowhere_and_is_never_used_again(listening: AttemptSocket) -> None:
    other = AttemptSocket()
    assert other.address != listening.address
    other.close()
    with pytest.raises(ChannelClosed):
        connect_to_attempt(other.address)
    with pytest.raises(ChannelClosed):
        connect_to_attempt("")


def test_a_process_of_another_user_is_turned_away(
    listening: AttemptSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt_socket.os, "getuid", lambda: 123456)
    stranger = connect_to_attempt(listening.address)
    assert listening.accept() is None
    with pytest.raises(ChannelClosed):
        stranger.receive()


def test_more_processes_than_a_data_loader_has_may_connect_at_once(listening: AttemptSocket) -> None:
    channels = []
    threads = [
        threading.Thread(target=lambda: channels.append(connect_to_attempt(listening.address))) for _ in range(64)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    accepted = [listening.accept() for _ in range(64)]
    assert all(accepted)
    for channel in (*channels, *accepted):
        channel.close()  # type: ignore[union-attr]


def test_elsewhere_than_on_linux_the_socket_lies_in_a_folder_that_goes_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attempt_socket.sys, "platform", "darwin")
    listening = AttemptSocket()
    folder = listening.address.rpartition("/")[0]
    assert attempt_socket.os.stat(folder).st_mode & 0o077 == 0, "closed to other users"
    channel = connect_to_attempt(listening.address)
    assert listening.accept() is not None
    channel.close()
    listening.close()
    assert not attempt_socket.os.path.exists(folder)


def test_what_is_no_unix_socket_is_not_ours() -> None:
    with socket.socket(socket.AF_INET) as other:
        assert attempt_socket._is_ours(other) in (True, False)  # asks, and does not raise
