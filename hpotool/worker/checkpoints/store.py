"""Stores trials' checkpoints: one folder per lineage, available to every attempt on any machine.

A path is used directly (a shared file system, or one machine). With a URL (``s3://…``, ``gs://…``, anything that
fsspec reads), checkpoints are copied down before an attempt, and up while it runs and after it, so that the URL
always has a whole copy or none. When a trial is finished, its checkpoints are removed, unless it is among the
best.

An unavailable store costs time but never a result. At an attempt's start, it is waited for, and then the attempt
is handed back. Later, copies are retried, and those that fail stay on this machine: a later attempt here sends
them, or resumes from them if no other machine has continued in the meantime.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hpotool.errors import CheckpointStoreError
from hpotool.faults import fault_point
from hpotool.settings import study_folder_name
from hpotool.study.spec import MetricSpec, StudySpec
from hpotool.worker.checkpoints.folder_contents import NOT_COPIED as _RESULT
from hpotool.worker.checkpoints.folders import (
    has_content,
    make_unless_full,
    read_or_empty,
    remove_folder,
    replace_folder,
    write_whole,
)
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.remote_copies import NotWholeError, RemoteCopies
from hpotool.worker.checkpoints.store_calls import Patience, StoreCalls

_MOST_BETWEEN_COPIES = 8  # factor on the usual interval while the store is away
_NOTED_COPIES = 8
_CHILDREN_GONE_AFTER_S = 5.0  # at the latest, after their worker's death
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _CacheNote:
    """The state of this machine's folder for a lineage at a URL.

    ``contains``: the copies that were fetched into it or made from it, "" for none: while one of them is the
    newest at the URL, the folder is as new or newer. ``is_unsent``: part of it could not be sent in the end.
    """

    contains: tuple[str, ...] = ()
    attempt: int = 0
    is_unsent: bool = False

    @classmethod
    def read(cls, path: Path) -> _CacheNote:
        try:
            data = json.loads(path.read_text())
            return cls(tuple(data["contains"]), int(data["attempt"]), bool(data["is_unsent"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls()  # then the copy at the URL counts

    def write(self, path: Path) -> None:
        with contextlib.suppress(OSError):  # without it, the copy at the URL counts, which is also whole
            write_whole(path, json.dumps(vars(self)))


class CheckpointStore:
    """The checkpoints of one study."""

    def __init__(
        self, location: CheckpointLocation, spec: StudySpec, cache: Path, patience: Patience | None = None
    ) -> None:
        """``cache``: the folder for this machine's copies of a remote store."""
        self._metrics = spec.metrics
        self._keep = spec.keep
        self._patience = patience or Patience()
        self._calls = StoreCalls(location.name, self._patience)
        self._takes_copies = True  # whether the location took the last copy that was tried
        study = study_folder_name(spec.name)
        self._remote = (
            RemoteCopies(location.remote, f"{location.path}/{study}", self._calls) if location.remote else None
        )
        self._attempts: dict[str, int] = {}  # the number of each lineage's last trial that ran here
        self._folder = cache / study if location.remote else Path(location.path) / study

    @contextlib.contextmanager
    def attempt(
        self,
        root_number: int,
        begins_with: int | None = None,
        *,
        begins_anew: bool = False,
        number: int | None = None,
        is_hurried: Callable[[], bool] | None = None,
    ) -> Iterator[Path]:
        """Yield this lineage's folder with the checkpoints of earlier attempts; keep a URL in sync meanwhile.

        ``begins_with``: the lineage whose checkpoints the first attempt starts with. ``begins_anew``: remove the
        checkpoints of earlier attempts first, once nothing of them can be alive. ``number``: the attempt's trial;
        among a lineage's attempts, the one with the greatest number may write. ``is_hurried``: whether there is no
        time to wait.

        Raises:
            CheckpointStoreError: on entry, if the store stayed away, so that its contents are unknown.
        """
        folder = self._lineage(root_number)
        self._attempts[folder.name] = attempt = root_number if number is None else number

        def prepare() -> None:
            with _as_store_error(self._folder):
                self._prepare(folder, attempt, begins_with, begins_anew)

        if begins_anew:
            _outlast_children(is_hurried)
        try:
            self._calls.retry(prepare, self._patience.at_start, is_hurried)
        except NotWholeError as error:  # files that the store has lost will not come back, however long one waits
            _logger.warning("%s; trial %d starts from scratch", error.message, attempt)
            remove_folder(folder)
            make_unless_full(folder)
        with self._copying(folder, attempt):
            yield folder

    def finish(
        self, root_number: int, values: Sequence[float] | None, unneeded: Collection[int] | None = None
    ) -> None:
        """Handle a finished trial (with ``values`` unless it was pruned): keep only the checkpoints of the best.

        ``unneeded``: in studies whose trials continue each other, the lineages that none will continue. Others are
        kept, because during an outage a worker does not know which trials have finished. Problems with the store
        are logged, and the files are kept.
        """
        try:
            with _as_store_error(self._folder):
                self._finish(self._lineage(root_number), values, unneeded)
        except CheckpointStoreError as error:
            self._calls.note(error, "files to remove are kept")
            if self._remote is not None and values is not None:
                self._note_unsent(self._lineage(root_number))

    @property
    def remote(self) -> RemoteCopies | None:
        """The copies at the URL, if the store is one."""
        return self._remote

    def has_checkpoint(self, root_number: int) -> bool:
        """Whether the lineage's folder on this machine contains anything that its attempts wrote."""
        return has_content(self._lineage(root_number))

    # --- At an attempt's start

    def _prepare(self, folder: Path, attempt: int, begins_with: int | None, begins_anew: bool) -> None:
        if begins_anew:
            self._remove(folder)
        for leftover in self._folder.glob(f".*-{folder.name}-*"):  # from an attempt that was killed during this
            shutil.rmtree(leftover, ignore_errors=True)
        if self._remote is not None:
            self._fetch(self._remote, folder, attempt)
        else:
            make_unless_full(folder)
        if begins_with is not None and not (folder.is_dir() and any(folder.iterdir())):
            self._copy(begins_with, folder)

    def _fetch(self, remote: RemoteCopies, folder: Path, attempt: int) -> None:
        """Replace ``folder`` by the newest whole copy, unless it is itself newer because it was not sent."""
        newest = remote.newest(folder.name)
        note = _CacheNote.read(self.note_of(folder))
        name = newest.name if newest else ""
        if newest is None and name not in note.contains:
            remove_folder(folder)
            note = _CacheNote((name,))
        elif not folder.is_dir() or name not in note.contains:
            scratch = self._new_scratch("fetching", folder)
            copy = remote.get(folder.name, scratch)
            fault_point("fetch.whole")
            replace_folder(folder, scratch)
            remote.note_in_step(folder.name, folder)
            note = _CacheNote((copy.name if copy else "",))
        make_unless_full(folder)
        replace(note, attempt=attempt, is_unsent=False).write(self.note_of(folder))

    def _copy(self, from_root: int, target: Path) -> None:
        """Fill a lineage's empty folder with the checkpoints of another lineage, all of them or none."""
        source = self._lineage(from_root)
        scratch = self._new_scratch("copying", target)
        if self._remote is not None:
            is_there = self._remote.get(source.name, scratch) is not None
        elif is_there := source.is_dir():
            # Links stay links, so that a dangling one does not prevent resuming.
            shutil.copytree(source, scratch, dirs_exist_ok=True, symlinks=True)
        if not is_there:
            scratch.rmdir()
            _logger.warning("%s has no checkpoints here; %s starts from scratch", source.name, target.name)
            return
        (scratch / _RESULT).unlink(missing_ok=True)
        replace_folder(target, scratch)

    # --- While an attempt runs, and at its end

    @contextlib.contextmanager
    def _copying(self, folder: Path, attempt: int) -> Iterator[None]:
        """Send changes every few seconds while the block runs, and once more at its end."""
        remote = self._remote
        if remote is None:
            yield
            return
        ended = threading.Event()

        def copy() -> None:
            pause = self._patience.every
            self._try(lambda: self._send_what_was_left(remote, folder))
            while not ended.wait(pause):
                is_sent = self._takes_copies = self._try(lambda: self._send(remote, folder, attempt))
                longest = _MOST_BETWEEN_COPIES * self._patience.every
                pause = self._patience.every if is_sent else min(2 * pause, longest)

        thread = threading.Thread(target=copy, name="checkpoint-copies", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._send_at_the_end(remote, folder, attempt)

    def _send_at_the_end(self, remote: RemoteCopies, folder: Path, attempt: int) -> None:
        """Send the last changes; if the store is away, only a later attempt on another machine loses progress."""
        within_s = self._patience.at_end if self._takes_copies else 0.0
        try:
            self._calls.retry(lambda: self._send(remote, folder, attempt), within_s)
            self._takes_copies = True
        except CheckpointStoreError:
            self._takes_copies = False
            _logger.warning("the last checkpoints of %s stay on this machine until they can be sent", folder.name)
            self._note_unsent(folder)

    def _send(self, remote: RemoteCopies, folder: Path, attempt: int, *, even_empty: bool = False) -> None:
        note = self.note_of(folder)
        named: list[str] = []

        def note_copy(newest: str, name: str) -> None:
            known = _CacheNote.read(note)
            contains = (newest, *known.contains[-_NOTED_COPIES:], name)
            replace(known, contains=contains, attempt=attempt).write(note)
            named.append(name)

        with _as_store_error(self._folder):
            remote.send(folder.name, folder, attempt, note_copy, even_empty=even_empty)
        if named:  # from now on, no copy at the URL means that it was removed
            replace(_CacheNote.read(note), contains=tuple(named)).write(note)

    def _send_what_was_left(self, remote: RemoteCopies, own: Path) -> None:
        """Send checkpoints that ended attempts on this machine could not send."""
        for path in self._folder.glob(".trial-*.json"):
            note, folder = _CacheNote.read(path), path.with_name(path.name[1:].removesuffix(".json"))
            if not note.is_unsent or folder == own or not folder.is_dir():
                continue
            newest = remote.newest(folder.name)
            if (
                newest.name if newest else ""
            ) in note.contains:  # otherwise another attempt has continued from the previous copy
                self._send(remote, folder, note.attempt, even_empty=True)
            with _as_store_error(self._folder):
                if result := read_or_empty(folder / _RESULT):
                    remote.put_result(folder.name, _RESULT, result)
                    self._remove_here(folder)
                else:
                    replace(_CacheNote.read(path), is_unsent=False).write(path)

    def _note_unsent(self, folder: Path) -> None:
        note = self.note_of(folder)
        replace(_CacheNote.read(note), is_unsent=True).write(note)

    def _try(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except CheckpointStoreError as error:
            self._calls.note(error, "the attempt continues, and the copy will be retried")
            return False
        self._calls.note(None)
        return True

    # --- When a trial is finished

    def _finish(
        self, folder: Path, values: Sequence[float] | None, unneeded: Collection[int] | None = None
    ) -> None:
        if self._keep.best is None:
            return
        if values is None:
            self._remove(folder)
            return
        if not folder.exists():
            return
        write_whole(folder / _RESULT, json.dumps(list(values)))
        if self._remote is not None:
            attempt = self._attempts.get(folder.name) or _CacheNote.read(self.note_of(folder)).attempt
            self._send(self._remote, folder, attempt, even_empty=True)
            self._remote.put_result(folder.name, _RESULT, (folder / _RESULT).read_text())
        removable = None if unneeded is None else {self._lineage(number).name for number in unneeded}
        for name in not_among_the_best(self._results(), self._metrics, self._keep.best):
            if removable is None or name in removable:
                self._remove(self._folder / name)
        if self._remote is not None:  # it is at the URL, and this folder was its copy
            self._remove_here(folder)

    def _results(self) -> dict[str, tuple[float, ...]]:
        """The values of the finished trials whose checkpoints still exist; never more than a few."""
        if self._remote is not None:
            texts: Mapping[str, str] = self._remote.results(_RESULT)
        else:
            texts = {path.parent.name: read_or_empty(path) for path in self._folder.glob(f"trial-*/{_RESULT}")}
        found: dict[str, tuple[float, ...]] = {}
        for name, text in texts.items():
            with contextlib.suppress(ValueError, TypeError):  # another worker is removing it
                values = tuple(float(value) for value in json.loads(text))
                if len(values) == len(self._metrics):
                    found[name] = values
        return found

    def _remove(self, folder: Path) -> None:
        if self._remote is not None:
            self._remote.remove(folder.name)
        self._remove_here(folder)

    def _remove_here(self, folder: Path) -> None:
        self.note_of(folder).unlink(missing_ok=True)
        remove_folder(folder)

    def _lineage(self, root_number: int) -> Path:
        return self._folder / f"trial-{root_number:05d}"

    @staticmethod
    def note_of(folder: Path) -> Path:
        """The file with the state of this machine's copy of a lineage."""
        return folder.with_name(f".{folder.name}.json")

    @classmethod
    def is_unsent(cls, folder: Path) -> bool:
        """Whether part of this machine's copy of a lineage has not been sent yet."""
        return _CacheNote.read(cls.note_of(folder)).is_unsent

    def _new_scratch(self, purpose: str, folder: Path) -> Path:
        """An empty folder for exclusive use."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{purpose}-{folder.name}-", dir=self._folder))


@contextlib.contextmanager
def _as_store_error(folder: Path) -> Iterator[None]:
    """Treat errors of this machine's disk, or a shared one, as trouble with the store."""
    try:
        yield
    except OSError as error:
        raise CheckpointStoreError(f"the checkpoints in {folder} cannot be read or written: {error}") from error


def not_among_the_best(
    results: dict[str, tuple[float, ...]], metrics: Sequence[MetricSpec], best: int
) -> list[str]:
    """The names that are not among the ``best``; with several metrics, those that another trial dominates."""
    signs = [1.0 if metric.direction == "minimize" else -1.0 for metric in metrics]
    losses = {name: tuple(s * v for s, v in zip(signs, values, strict=True)) for name, values in results.items()}
    if len(metrics) == 1:
        ranked = sorted(losses, key=lambda name: (losses[name], name))
        return ranked[best:]
    return [name for name in losses if any(_dominates(other, losses[name]) for other in losses.values())]


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if not math.isnan(a)]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _outlast_children(is_hurried: Callable[[], bool] | None) -> None:
    """Wait until a dead worker's objective is gone too: it could save what the next attempt would go on from."""
    deadline = time.monotonic() + _CHILDREN_GONE_AFTER_S
    while time.monotonic() < deadline and not (is_hurried is not None and is_hurried()):
        time.sleep(0.1)
