"""What a script reports through the socket is answered line by line, whatever it sends and however it ends."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.worker.child.command import report_socket
from hpotool.worker.child.command.report_socket import ReportSocket, is_abandoned, scratch_parents


def _answer(request: Any) -> Any:
    if request == "refuse":
        raise ValueError
    return {"heard": request}


class Script:
    """A process that reports, and the socket that serves it in the same thread."""

    def __init__(self, serving: ReportSocket) -> None:
        self.serving = serving
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10)
        self.socket.connect(str(serving.path))
        self.serve()

    def serve(self) -> None:
        while readable := select.select(self.serving.sources(), [], [], 0)[0]:
            self.serving.serve(readable)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)
        self.serve()

    def lines(self, count: int) -> list[Any]:
        data = b""
        while data.count(b"\n") < count:
            data += self.socket.recv(1 << 16)
        return [json.loads(line) for line in data.splitlines()]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[ReportSocket]:
    folder = tmp_path / "s"
    folder.mkdir()
    serving = ReportSocket(folder, _answer)
    yield serving
    serving.close()


def test_each_line_is_answered_in_order(serving: ReportSocket) -> None:
    script = Script(serving)
    script.send(b'{"a": 1}\n[2]\n"x"\n')
    assert script.lines(3) == [{"heard": {"a": 1}}, {"heard": [2]}, {"heard": "x"}]


@given(pieces=st.lists(st.integers(1, 9), max_size=12))
def test_it_does_not_matter_in_which_pieces_a_line_comes(pieces: list[int]) -> None:
    folder = report_socket._make_short_folder()
    serving = ReportSocket(folder, _answer)
    try:
        script, rest = Script(serving), b'{"step": 1, "loss": 0.25}\n{"step": 2}\n'
        for size in pieces:
            script.send(rest[:size])
            rest = rest[size:]
        script.send(rest)
        assert script.lines(2) == [{"heard": {"step": 1, "loss": 0.25}}, {"heard": {"step": 2}}]
        script.socket.close()
    finally:
        serving.close()
        report_socket.shutil.rmtree(folder)


@pytest.mark.parametrize("line", [b"no json", b"\xff\xfe", b"[" * 100_000, b'"refuse"', b""])
def test_what_cannot_be_read_is_answered_with_null_and_the_next_line_as_ever(
    serving: ReportSocket, line: bytes
) -> None:
    script = Script(serving)
    script.send(line + b"\n1\n")
    assert script.lines(2) == [None, {"heard": 1}]


def test_a_line_without_an_end_is_given_up_before_it_fills_the_memory(
    serving: ReportSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_socket, "_LONGEST_REQUEST", 1000)
    script = Script(serving)
    script.send(b"x" * 5000)
    assert script.socket.recv(10) == b"", "the connection was closed"
    assert len(serving.sources()) == 1


def test_scripts_at_the_same_time_do_not_mix_and_one_that_leaves_is_forgotten(serving: ReportSocket) -> None:
    one, other = Script(serving), Script(serving)
    one.send(b'"on')
    other.send(b'"two"\n')
    one.send(b'e"\n')
    assert (one.lines(1), other.lines(1)) == ([{"heard": "one"}], [{"heard": "two"}])
    one.socket.sendall(b'"half')
    one.socket.close()
    other.serve()
    assert len(serving.sources()) == 2


def test_one_that_never_reads_its_answers_blocks_the_attempt_for_a_moment_only(
    serving: ReportSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_socket, "_ANSWER_WITHIN_S", 0.05)
    script = Script(serving)
    request = json.dumps("x" * 60_000).encode() + b"\n"
    for _ in range(20):
        script.socket.setblocking(False)
        with report_socket.contextlib.suppress(BlockingIOError):
            script.socket.send(request)
        script.serve()
    good = Script(serving)
    good.send(b"1\n")
    assert good.lines(1) == [{"heard": 1}]


def test_a_folder_whose_path_is_too_long_gets_a_short_one_that_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    serving = ReportSocket(folder, _answer)
    assert len(os.fsencode(serving.path)) <= 100
    assert serving.path.parent.stat().st_mode & 0o077 == 0, "closed to others"
    assert serving.path.parent.parent in scratch_parents(), "where `clean` looks for what was left"
    serving.close()
    assert not serving.path.parent.exists()
    assert folder.exists(), "that one is not its own"


def test_without_any_folder_for_it_the_reason_is_raised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(report_socket, "_SHORT_FOLDERS", (str(tmp_path / "none"),))
    with pytest.raises(FileNotFoundError):
        report_socket._make_short_folder()


def test_a_folder_is_abandoned_when_nobody_listens_there_any_more(tmp_path: Path) -> None:
    folder = report_socket._make_short_folder()
    assert not is_abandoned(folder), "without a socket it may just be made"
    serving = ReportSocket(folder, _answer)
    assert not is_abandoned(folder)
    serving.close()
    assert is_abandoned(folder)
    report_socket.shutil.rmtree(folder)
    (tmp_path / "socket").write_text("a file of that name")
    assert not is_abandoned(tmp_path)
