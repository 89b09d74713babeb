import fcntl
import os
from pathlib import Path

import pytest
from optuna.trial import create_trial

from hpotool.errors import InputError
from hpotool.worker.process.log_file import (
    BoundedLog,
    LogFolder,
    LogLimits,
    LogPipe,
    keep_small,
    log_path,
    open_log,
    remove_old_logs,
    tail_of,
)


def test_a_log_keeps_its_beginning_and_its_end_and_says_how_much_is_left_out(tmp_path: Path) -> None:
    log = BoundedLog(open_log(tmp_path / "log"), 80_000)
    printed = b""
    largest = 0
    for number in range(20_000):
        line = b"line %d\n" % number
        printed += line
        log.write(line)
        if number % 100 == 0:
            largest = max(largest, (tmp_path / "log").stat().st_size)
    log.close()
    assert 40_000 < largest <= 80_000
    text = (tmp_path / "log").read_bytes()
    head, _, rest = text.partition(b"\n[")
    left_out, _, end = rest.partition(b" bytes of output left out here]\n")
    assert printed.startswith(head)
    assert printed.endswith(end)
    assert len(head) + int(left_out) + len(end) == len(printed)


@pytest.mark.parametrize("size", [1, 9_999, 10_001, 5_000_000])
def test_a_log_is_bounded_however_much_comes_at_once(size: int, tmp_path: Path) -> None:
    log = BoundedLog(open_log(tmp_path / "log"), 80_000)
    for _ in range(3):
        log.write(b"x" * size)
        assert (tmp_path / "log").stat().st_size <= 80_000
    log.write(b"the end\n")
    log.close()
    assert (tmp_path / "log").read_bytes().endswith(b"the end\n")


def test_a_full_disk_costs_lines_and_says_how_many() -> None:
    log = BoundedLog(os.open("/dev/full", os.O_RDWR), 80_000)
    for _ in range(100):
        log.write(b"x" * 10_000)
    log.close()


def test_what_is_in_the_pipe_when_the_attempt_has_ended_is_written(tmp_path: Path) -> None:
    pipe = LogPipe(open_log(tmp_path / "log"), 80_000)
    os.write(pipe.writing, b"last words")
    pipe.close()
    os.close(pipe.writing)
    assert (tmp_path / "log").read_text() == "last words"


def test_the_oldest_logs_go_and_never_one_that_is_written(tmp_path: Path) -> None:
    study = tmp_path / "study"
    for number in range(6):
        (study / f"w{number % 2}").mkdir(parents=True, exist_ok=True)
        path = study / f"w{number % 2}" / f"trial-{number:05d}-{number}.log"
        path.write_bytes(b"x" * 10_000)
        os.utime(path, (number, number))
    written = open_log(study / "w0" / "trial-00000-0.log")
    os.write(written, b"x" * 10_000)
    os.utime(study / "w0" / "trial-00000-0.log", (0, 0))
    (study / "w0" / "import.log").write_bytes(b"x" * 10_000)
    remove_old_logs(study, 30_000)
    os.close(written)
    assert sorted(path.name for path in study.rglob("trial-*")) == [
        "trial-00000-0.log",
        "trial-00004-4.log",
        "trial-00005-5.log",
    ]
    assert (study / "w0" / "import.log").exists()


def test_a_worker_keeps_all_its_logs_together_within_the_studys_limit(tmp_path: Path) -> None:
    logs = LogFolder(tmp_path / "study" / "worker", LogLimits(attempt=1 << 20, study=100_000))
    for number in range(50):
        fd = logs.open(tmp_path / "study" / "worker" / f"trial-{number:05d}-{number}.log")
        os.write(fd, b"x" * 10_000)
        os.close(fd)
    assert 5 <= len(list(tmp_path.rglob("trial-*"))) <= 11


def test_limits_come_from_the_environment_and_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LogLimits.read() == LogLimits(64 << 20, 4 << 30)
    monkeypatch.setenv("HPOTOOL_LOG_LIMIT", "1MiB")
    assert LogLimits.read().attempt == 1 << 20
    monkeypatch.setenv("HPOTOOL_LOG_LIMIT", "lots")
    with pytest.raises(InputError, match="HPOTOOL_LOG_LIMIT: 'lots' is not a size"):
        LogLimits.read()


def test_a_log_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "log").symlink_to("mine")
    fd = open_log(tmp_path / "log")
    os.write(fd, b"theirs")
    os.close(fd)
    assert (tmp_path / "mine").read_text() == "mine"


def test_where_the_file_system_has_no_locks_a_log_is_still_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    fd = open_log(tmp_path / "log")
    assert os.write(fd, b"x") == 1
    os.close(fd)


def test_what_others_write_directly_is_cut_to_its_end_and_can_grow_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("ab", buffering=0) as file:
        file.write(b"".join(b"line %d\n" % line for line in range(2000)))
        keep_small(path, limit=10_000, kept=1000)
        file.write(b"after the cut\n")
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


def test_a_retry_has_a_log_of_its_own(tmp_path: Path) -> None:
    trial = create_trial(value=1.0)
    trial.number, trial._trial_id = 7, 41
    retry = create_trial(value=1.0)
    retry.number, retry._trial_id = 7, 42
    assert log_path(tmp_path, trial) == tmp_path / "trial-00007-41.log"
    assert log_path(tmp_path, trial) != log_path(tmp_path, retry)
