import os
from pathlib import Path

from hpotool.worker.log_file import keep_small, open_log, tail_of


def test_a_log_that_grew_too_large_keeps_its_end_and_can_grow_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    number = open_log(path)
    os.write(number, b"".join(b"line %d\n" % line for line in range(2000)))
    keep_small(path, limit=10_000, kept=1000)
    os.write(number, b"after the cut\n")
    os.close(number)
    lines = path.read_text().splitlines()
    assert lines[0].endswith("bytes of output left out here]")
    assert lines[-2:] == ["line 1999", "after the cut"]
    assert path.stat().st_size < 1200


def test_the_tail_is_whole_lines_and_no_nul(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes("é\x00\n".encode() * 10_000)
    assert tail_of(path) == "é\n" * 40
    assert tail_of(tmp_path / "absent") == ""


def test_where_no_log_can_be_opened_the_attempt_runs_without(tmp_path: Path) -> None:
    number = open_log(tmp_path / "no-such-folder" / "log")
    assert os.write(number, b"lost") == 4
    os.close(number)
