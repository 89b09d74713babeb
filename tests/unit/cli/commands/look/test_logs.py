"""The output of a trial: whole where it lies here, followed until it ends, and never obeyed by a terminal."""

from __future__ import annotations

import io
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from hpotool.cli.commands.look.logs import _where_the_log_is, _write_file, _write_tail, _write_visibly


class Terminal(io.StringIO):
    """What was written, with a buffer as a terminal has."""


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_character_that_comes_in_two_pieces_is_whole(cut: int, capsys: pytest.CaptureFixture[str]) -> None:
    written = "größe 名\n".encode()
    write = _write_visibly()
    write(written[:cut])
    write(written[cut:])
    assert capsys.readouterr().out == "größe 名\n"


def test_control_sequences_and_broken_bytes_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    _write_visibly()(b"\x1b[2Jred\xff\ttab\n")
    assert capsys.readouterr().out == "\\x1b[2Jred\\xff\ttab\n"


def test_a_progress_bar_becomes_lines(capsys: pytest.CaptureFixture[str]) -> None:
    write = _write_visibly()
    write(b"10%\r20%\r")
    write(b"\n100%\r\n")
    assert capsys.readouterr().out == "10%\n20%\n100%\n"


def test_a_file_is_written_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 200_000 + b"end\n")
    written = bytearray()
    _write_file(path, written.extend, lambda: True)
    assert bytes(written) == path.read_bytes()


def test_what_is_added_is_followed_until_the_attempt_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    looks: list[int] = []
    monkeypatch.setattr("hpotool.cli.commands.look.logs._LOOKS_EVERY_S", 0.0)

    def is_over() -> bool:
        looks.append(len(looks))
        if len(looks) == 2:
            with path.open("ab") as file:
                file.write(b"two\n")
        return len(looks) == 4

    written = bytearray()
    _write_file(path, written.extend, is_over)
    assert bytes(written) == b"one\ntwo\n"
    assert len(looks) == 4


def test_a_log_whose_middle_was_cut_out_is_followed_from_its_new_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old line\n" * 100)
    monkeypatch.setattr("hpotool.cli.commands.look.logs._LOOKS_EVERY_S", 0.0)
    looks: list[int] = []

    def is_over() -> bool:
        looks.append(len(looks))
        if len(looks) == 2:
            path.write_bytes(b"short\n")
        return len(looks) == 3

    written = bytearray()
    _write_file(path, written.extend, is_over)
    assert bytes(written).endswith(b"old line\nshort\n")


def attempt(**more: Any) -> dict[str, Any]:
    return {"host": "gpu7", "outcome": "complete", "output_tail": "last \x1b[31mline\n", **more}


def test_elsewhere_the_last_lines_are_shown_and_where_the_rest_is(capsys: pytest.CaptureFixture[str]) -> None:
    _write_tail(attempt(), raw=False)
    written = capsys.readouterr()
    assert written.out == "last \\x1b[31mline\n"
    assert written.err == (
        "these are the last lines; the whole log is on gpu7, until hpotool clean removes it there\n"
    )
    _write_tail(attempt(), raw=True)
    assert capsys.readouterr().out == "last \x1b[31mline\n"


def test_an_attempt_that_runs_elsewhere_has_nothing_to_show_yet(capsys: pytest.CaptureFixture[str]) -> None:
    _write_tail(attempt(outcome=None), raw=False)
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == "it is running on gpu7; its output is only there until it ends\n"


def test_an_attempt_without_output_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    _write_tail(attempt(output_tail=None), raw=False)
    assert capsys.readouterr().out == ""


def test_a_log_that_is_gone_from_here_is_called_so() -> None:
    assert "is not, or no longer, below" in _where_the_log_is(socket.gethostname())
    assert _where_the_log_is("gpu7").startswith("the whole log is on gpu7")
    assert threading.active_count() >= 1
