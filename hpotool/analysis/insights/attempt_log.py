"""Where the output of a trial's attempts is on this machine, and its last lines."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hpotool.settings import home_folder, study_folder_name

_TAIL_BYTES = 32 << 10


@dataclass(frozen=True)
class LogTail:
    """The end of a log. ``is_whole``: nothing comes before it."""

    path: Path
    text: str
    size: int
    is_whole: bool


def find_log(study: str, number: int) -> Path | None:
    """Return the log of the trial's latest attempt on this machine; ``None`` if none is here."""
    found = (home_folder() / "logs" / study_folder_name(study)).glob(f"*/trial-{number:05d}-*.log")
    return max(found, key=_changed_at, default=None)


def read_log_tail(path: Path, most: int = _TAIL_BYTES) -> LogTail | None:
    """Return the last lines of a log, at most ``most`` bytes of it; ``None`` if it was removed meanwhile."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - most))
            found = file.read(most)
    except OSError:
        return None
    if size > most:  # from the first whole line on, which also leaves out half a character
        found = found.partition(b"\n")[2] or found
    return LogTail(path, found.decode("utf-8", "backslashreplace"), size, size <= most)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
