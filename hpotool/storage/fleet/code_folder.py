"""The code of a study as a folder: which files belong to it, and one hash of their content.

What git ignores is no code; without git, what begins with a dot, caches and virtual environments are none. Paths,
contents and whether a file may be executed count; times and owners do not.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

_NO_CODE = frozenset({"__pycache__", "node_modules", "venv", "build", "dist"})
_GIT_PATIENCE_S = 30.0


def code_paths(folder: Path) -> list[str]:
    """The files of the code, relative to ``folder``, in one order everywhere."""
    listed = _listed_by_git(folder)
    found = walk_code(folder) if listed is None else (path for path in listed if (folder / path).is_file())
    return sorted(found)


def hash_files(folder: Path, paths: Sequence[str]) -> str:
    """A hash of the content of these files, equal wherever the same ones lie; one that is gone makes another hash.

    The paths are given, not found: what an objective writes beside its code does not change the code.
    """
    whole = hashlib.sha256()
    for path in paths:
        whole.update(f"{path}\0".encode(errors="surrogateescape") + _hash_file(folder / path) + b"\0")
    return whole.hexdigest()[:16]


def _hash_file(path: Path) -> bytes:
    hashed = hashlib.sha256(b"x" if os.access(path, os.X_OK) else b"-")
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                hashed.update(block)
    except OSError:
        return b"gone"
    return hashed.digest()


def _listed_by_git(folder: Path) -> list[str] | None:
    """What git knows below the folder and does not ignore; None where git knows nothing."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True,
            timeout=_GIT_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    paths = [os.fsdecode(path) for path in done.stdout.split(b"\0") if path]
    return paths if done.returncode == 0 and paths else None


def walk_code(folder: Path) -> Iterator[str]:
    """What is below the folder without what is certainly no code, in any order."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _is_no_code(name) and not _is_left_out(Path(place, name))]
        for name in files:
            path = Path(place, name)
            if not _is_no_code(name) and path.suffix != ".pyc" and path.is_file():
                yield str(path.relative_to(folder))


def _is_no_code(name: str) -> bool:
    return name.startswith(".") or name in _NO_CODE


def _is_left_out(folder: Path) -> bool:
    """A virtual environment, or a folder that asks git to ignore all of it."""
    try:
        return (folder / "pyvenv.cfg").exists() or (folder / ".gitignore").read_text().strip() == "*"
    except (OSError, UnicodeDecodeError):
        return False
