"""The code that workers run: measured, hashed, and packed for machines that share no disk."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpotool.errors import InputError
from hpotool.storage.fleet.code_folder import code_paths, hash_files
from hpotool.study.units import format_size

LARGEST = 200_000_000  # bytes that a folder of code may have


@dataclass(frozen=True)
class Code:
    """A folder of code: its files, and the hash of what is in them."""

    folder: Path
    paths: tuple[str, ...]
    hash: str

    def list_as_json(self) -> str:
        """The files as the workers read them, to compare the hash."""
        return json.dumps(self.paths)

    def packed(self) -> bytes:
        """The files as a compressed archive, without the names of their owners."""
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w:gz", compresslevel=1) as archive:
            for path in self.paths:
                archive.add(self.folder / path, path, recursive=False, filter=_without_owner)
        return target.getvalue()


def read_code(folder: Path) -> Code:
    """The code in ``folder``.

    Raises:
        InputError: there is no such folder, nothing in it, or far more than code.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", "name the folder of your code with --code")
    paths = code_paths(folder)
    if not paths:
        raise InputError(f"there is no code in {folder}", "name the folder of your code with --code")
    _refuse_large(folder, paths)
    return Code(folder, tuple(paths), hash_files(folder, paths))


def _refuse_large(folder: Path, paths: Sequence[str]) -> None:
    sizes = {path: (folder / path).stat().st_size for path in paths}
    whole = sum(sizes.values())
    if whole > LARGEST:
        largest = max(sizes, key=lambda path: sizes[path])
        raise InputError(
            f"{folder} holds {whole / 1e6:.0f} MB, the largest file is {largest}; code has at most "
            f"{format_size(LARGEST)}",
            "name a folder that holds only code with --code, or have git ignore the rest",
        )


def _without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry
