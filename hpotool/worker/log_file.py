"""What an attempt prints: one file per attempt that cannot grow without end, and its last lines."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from optuna.trial import FrozenTrial

_logger = logging.getLogger(__name__)

_TAIL_BYTES = 8192
_TAIL_LINES = 40
_LIMIT_BYTES = 64 << 20
_KEPT_BYTES = 4 << 20


def log_path(folder: Path, trial: FrozenTrial) -> Path:
    """Where the output of this trial's attempt goes. A retry is a trial of its own, with a file of its own."""
    return folder / f"trial-{trial.number:05d}-{trial._trial_id}.log"


def open_log(path: Path) -> int:
    """Open the file for an attempt to write into; where the disk is full the attempt runs without a log."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    except OSError as error:
        _logger.warning("an attempt runs without a log: %s", error)
        return os.open(os.devnull, os.O_WRONLY)


def tail_of(path: Path) -> str:
    """The last lines of the file: at most 40 lines and 8 KiB, always whole characters, never a NUL byte."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            data = file.read(_TAIL_BYTES)
    except FileNotFoundError:
        return ""
    # Postgres text cannot hold NUL, which a crashing program may well print.
    text = data.decode(errors="replace").replace("\x00", "")
    lines = text.splitlines(keepends=True)
    if size > _TAIL_BYTES and len(lines) > 1:
        lines = lines[1:]  # the first one is cut
    return "".join(lines[-_TAIL_LINES:])


def keep_small(path: Path, limit: int = _LIMIT_BYTES, kept: int = _KEPT_BYTES) -> None:
    """Cut the file to its last ``kept`` bytes when it has grown beyond ``limit``.

    The attempt appends to it meanwhile: lines printed in the very moment of the cut may be lost.
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
