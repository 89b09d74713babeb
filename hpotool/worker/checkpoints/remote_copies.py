"""Copies of lineages' checkpoints at a URL: each is whole or absent, whatever process is killed during a copy.

An object store has no rename, and its listings may be a minute old. So each copy gets a folder with a unique name,
its manifest (files and their sizes) is written after all files, and last of all the name of the copy is written to
``newest``::

    STUDY/trial-00005/newest                           the name of a whole copy
    STUDY/trial-00005/copy-000002-00017-1f2e3d4c.json  its manifest: the second copy, by the attempt of trial 17
    STUDY/trial-00005/copy-000002-00017-1f2e3d4c/…     its files

Without ``newest``, there is no copy. With it, the newest copy is that of the latest attempt, among the listed
manifests and the named copy, which needs no listing. So if an attempt that lost its trial names its copy after the
later attempt did, nothing changes; and if it sees the later attempt's copy, it names none. Files that the store
lost or another attempt removed are noticed through the manifest, and the previous copy is used.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpotool.errors import CheckpointStoreError
from hpotool.faults import fault_point
from hpotool.worker.checkpoints.folder_contents import FolderContents, object_name
from hpotool.worker.checkpoints.store_calls import StoreCalls

_NEWEST = "newest"
_COPY = re.compile(r"copy-(\d+)(?:-(\d+)-[0-9a-f]+)?")
_LINEAGE = re.compile(r"trial-\d+")
_logger = logging.getLogger(__name__)


class NotWholeError(CheckpointStoreError):
    """There are copies, but each is incomplete."""


@dataclass(frozen=True)
class Copy:
    """The name of a copy. ``attempt``: the number of the trial whose attempt made it."""

    name: str
    attempt: int
    sequence: int

    @classmethod
    def parse(cls, name: str) -> Copy | None:
        """The copy with that name; None if it is not the name of a copy."""
        match = _COPY.fullmatch(name)
        return None if match is None else cls(name, int(match[2] or 0), int(match[1]))

    @classmethod
    def after(cls, newest: Copy | None, attempt: int) -> Copy:
        """A new, unique copy."""
        sequence = 1 if newest is None else newest.sequence + 1
        return cls(f"copy-{sequence:06d}-{attempt:05d}-{secrets.token_hex(4)}", attempt, sequence)

    @property
    def order(self) -> tuple[int, int]:
        """A sort key that is greater for newer copies of the lineage."""
        return self.attempt, self.sequence


class RemoteCopies:
    """The copies of one study's lineages.

    Every method raises CheckpointStoreError if the store fails. Nothing is retried here.
    """

    def __init__(self, file_system: Any, path: str, calls: StoreCalls) -> None:
        """``file_system`` is fsspec's; ``path`` is the study's folder in it."""
        self._fs = file_system
        self._path = path
        self._calls = calls
        self._sent: dict[str, FolderContents] = {}

    def newest(self, lineage: str) -> Copy | None:
        """The newest whole copy; None if there is none."""
        return next(self._newest_first(lineage), None)

    def _named(self, lineage: str) -> Copy | None:
        try:
            content: bytes = self._calls.call(self._fs.cat_file, f"{self._path}/{lineage}/{_NEWEST}")
        except FileNotFoundError:
            return None
        return Copy.parse(content.decode(errors="replace").strip())

    def get(self, lineage: str, folder: Path) -> Copy | None:
        """Copy the newest whole copy into the empty ``folder``; None if there is no copy.

        Raises:
            NotWholeError: there are copies, but none is whole.
        """
        copies = list(self._newest_first(lineage))
        for copy in copies:
            with contextlib.suppress(FileNotFoundError):
                self._download(lineage, copy, folder)
                return copy
            _logger.warning("%s/%s/%s is not whole", self._path, lineage, copy.name)
        if copies:
            raise NotWholeError(f"no copy in {self._path}/{lineage} is whole")
        return None

    def note_in_step(self, lineage: str, folder: Path) -> None:
        """Record that the folder equals the newest copy, so there is nothing to send until it changes."""
        self._sent[lineage] = FolderContents.of(folder)

    def send(
        self,
        lineage: str,
        folder: Path,
        attempt: int,
        before_naming: Callable[[str, str], None],
        *,
        even_empty: bool,
    ) -> None:
        """Copy the folder if it has changed since the last time, then name the copy as the newest.

        ``attempt`` orders the copies of a lineage: after a later attempt's copy, no earlier attempt's copy is
        made. ``before_naming`` is called with the name of the newest copy ("": none) and of this one before it can
        be found.
        """
        contents = FolderContents.of(folder)
        if contents == self._sent.get(lineage, None if even_empty else FolderContents()):
            return
        newest = self.newest(lineage)
        if newest is not None and newest.attempt > attempt:
            _logger.warning("%s now belongs to a later attempt; this attempt stops copying it", lineage)
            self._sent[lineage] = contents
            return
        copy = Copy.after(newest, attempt)
        if not self._upload(lineage, copy, folder, contents):
            return
        before_naming(newest.name if newest else "", copy.name)
        fault_point("copy.whole")
        self._write(f"{lineage}/{_NEWEST}", copy.name)
        fault_point("copy.named")
        self._sent[lineage] = contents
        self._remove_older(lineage, copy)

    def put_result(self, lineage: str, name: str, text: str) -> None:
        """Write the file ``name`` next to the lineage's copies."""
        newest = self.newest(lineage)
        if newest is not None:
            self._write(f"{lineage}/{newest.name}/{name}", text)

    def results(self, name: str) -> dict[str, str]:
        """The content of the file ``name`` in each lineage that has it."""
        found = {}
        for lineage in self._list(""):
            newest = self.newest(lineage) if _LINEAGE.fullmatch(lineage) else None
            if newest is not None:
                with contextlib.suppress(FileNotFoundError):
                    path = f"{self._path}/{lineage}/{newest.name}/{name}"
                    found[lineage] = self._calls.call(self._fs.cat_file, path).decode()
        return found

    def lineages(self) -> list[str]:
        """The lineages that have files at the URL."""
        return [name for name in self._list("") if _LINEAGE.fullmatch(name)]

    def size(self, lineage: str) -> int:
        """The total size of the lineage's files there, in bytes."""
        try:
            return int(self._calls.call(self._fs.du, f"{self._path}/{lineage}", total=True))
        except FileNotFoundError:
            return 0

    def remove(self, lineage: str) -> None:
        """Remove a lineage's copies, ``newest`` first, so that half-removed copies are not found."""
        self._sent.pop(lineage, None)
        for path in (f"{lineage}/{_NEWEST}", lineage):
            self._remove(path)

    def _newest_first(self, lineage: str) -> Iterator[Copy]:
        named = self._named(lineage)
        if named is None:
            return
        names = [name.removesuffix(".json") for name in self._list(lineage) if name.endswith(".json")]
        listed = [copy for copy in map(Copy.parse, names) if copy is not None]
        yield from sorted({named, *listed}, key=lambda copy: (copy.order, copy == named), reverse=True)

    def _download(self, lineage: str, copy: Copy, folder: Path) -> None:
        source = f"{self._path}/{lineage}/{copy.name}"
        try:
            manifest = self._calls.call(self._fs.cat_file, f"{source}.json")
        except FileNotFoundError:
            if copy.attempt:
                raise
            self._calls.call(self._fs.get, f"{source}/", f"{folder}/", recursive=True)  # from an earlier release
            return
        contents = FolderContents.from_json(manifest.decode())
        contents.make_folders(folder)
        names = list(contents.files)
        if names:
            sources = [f"{source}/{object_name(name)}" for name in names]
            targets = [str(folder / name) for name in names]
            self._calls.call(self._fs.get, sources, targets, size=contents.size)
        contents.check_sizes(folder)
        contents.make_links(folder)

    def _upload(self, lineage: str, copy: Copy, folder: Path, contents: FolderContents) -> bool:
        """Send all files, then the manifest. False: the folder changed during the copy, which may be mixed."""
        target = f"{self._path}/{lineage}/{copy.name}"
        objects = {name: f"{target}/{object_name(name)}" for name in contents.files}
        for parent in sorted({target, *(path.rpartition("/")[0] for path in objects.values())}):
            self._calls.call(self._fs.makedirs, parent, exist_ok=True)
        fault_point("copy.begun")
        try:
            if objects:
                sources = [str(folder / name) for name in objects]
                self._calls.call(self._fs.put, sources, list(objects.values()), size=contents.size)
        except FileNotFoundError as error:
            if FolderContents.of(folder) == contents:  # not a file that disappeared: the bucket does not exist
                raise CheckpointStoreError(f"{self._path}: {error}") from error
        fault_point("copy.sent")
        if FolderContents.of(folder) != contents:
            self._remove(f"{lineage}/{copy.name}")
            return False
        self._write(f"{lineage}/{copy.name}.json", contents.to_json())
        return True

    def _remove_older(self, lineage: str, copy: Copy) -> None:
        for name in self._list(lineage):
            other = Copy.parse(name.removesuffix(".json"))
            if other is not None and other.name != copy.name and other.order <= copy.order:
                self._remove(f"{lineage}/{name}")

    def _write(self, path: str, text: str) -> None:
        try:
            self._calls.call(self._fs.pipe_file, f"{self._path}/{path}", text.encode())
        except FileNotFoundError as error:
            raise CheckpointStoreError(f"{self._path}: {error}") from error

    def _remove(self, path: str) -> None:
        self._fs.invalidate_cache()
        with contextlib.suppress(FileNotFoundError):
            self._calls.call(self._fs.rm, f"{self._path}/{path}", recursive=True)

    def _list(self, path: str) -> list[str]:
        self._fs.invalidate_cache()  # fsspec's cached listing does not include changes by other machines
        try:
            entries = self._calls.call(self._fs.ls, f"{self._path}/{path}".rstrip("/"), detail=False)
        except FileNotFoundError:
            return []
        return [entry.rstrip("/").rpartition("/")[2] for entry in entries]
