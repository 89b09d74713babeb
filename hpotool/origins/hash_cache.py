"""Hashes of files, kept below the home folder: a file with the same size and times is not read again.

One cache for each path of a study file. Whoever computes holds its lock, so workers that start together on a
machine read a large folder once. Losing the cache costs time and nothing else.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hpotool.study.origins.content import hash_text

# A file changed so shortly before it was read may change again within the same tick of the file system's clock.
_TOO_FRESH_NS = 2_000_000_000
_READERS = 4  # hashing leaves the interpreter's lock
Stamp = tuple[int, int, int]  # size, time of the content, time of the entry


@dataclass(frozen=True)
class File:
    """A file to hash. ``name`` is its name within the path that the study file names."""

    name: str
    path: Path
    stamp: Stamp


def hash_content(path: Path) -> str:
    """The SHA-256 of a file's content.

    Raises:
        OSError: it cannot be read.
    """
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            whole.update(block)
    return whole.hexdigest()


class HashCache:
    """Hashes files, and remembers them in a folder."""

    def __init__(self, folder: Path, hash_file: Callable[[Path], str] = hash_content) -> None:
        self._folder = folder
        self._hash_file = hash_file

    def hash_files(self, root: Path, files: list[File]) -> dict[str, str]:
        """The SHA-256 of each file by name; ``root`` names what they belong to.

        Raises:
            OSError: one of them cannot be read.
        """
        with self._locked(root) as store:
            known = _read(store)
            now = time.time_ns()
            hashes = {file.name: found for file in files if (found := _known_hash(known, file))}
            unknown = [file for file in files if file.name not in hashes]
            with ThreadPoolExecutor(_READERS) as readers:
                fresh = readers.map(lambda file: self._hash_file(file.path), unknown)
                hashes |= dict(zip((file.name for file in unknown), fresh, strict=True))
            if store is not None and unknown:
                kept = {
                    f.name: [*f.stamp, hashes[f.name]] for f in files if max(f.stamp[1:]) < now - _TOO_FRESH_NS
                }
                _write(store, kept)
        return hashes

    @contextmanager
    def _locked(self, root: Path) -> Iterator[Path | None]:
        """The cache's file while nobody else computes for it; None where the folder cannot be written."""
        store = self._folder / f"{hash_text(str(root))}.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = store.with_suffix(".lock").open("a")
        except OSError:
            yield None
            return
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield store


def _known_hash(known: Mapping[str, list[object]], file: File) -> str | None:
    match known.get(file.name):
        case [*stamp, str(found)] if tuple(stamp) == file.stamp:
            return found
    return None


def _read(store: Path | None) -> Mapping[str, list[object]]:
    try:
        found = json.loads(store.read_text()) if store is not None else {}
    except (OSError, ValueError):  # none yet, or damaged
        return {}
    return found if isinstance(found, dict) else {}


def _write(store: Path, known: Mapping[str, list[object]]) -> None:
    """Replace the cache as a whole; on a full disk it stays as it was."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=store.parent, delete=False) as file:
            json.dump(known, file)
        os.replace(file.name, store)  # noqa: PTH105  (its name is text)
    except OSError:
        return
