"""The output of attempts: one file of bounded size per attempt, and its last lines.

An attempt prints into a pipe, and only its fork server writes the file. So the file never exceeds its limit,
however fast the attempt prints, and a full disk loses lines but does not affect the attempt.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from optuna.trial import FrozenTrial

from hpotool.errors import InputError
from hpotool.study.units import parse_size

_logger = logging.getLogger(__name__)

_TAIL_BYTES = 8192
_TAIL_LINES = 40
_SMALLEST_LIMIT = 64 << 10
_PIPE_BYTES = 1 << 20
_SET_PIPE_SIZE = 1031  # Linux: F_SETPIPE_SZ, which Python 3.10 defines only in some builds
_SIZE_OF_AN_EMPTY_FILE = 4096  # its space on disk


@dataclass(frozen=True)
class LogLimits:
    """Limits in bytes: for one attempt's log, and for all logs of a study on this machine."""

    attempt: int = 64 << 20
    study: int = 4 << 30

    @classmethod
    def read(cls) -> LogLimits:
        """Read the limits from the environment: ``HPOTOOL_LOG_LIMIT`` and ``HPOTOOL_LOGS_LIMIT``.

        Raises:
            InputError: one of them is not a size.
        """
        return cls(
            max(_SMALLEST_LIMIT, _read_size("HPOTOOL_LOG_LIMIT", cls.attempt)),
            _read_size("HPOTOOL_LOGS_LIMIT", cls.study),
        )


def _read_size(name: str, default: int) -> int:
    text = os.environ.get(name)
    if not text:
        return default
    try:
        return parse_size(text)
    except ValueError as error:
        raise InputError(f"{name}: {error}", f"set it like {name}=64MiB, or unset it") from None


class LogFolder:
    """The logs of one worker's attempts, next to those of the study's other workers on this machine."""

    def __init__(self, folder: Path, limits: LogLimits | None = None) -> None:
        self._folder = folder
        self._limits = limits or LogLimits.read()
        self._last: Path | None = None
        self._since_look = self._limits.study  # the size of earlier workers' logs is not known yet

    def open(self, path: Path) -> int:
        """Open the log of a new attempt; remove the oldest logs if the limit is exceeded."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            if self._last is not None:
                self._since_look += max(self._last.stat().st_size, _SIZE_OF_AN_EMPTY_FILE)
            self._last = path
        if self._since_look >= self._limits.study // 16:
            self._since_look = 0
            remove_old_logs(self._folder.parent, self._limits.study)
        return open_log(path)


class BoundedLog:
    """The only writer of an open log; leaves out the middle if it becomes too large."""

    def __init__(self, fd: int, limit: int) -> None:
        """Takes ownership of the file."""
        self._fd = fd
        self._limit = limit
        self._head = limit // 4
        self._tail = limit // 8
        self._size = 0  # in the file
        self._printed = 0
        self._lost = 0

    def write(self, data: bytes) -> None:
        """Write output. Never raises: output that cannot be written is counted."""
        for start in range(0, len(data), self._tail):
            part = data[start : start + self._tail]
            if self._size + len(part) > self._limit - self._tail:  # inserted messages count too
                self._cut()
            self._printed += len(part)
            self._append(part)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _append(self, data: bytes) -> None:
        try:
            if self._lost:
                self._write_all(f"\n[{self._lost} bytes of output could not be written here]\n".encode())
                self._lost = 0
            self._write_all(data)
        except OSError:  # the disk is full; keep trying, because it may have space again later
            self._lost += len(data)

    def _write_all(self, data: bytes) -> None:
        while data:
            written = os.write(self._fd, data)
            self._size += written
            data = data[written:]

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            end = os.pread(self._fd, self._tail, self._size - self._tail)
            os.ftruncate(self._fd, self._head)
            self._size = self._head
            left_out = self._printed - self._head - len(end)
            self._append(f"\n[{left_out} bytes of output left out here]\n".encode() + end)
            return
        self._size = self._head  # not a file that can be truncated, like /dev/null


class LogPipe:
    """Moves an attempt's output from its pipe to its log."""

    def __init__(self, log_fd: int, limit: int) -> None:
        """Takes ownership of ``log_fd``. ``writing`` is the attempt's end of the pipe."""
        self._log = BoundedLog(log_fd, limit)
        self._log_fd = log_fd
        self._reading, self.writing = os.pipe()
        self.is_open = True
        os.set_blocking(self._reading, False)
        with contextlib.suppress(OSError):  # with a smaller pipe, a fast printer only waits more often
            fcntl.fcntl(self._reading, _SET_PIPE_SIZE, _PIPE_BYTES)

    def fileno(self) -> int:
        """The file descriptor that is readable when there is output."""
        return self._reading

    def become_writer(self) -> int:
        """In the attempt's process: close the fork server's end; return the end to print to."""
        os.close(self._reading)
        os.close(self._log_fd)
        return self.writing

    def take(self) -> bool:
        """Move the available output, at most one pipe's content. False: there was none."""
        try:
            data = os.read(self._reading, _PIPE_BYTES)
        except BlockingIOError:
            return False
        self.is_open = bool(data)
        self._log.write(data)
        return bool(data)

    def close(self) -> None:
        """Move the remaining output after the attempt has ended, and no more than was in the pipe."""
        for _ in range(2):
            if not self.take():
                break
        os.close(self._reading)
        self._log.close()


def log_path(folder: Path, trial: FrozenTrial) -> Path:
    """The log file of this trial's attempt. A retry is another trial, with its own file."""
    return folder / f"trial-{trial.number:05d}-{trial._trial_id}.log"


def open_log(path: Path) -> int:
    """Open the file for an attempt's output; on a full disk, the attempt runs without a log.

    The file is locked while it is open, which distinguishes it from the logs of ended attempts.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        _logger.warning("an attempt runs without a log: %s", error)
        return os.open(os.devnull, os.O_RDWR)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return fd


def open_for_appending(path: Path) -> BinaryIO:
    """Open a file that other processes write to directly; if that fails, their output is lost."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")
    except OSError as error:
        _logger.warning("%s cannot be written: %s", path, error)
        return Path(os.devnull).open("ab")


def is_in_use(path: Path) -> bool:
    """Whether a running attempt writes to this log."""
    try:
        with path.open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    return False


def remove_old_logs(study_folder: Path, limit: int) -> None:
    """Remove the oldest logs of ended attempts until the study's logs take at most ``limit`` bytes."""
    logs = sorted(_sizes(study_folder))
    total = sum(size for _, size, _ in logs)
    for _, size, path in logs:
        if total <= limit:
            return
        if not is_in_use(path):
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size


def _sizes(study_folder: Path) -> Iterator[tuple[int, int, Path]]:
    for path in study_folder.glob("*/trial-*.log"):
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            yield status.st_mtime_ns, max(status.st_size, _SIZE_OF_AN_EMPTY_FILE), path


def tail_of(path: Path) -> str:
    """The last lines of the file: at most 40 lines and 8 KiB, with whole characters and without NUL."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            data = file.read(_TAIL_BYTES)
    except FileNotFoundError:
        return ""
    # Postgres text cannot contain NUL, which a crashing program may print.
    text = data.decode(errors="replace").replace("\x00", "")
    lines = text.splitlines(keepends=True)
    if size > _TAIL_BYTES and len(lines) > 1:
        lines = lines[1:]  # the first line is incomplete
    return "".join(lines[-_TAIL_LINES:])


def keep_small(path: Path, limit: int = 64 << 20, kept: int = 4 << 20) -> None:
    """Cut a file that other processes write to down to its last ``kept`` bytes if it exceeds ``limit``.

    They may append to it at the same time: lines printed at the very moment of the cut may be lost.
    """
    if path.stat().st_size <= limit:
        return
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(size - kept)
        end = file.read()
        file.seek(0)
        file.truncate()
        file.write(f"[{size - kept} bytes of output left out here]\n".encode() + end)
