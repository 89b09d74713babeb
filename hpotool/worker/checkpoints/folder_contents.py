"""What a folder of checkpoints holds, as it is compared, written down and made again elsewhere.

Files, empty folders, and links within the folder. A link to a file outside becomes that file. Names that begin
with a dot are still being written, unless a finished ``step-…`` folder holds them.
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
_LONGEST_PART = 200  # a name's part of 255 bytes could become three times as long
NOT_COPIED = "result.json"  # beside the checkpoints: what the finished trial was worth


@dataclass(frozen=True)
class FolderContents:
    """Names relative to the folder, with ``/`` between their parts.

    ``files`` have their size; ``versions`` tell whether a file is still the same, on this machine alone.
    """

    files: Mapping[str, int] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> FolderContents:
        """What is there now."""
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
        """The bytes of all files."""
        return sum(self.files.values())

    def to_json(self) -> str:
        """As a manifest; what `from_json` reads."""
        content = {
            "format": _FORMAT,
            "files": dict(self.files),
            "folders": self.folders,
            "links": dict(self.links),
        }
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str) -> FolderContents:
        """What a manifest says.

        Raises:
            FileNotFoundError: it is no whole manifest, or names something outside its folder.
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
        """Make every folder that is empty, or that a file or link will be in."""
        for name in self.folders:
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name in (*self.files, *self.links):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)

    def make_links(self, folder: Path) -> None:
        """Make the links, last of all: no file is written through one."""
        for name, target in self.links.items():
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(target)

    def check_sizes(self, folder: Path) -> None:
        """See that every file came whole.

        Raises:
            FileNotFoundError: one did not.
        """
        for name, size in self.files.items():
            if (folder / name).stat().st_size != size:
                raise FileNotFoundError(f"{name} is not of {size} bytes")


def object_name(name: str) -> str:
    """``name`` as every store takes it, whatever characters and bytes are in it: plain ones stay as they are."""
    parts = []
    for part in name.split("/"):
        plain = quote(os.fsencode(part), safe="").replace("%", "=")
        parts.append(plain if len(plain) <= _LONGEST_PART else hashlib.sha256(os.fsencode(part)).hexdigest())
    return "/".join(parts)


def _walk(folder: Path, top: Path) -> Iterator[Path]:
    """Everything below the folder, by name; not what links lead to."""
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
    """Whether the link leads to something in the same folder, without leaving it on the way."""
    if target.startswith("/") or "\x00" in target:
        return False
    depth = len(PurePosixPath(name).parent.parts)
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True
