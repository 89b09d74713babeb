"""Where a final training keeps its artifacts: a folder, or a URL that fsspec can write.

Puts them there and fetches them, each file checked by its SHA-256.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from hpotool.errors import CheckpointStoreError, HpotoolError, InputError, NotFoundError
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store_calls import Patience, StoreCalls

# A store that is away when hours of training end is waited for; then the artifacts stay on this machine.
PATIENCE = Patience(at_end=600.0)


class ArtifactPlace:
    """One place, local or remote."""

    def __init__(self, location: CheckpointLocation, patience: Patience = PATIENCE) -> None:
        self._location = location
        self._patience = patience
        self._calls = StoreCalls(location.name, patience)

    @property
    def name(self) -> str:
        """Its name in messages, and with the trial."""
        return self._location.name

    def check_writable(self) -> None:
        """Write a file and remove it, before hours of training rather than after them.

        Raises:
            InputError: that fails.
        """
        try:
            if self._location.remote is None:
                Path(self._location.path).mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=self._location.path):
                    pass
            else:
                self._write_and_remove(f"{self._location.path}/.hpotool-{uuid.uuid4().hex}")
        except (OSError, CheckpointStoreError) as error:
            raise InputError(
                f"--artifacts: {self.name} cannot be written: {_say(error)}",
                "name another folder: --artifacts models",
            ) from error

    def put(self, folder: Path) -> None:
        """Copy everything below the folder to the place; a store that is away is waited for.

        Raises:
            OSError: the place is a folder that cannot be written.
            CheckpointStoreError: the store did not come back in time.
        """
        if self._location.remote is None:
            shutil.copytree(folder, self._location.path, dirs_exist_ok=True)
            return
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            self._calls.retry(lambda path=path: self._send(folder, path), self._patience.at_end)  # type: ignore[misc]

    def fetch(self, files: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
        """Copy these files into the folder, as `list_files` listed them; return where each lies.

        One without a ``sha256`` is not checked.

        Raises:
            NotFoundError: one is not there any more.
            HpotoolError: one has another content than it had, or the store does not answer.
        """
        return [self._fetch(file, folder) for file in files]

    def _fetch(self, file: Mapping[str, Any], folder: Path) -> Path:
        name = PurePosixPath(file["name"])
        if name.is_absolute() or ".." in name.parts:
            raise InputError(
                f"the name {file['name']!r} leads out of the folder", f"copy it by hand, from {self.name}"
            )
        target = folder.joinpath(*name.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.fetching")
        try:
            self._copy(name, new, file.get("bytes", 0))
            if "sha256" in file and _hash(new) != file["sha256"]:
                raise HpotoolError(f"{name} in {self.name} is not the file that was kept: its content has changed")
            new.replace(target)  # whoever is killed meanwhile leaves no half of a file
        finally:
            new.unlink(missing_ok=True)
        return target

    def _copy(self, name: PurePosixPath, target: Path, size: int) -> None:
        source = f"{self._location.path}/{name}"
        try:
            if self._location.remote is None:
                shutil.copyfile(source, target)
            else:
                get = self._location.remote.get_file
                self._calls.retry(
                    lambda: self._calls.call(get, source, str(target), size=size), self._patience.at_start
                )
        except FileNotFoundError as error:
            if self._location.remote is None:
                where, hint = ", a folder of the machine that trained it", "run the same command there"
            else:
                where, hint = "", "it was removed there; to train it again: hpotool run --final"
            raise NotFoundError(f"there is no {name} in {self.name}{where}", hint) from error

    def _send(self, folder: Path, path: Path) -> None:
        store = self._location.remote
        target = f"{self._location.path}/{path.relative_to(folder).as_posix()}"
        self._calls.call(store.makedirs, target.rpartition("/")[0], exist_ok=True)
        self._calls.call(store.put_file, str(path), target, size=path.stat().st_size)

    def _write_and_remove(self, path: str) -> None:
        store = self._location.remote
        self._calls.call(store.makedirs, path.rpartition("/")[0], exist_ok=True)
        self._calls.call(store.pipe_file, path, b"")
        self._calls.call(store.rm_file, path)


def _say(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hash_stream(file)


def hash_stream(file: IO[bytes]) -> str:
    """The SHA-256 of what is left to read. As `hashlib.file_digest`, which Python 3.10 does not have."""
    whole = hashlib.sha256()
    while block := file.read(2**20):
        whole.update(block)
    return whole.hexdigest()
