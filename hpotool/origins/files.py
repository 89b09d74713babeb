"""Files and folders that a study file names as data: found, stamped, hashed.

A folder's hash is that of the names and contents of all that is in it. Owners and times do not count.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpotool.origins.hash_cache import File, HashCache, Stamp

MOST_LISTED = 1000  # files of a folder whose own hashes are kept, so that differences can name them


def read_path(path: Path, cache: HashCache) -> dict[str, Any]:
    """The content of a file or folder as data: its hash, its size, and the hashes of its files.

    Raises:
        OSError: it is not there, or part of it cannot be read.
    """
    files = walk_files(path)
    hashes = cache.hash_files(path.absolute(), files)
    size = sum(file.stamp[0] for file in files)
    if not path.is_dir():
        return {"hash": hashes[path.name], "bytes": size}
    found = {"hash": fold(hashes), "bytes": size, "count": len(files)}
    return {**found, "files": {name: hashes[name][:16] for name in hashes}} if len(files) <= MOST_LISTED else found


def fold(hashes: Mapping[str, str]) -> str:
    """One hash of the names and contents of a folder's files."""
    whole = hashlib.sha256()
    for name in sorted(hashes, key=lambda name: name.split("/")):
        whole.update(f"{name}\0{hashes[name]}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def walk_files(path: Path) -> list[File]:
    """The regular files below ``path``, or itself.

    Raises:
        OSError: it is not there, or a folder cannot be read.
    """
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        return [File(path.name, path, _stamp(found))]
    return sorted(_walk(path, "", set()), key=lambda file: file.name)


def stamp_path(path: Path) -> object:
    """What changes when a file below ``path`` does, without reading any; None where it is not there."""
    try:
        return [(file.name, file.stamp) for file in walk_files(path)]
    except OSError:
        return None


def _walk(folder: Path, prefix: str, seen: set[tuple[int, int]]) -> Iterator[File]:
    """Follows links to folders, as data often lies behind them; a circle of links once."""
    own = folder.stat()
    if (own.st_dev, own.st_ino) in seen:
        return
    seen.add((own.st_dev, own.st_ino))
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                found = entry.stat()
            except FileNotFoundError:  # a link to nowhere, or removed meanwhile
                continue
            if stat.S_ISDIR(found.st_mode):
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", seen)
            elif stat.S_ISREG(found.st_mode):
                yield File(f"{prefix}{entry.name}", Path(entry.path), _stamp(found))


def _stamp(found: os.stat_result) -> Stamp:
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
