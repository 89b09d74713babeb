import os
from pathlib import Path

import pytest

from hpotool.analysis.insights.attempt_log import find_log, read_log_tail


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPOTOOL_HOME", str(tmp_path))
    folder = tmp_path / "logs" / "a%2Fb"  # the study is called a/b
    for worker in ("one", "two"):
        (folder / worker).mkdir(parents=True)
    return folder


def test_the_log_is_that_of_the_latest_attempt_on_any_worker_here(logs: Path) -> None:
    older, newer = logs / "one" / "trial-00003-x.log", logs / "two" / "trial-00003-y.log"
    (logs / "two" / "trial-00030-z.log").write_text("another trial")
    for place, path in enumerate((older, newer)):
        path.write_text(path.name)
        os.utime(path, (1000 + place, 1000 + place))
    assert find_log("a/b", 3) == newer
    os.utime(older, (2000, 2000))
    assert find_log("a/b", 3) == older


def test_a_trial_or_study_without_a_log_here_has_none(logs: Path) -> None:
    assert find_log("a/b", 4) is None
    assert find_log("../logs/a%2Fb", 3) is None


def test_a_short_log_is_whole_and_a_long_one_begins_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\n\xff")
    whole = read_log_tail(path)
    assert whole is not None
    assert (whole.text, whole.size, whole.is_whole) == ("one\ntwo\n\\xff", 9, True)
    path.write_text("".join(f"line {i:04}\n" for i in range(1000)))
    tail = read_log_tail(path, most=25)
    assert tail is not None
    assert (tail.text, tail.is_whole) == ("line 0998\nline 0999\n", False)


def test_a_line_longer_than_the_tail_is_shown_from_its_middle(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("x" * 100)
    tail = read_log_tail(path, most=10)
    assert tail is not None
    assert tail.text == "x" * 10


def test_a_log_that_was_removed_meanwhile_has_no_tail(tmp_path: Path) -> None:
    assert read_log_tail(tmp_path / "none") is None


def test_a_log_that_vanishes_while_it_is_looked_for_is_older_than_one_that_is_there(logs: Path) -> None:
    (logs / "one" / "trial-00003-x.log").symlink_to(logs / "nowhere")
    there = logs / "two" / "trial-00003-y.log"
    there.write_text("here")
    assert find_log("a/b", 3) == there


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 100])
@pytest.mark.parametrize("line", [b"x", b"ab\n", "ö\n".encode()])
def test_a_tail_is_at_most_so_long_and_its_end_is_the_end(size: int, line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    content = (line * 100)[:size]
    path.write_bytes(content)
    tail = read_log_tail(path, most=10)
    assert tail is not None
    assert (tail.size, tail.is_whole) == (size, size <= 10)
    whole = content.decode("utf-8", "backslashreplace")
    assert whole.endswith(tail.text)
    assert len(tail.text.encode()) <= 10 + 3 * tail.text.count("\\x")
    assert tail.text == whole or size > 10
