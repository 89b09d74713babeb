"""The code that attempts run: the objective's files, and the state of the git repository around them.

The code is what git holds below the working folder (or below the objective's folder, if that is elsewhere), with
what was changed since the commit. New files count where their suffix says that they are code. Data that the study
names does not count, wherever it lies.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from hpotool.origins.git import read_diff, read_line, read_paths
from hpotool.origins.hash_cache import hash_content
from hpotool.storage.control.versions import code_files
from hpotool.storage.fleet.code_folder import hash_files, walk_code
from hpotool.study.origins.content import Part, hash_text
from hpotool.study.spec import ObjectiveSpec

MOST_FILES = 10_000  # of a folder without git; a home folder is no project
LARGEST_DIFF = 500_000  # bytes of uncommitted changes that are kept, so that they can be applied again
_SUFFIXES = "py pyx pyi sh bash r jl lua pl rb js ts c h cc cpp hpp cu cuh rs go java scala"
_IS_CODE = re.compile(rf"\.({_SUFFIXES.replace(' ', '|')})", re.IGNORECASE)
_PASSWORD = re.compile("://[^/@]*@")


def read_code(objective: ObjectiveSpec, data: Sequence[Path] = (), folder: Path | None = None) -> Part:
    """The code of the objective as it lies on this machine."""
    here = (folder or Path.cwd()).resolve()
    files = [path.resolve() for path in code_files(objective)]
    content: dict[str, Any] = {"files": {_name(path, here): _hash(path) for path in files}}
    place = here if not files or any(path.is_relative_to(here) for path in files) else files[0].parent
    root = read_line(place, "rev-parse", "--show-toplevel")
    if root is not None and read_line(place, "rev-parse", "--verify", "--quiet", "HEAD"):
        content |= _read_repository(Path(root), place, files, data)
    elif (tree := hash_folder(place)) is not None:
        content["tree"] = tree
    return Part("code", content)


def hash_folder(folder: Path) -> str | None:
    """A hash of the files below a folder without git whose suffix is that of code; None: there are too many."""
    found = list(islice(walk_code(folder), MOST_FILES + 1))
    if len(found) > MOST_FILES:
        return None
    return hash_files(folder, sorted(path for path in found if _IS_CODE.fullmatch(Path(path).suffix)))


def code_stamp(objective: ObjectiveSpec) -> object:
    """What is another value when a command's files have changed. A module is imported once: it does not change."""
    if objective.command is None:
        return None
    found = []
    for path in code_files(objective):
        try:
            own = path.stat()
        except OSError:  # removed meanwhile
            continue
        found.append((str(path), own.st_size, own.st_mtime_ns, own.st_ctime_ns))
    return found


def _read_repository(root: Path, place: Path, files: list[Path], data: Sequence[Path]) -> dict[str, Any]:
    below = place.relative_to(root.resolve()).as_posix()
    left_out = [path for path in (_below(root, one) for one in data) if path is not None]
    specs = [
        f":(top,literal){below}" if below != "." else ":(top)",
        *(f":(top,exclude,literal){one}" for one in left_out),
    ]
    listed = read_paths(root, "ls-files", "-z", "--others", "--exclude-standard", "--", *specs)
    new = [path for path in listed if _IS_CODE.fullmatch(Path(path).suffix) or (root / path).resolve() in files]
    diff = read_diff(root, specs, new)
    tree = read_paths(root, "ls-tree", "-r", "-z", "--full-tree", "HEAD", "--", *([below] if below != "." else []))
    kept = [line for line in tree if not _is_left_out(line.partition("\t")[2], left_out)]
    return {
        "commit": read_line(root, "rev-parse", "HEAD"),
        "folder": below,
        "remote": _without_password(read_line(root, "remote", "get-url", "origin")),
        "tree": hash_text("\n".join(kept)),
        "changes": hashlib.sha256(diff).hexdigest()[:16] if diff else None,
        "diff": _as_text(diff),
    }


def _as_text(diff: bytes) -> str | None:
    """The patch as it can be kept; None where there is none, or it is too large or no text."""
    try:
        return diff.decode() if diff and len(diff) <= LARGEST_DIFF and b"\0" not in diff else None
    except UnicodeDecodeError:
        return None


def _below(root: Path, path: Path) -> str | None:
    resolved, top = path.resolve(), root.resolve()
    return resolved.relative_to(top).as_posix() if resolved.is_relative_to(top) and resolved != top else None


def _is_left_out(path: str, left_out: list[str]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in left_out)


def _without_password(url: str | None) -> str | None:
    return None if url is None else _PASSWORD.sub("://", url)


def _name(path: Path, here: Path) -> str:
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name


def _hash(path: Path) -> str:
    try:
        return hash_content(path)[:16]
    except OSError:  # removed meanwhile
        return "gone"
