"""The contents of a checkpoint folder, for comparing, recording and restoring it elsewhere.

Covers files, empty folders, and links within the folder. A link to a file outside becomes that file. Names that
begin with a dot are still being written, except in a finished ``step-…`` folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import quote

_FORMAT = 1
_LONGEST_PART = 200  # a name component of 255 bytes could become three times as long
NOT_COPIED = "result.json"  # next to the checkpoints: the values of the finished trial


@dataclass(frozen=True)
class FolderContents:
    """Names relative to the folder, separated by ``/``.

    ``files`` has sizes; ``versions`` tell whether a file is unchanged, on this machine only.
    """

    files: Mapping[str, int] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> FolderContents:
        """Read the current contents."""
        files: dict[str, int] = {}
        versions: dict[str, tuple[int, int]] = {}
        folders: list[str] = []
        links: dict[str, str] = {}
        for path in _walk(folder, folder):
            name = path.relative_to(folder).as_posix()
            with contextlib.suppress(FileNotFoundError):
                if path.is_symlink() and _stays_inside(name, target := str(path.readlink())):
                    links[name] = target
                elif path.is_dir():
                    folders += [name] if not path.is_symlink() and not any(path.iterdir()) else []
                elif stat.S_ISREG((status := path.stat()).st_mode):
                    files[name] = status.st_size
                    versions[name] = status.st_mtime_ns, status.st_ino
        return cls(files, tuple(folders), links, versions)

    @property
    def size(self) -> int:
        """The total size of all files in bytes."""
        return sum(self.files.values())

    def to_json(self) -> str:
        """Serialize as a manifest, for `from_json`."""
        content = {
            "format": _FORMAT,
            "files": dict(self.files),
            "folders": self.folders,
            "links": dict(self.links),
        }
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str) -> FolderContents:
        """Parse a manifest.

        Raises:
            FileNotFoundError: it is not a complete manifest, or names a path outside its folder.
        """
        try:
            data = json.loads(text)
            contents = cls(data["files"], tuple(data["folders"]), data["links"])
            names = [*contents.files, *contents.folders, *contents.links]
            is_safe = data["format"] == _FORMAT and all(_is_inside(name) for name in names)
            is_safe = is_safe and all(_stays_inside(name, target) for name, target in contents.links.items())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileNotFoundError(f"no manifest: {error}") from error
        if not is_safe:
            raise FileNotFoundError("the manifest names something outside its folder, or is of a later release")
        return contents

    def make_folders(self, folder: Path) -> None:
        """Create all empty folders and all parents of files and links."""
        for name in self.folders:
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name in (*self.files, *self.links):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)

    def make_links(self, folder: Path) -> None:
        """Create the links, last of all, so that no file is written through one."""
        for name, target in self.links.items():
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(target)

    def check_sizes(self, folder: Path) -> None:
        """Check that every file is complete.

        Raises:
            FileNotFoundError: one is not.
        """
        for name, size in self.files.items():
            if (folder / name).stat().st_size != size:
                raise FileNotFoundError(f"{name} does not have {size} bytes")


def object_name(name: str) -> str:
    """``name`` in a form that every store accepts, whatever characters it has; plain names are unchanged."""
    parts = []
    for part in name.split("/"):
        plain = quote(os.fsencode(part), safe="").replace("%", "=")
        parts.append(plain if len(plain) <= _LONGEST_PART else hashlib.sha256(os.fsencode(part)).hexdigest())
    return "/".join(parts)


def _walk(folder: Path, top: Path) -> Iterator[Path]:
    """Everything below the folder, by name, without following links."""
    is_finished = folder != top and folder.relative_to(top).parts[0].startswith("step-")
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            if (path.name.startswith(".") and not is_finished) or (folder == top and path.name == NOT_COPIED):
                continue
            yield path
            if path.is_dir() and not path.is_symlink():
                yield from _walk(path, top)


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\x00" not in name


def _stays_inside(name: str, target: str) -> bool:
    """Whether the link leads to a path in the same folder without leaving it on the way."""
    if target.startswith("/") or "\x00" in target:
        return False
    depth = len(PurePosixPath(name).parent.parts)
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True
