"""Finds files of workers, on this machine or in a checkpoint store, that nobody needs any more.

Nothing is removed that a live worker uses (a log being written is locked, an open trial keeps its checkpoints),
nor a result or checkpoint that could not be sent yet. Links are not followed: a link among the leftovers is
removed itself, and a study's folder that is a link is not touched.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from hpotool.settings import study_folder_name
from hpotool.storage.control.lineages import StudyOnDisk
from hpotool.worker.checkpoints.folders import remove_folder
from hpotool.worker.checkpoints.store import CheckpointStore
from hpotool.worker.child.command.report_socket import SCRATCH_PREFIX, is_abandoned, scratch_parents
from hpotool.worker.process.log_file import is_in_use


@dataclass(frozen=True)
class Leftover:
    """One leftover; ``remove`` removes it."""

    kind: str
    name: str
    size: int
    remove: Callable[[], None]


@dataclass(frozen=True)
class Rules:
    """Which leftovers to find.

    older_than: only files that have not changed for this long; then also files that an unfinished study does not
    need.
    all_checkpoints: also checkpoints of finished trials that ``keep`` in the study file has kept.
    """

    older_than: timedelta | None = None
    all_checkpoints: bool = False

    def is_old(self, path: Path) -> bool:
        """Whether the path, and everything directly in it, has not changed for long enough."""
        if self.older_than is None:
            return True
        return _changed_at(path) <= time.time() - self.older_than.total_seconds()


_HALF_WRITTEN = Rules(timedelta(hours=1))  # longer than it takes to write any one file


def find_logs(
    home: Path, study: StudyOnDisk, rules: Rules, workers: Collection[str] | None = None
) -> Iterator[Leftover]:
    """Logs of ended attempts and folders of ended workers; optionally only of some ``workers``, by id."""
    if not study.is_over and rules.older_than is None:
        return
    for worker in _folders_in(home / "logs" / study_folder_name(study.name)):
        if workers is not None and worker.name not in workers:
            continue
        logs = [] if worker.is_symlink() else sorted(worker.glob("*.log"))
        for log in logs:
            is_needed = log.name == "import.log" and worker.name in study.living_workers
            if not is_needed and rules.is_old(log) and not is_in_use(log):
                yield Leftover("logs", log.name, _size(log), partial(_remove_log, log))


def find_checkpoints(folder: Path, study: StudyOnDisk, rules: Rules) -> Iterator[Leftover]:
    """Checkpoints of trials that failed for good, and unfinished work of killed workers, in a store's folder."""
    if not study.is_over:
        return
    for entry in _folders_in(folder / study_folder_name(study.name)):
        if rules.is_old(entry) and (study.is_unneeded(entry.name, rules.all_checkpoints) or _is_half_done(entry)):
            yield _folder("checkpoints", entry)


def find_remote_checkpoints(store: CheckpointStore, study: StudyOnDisk, rules: Rules) -> Iterator[Leftover]:
    """Like `find_checkpoints`, at a URL, where age is not available.

    Raises:
        CheckpointStoreError: the store does not answer.
    """
    remote = store.remote
    if remote is None or not study.is_over or rules.older_than is not None:
        return
    for lineage in remote.lineages():
        if study.is_unneeded(lineage, rules.all_checkpoints):
            yield Leftover("checkpoints", lineage, remote.size(lineage), partial(remote.remove, lineage))


def find_copies(home: Path, study: StudyOnDisk, rules: Rules) -> Iterator[Leftover]:
    """This machine's copies of checkpoints at a URL, except those that could not be sent yet."""
    if not study.is_over and rules.older_than is None:
        return
    for entry in _folders_in(home / "checkpoint-copies" / study_folder_name(study.name)):
        is_needed = study.is_open(entry.name) or CheckpointStore.is_unsent(entry)
        if rules.is_old(entry) and not is_needed and (not entry.name.startswith(".") or _is_half_done(entry)):
            yield _folder("copies of checkpoints", entry)


def find_half_written(spool: Path, rules: Rules) -> Iterator[Leftover]:
    """Incomplete spool files of killed processes. Complete ones wait for the database, and are kept."""
    for path in sorted(spool.glob("*")):
        if path.suffix in (".new", ".writing") and _HALF_WRITTEN.is_old(path) and rules.is_old(path):
            yield Leftover("spool", path.name, _size(path), partial(path.unlink, missing_ok=True))


def find_scratch(rules: Rules) -> Iterator[Leftover]:
    """The temporary folders of commands whose process was killed: nobody answers at their sockets any more."""
    for folder in sorted({folder for parent in scratch_parents() for folder in parent.glob(f"{SCRATCH_PREFIX}*")}):
        with contextlib.suppress(OSError):  # another account's, or gone meanwhile
            is_ours = not folder.is_symlink() and folder.stat().st_uid == os.getuid()
            if is_ours and rules.is_old(folder) and is_abandoned(folder):
                yield Leftover("temporary files", folder.name, _size(folder), partial(remove_folder, folder))


def _is_half_done(entry: Path) -> bool:
    """Whether a killed worker was fetching, copying or removing this."""
    return entry.name.startswith(".") and _HALF_WRITTEN.is_old(entry)


def studies_on_disk(home: Path) -> set[str]:
    """The folder names of all studies that have files here."""
    kinds = ("logs", "checkpoints", "checkpoint-copies")
    return {folder.name for kind in kinds for folder in _folders_in(home / kind)}


def _folder(kind: str, folder: Path) -> Leftover:
    def remove() -> None:
        CheckpointStore.note_of(folder).unlink(missing_ok=True)
        remove_folder(folder)

    return Leftover(kind, folder.name, _size(folder), remove)


def _remove_log(log: Path) -> None:
    if not is_in_use(log):  # an attempt may have started since it was found
        log.unlink(missing_ok=True)
    for folder in (log.parent, log.parent.parent):
        with contextlib.suppress(OSError):  # it is not empty
            folder.rmdir()


def _folders_in(folder: Path) -> list[Path]:
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() or entry.is_symlink())


def _changed_at(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        inside = [] if path.is_symlink() or not path.is_dir() else list(path.iterdir())
        return max(entry.lstat().st_mtime for entry in (path, *inside))
    return time.time()


def _size(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(entry.lstat().st_size for entry in path.rglob("*") if not entry.is_dir())
