"""Where trials keep their checkpoints: one folder per lineage, found again by every attempt on any machine.

A path is used as it is (a shared file system, or one machine). A URL (``s3://…``, ``gs://…``, anything that fsspec
reads) is copied: down before an attempt, up while it runs and after it, so that at the URL there is always a
whole copy or none. When a trial is finished its checkpoints go, unless it is among the best.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import shutil
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hpotool.errors import InputError
from hpotool.study.spec import MetricSpec, StudySpec

_COPIES_EVERY_S = 15.0
_logger = logging.getLogger(__name__)
_RESULT = "result.json"  # beside the lineages' folders' content: what a finished trial was worth
_NEWEST = "newest"  # at a URL: the name of the copy that is whole


@dataclass(frozen=True)
class Place:
    """``--checkpoints``: a folder, or a URL with the file system that reads it."""

    path: str
    remote: Any = None  # fsspec's AbstractFileSystem

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read a path or a URL.

        Raises:
            InputError: nothing here can read the URL.
        """
        if "://" not in text:
            return cls(str(Path(text).expanduser().absolute()))
        try:
            import fsspec
        except ImportError as error:
            raise InputError(f"{text} needs fsspec", "pip install 'hpotool[fsspec]'") from error
        try:
            remote, path = fsspec.core.url_to_fs(text)
        except (ValueError, ImportError) as error:
            raise InputError(f"the checkpoints' place {text} cannot be used: {error}") from error
        return cls(path.rstrip("/"), remote)


class CheckpointStore:
    """The checkpoints of one study."""

    def __init__(self, place: Place, spec: StudySpec, cache: Path) -> None:
        """``cache``: where the copies of a remote place lie on this machine."""
        self._metrics = spec.metrics
        self._keep = spec.keep
        study = quote(spec.name, safe="")
        self._remote = _RemoteCopies(place.remote, f"{place.path}/{study}") if place.remote else None
        self._folder = cache / study if place.remote else Path(place.path) / study

    @contextlib.contextmanager
    def attempt(
        self, root_number: int, begins_with: int | None = None, *, begins_anew: bool = False
    ) -> Iterator[Path]:
        """The folder of this lineage, with what earlier attempts left in it; kept in step with a URL meanwhile.

        ``begins_with``: the lineage whose checkpoints the first attempt finds there. ``begins_anew``: what earlier
        attempts left is removed first.
        """
        folder = self._lineage(root_number)
        if begins_anew:
            self._remove(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if self._remote is not None:
            self._remote.fetch(folder)
        if begins_with is not None and not any(folder.iterdir()):
            self._copy(begins_with, root_number)
        with self._remote.copying(folder) if self._remote is not None else contextlib.nullcontext():
            yield folder

    def finish(
        self, root_number: int, values: Sequence[float] | None, unneeded: Collection[int] | None = None
    ) -> None:
        """The trial is finished, with ``values`` unless it was pruned: keep checkpoints only of the best.

        ``unneeded``: where trials go on from each other, the lineages that none will go on from. What is not known
        to be unneeded stays: in an outage a worker does not know what others have finished.
        """
        folder = self._lineage(root_number)
        if values is None:
            self._remove(folder)
            return
        if self._keep.best is None or not folder.exists():
            return
        (folder / _RESULT).write_text(json.dumps(list(values)))
        if self._remote is not None:
            self._remote.send(folder)
            self._remote.fetch_results(self._folder, _RESULT)
        removable = None if unneeded is None else {self._lineage(number).name for number in unneeded}
        for name in not_among_the_best(self._results(), self._metrics, self._keep.best):
            if removable is None or name in removable:
                self._remove(self._folder / name)

    def has_checkpoint(self, root_number: int) -> bool:
        """Whether the lineage's folder on this machine holds anything that its attempts wrote."""
        folder = self._lineage(root_number)
        return folder.exists() and any(path.name != _RESULT for path in folder.iterdir())

    def _copy(self, from_root: int, to_root: int) -> None:
        """Fill a lineage's empty folder with another one's checkpoints, all of them or none."""
        source, target = self._lineage(from_root), self._lineage(to_root)
        scratch = target.with_name(f".copying-{target.name}")
        shutil.rmtree(scratch, ignore_errors=True)  # somebody was killed here
        if self._remote is not None:
            self._remote.get(source.name, scratch)
        elif source.exists():
            shutil.copytree(source, scratch)
        if not scratch.exists():
            _logger.warning("%s has no checkpoints here; %s begins from the start", source.name, target.name)
            return
        (scratch / _RESULT).unlink(missing_ok=True)
        target.rmdir()
        scratch.rename(target)

    def _lineage(self, root_number: int) -> Path:
        return self._folder / f"trial-{root_number:05d}"

    def _results(self) -> dict[str, tuple[float, ...]]:
        """What the finished trials whose checkpoints are still there were worth; never more than a few."""
        found: dict[str, tuple[float, ...]] = {}
        for path in self._folder.glob(f"trial-*/{_RESULT}"):
            with contextlib.suppress(FileNotFoundError, ValueError):  # another worker removes it right now
                found[path.parent.name] = tuple(json.loads(path.read_text()))
        return found

    def _remove(self, folder: Path) -> None:
        if self._remote is not None:
            self._remote.remove(folder.name)
        # Renamed first: what is half removed must not be found.
        doomed = folder.with_name(f".removing-{folder.name}")
        with contextlib.suppress(FileNotFoundError, FileExistsError, NotADirectoryError):
            folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


class _RemoteCopies:
    """Copies of lineages' folders at a URL. There is no rename on object stores: a name is written last."""

    def __init__(self, remote: Any, path: str) -> None:
        self._fs = remote
        self._path = path
        self._sent: dict[str, dict[str, tuple[int, int]]] = {}

    def fetch(self, folder: Path) -> None:
        """Make ``folder`` what the newest whole copy is; empty where there is none."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.get(folder.name, folder)
        self._sent[folder.name] = _signature(folder)

    def get(self, name: str, folder: Path) -> None:
        """Copy the newest whole copy of the lineage ``name`` into ``folder``; nothing where there is none."""
        newest = self._newest(name)
        if newest is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._fs.get(f"{self._path}/{name}/{newest}/", f"{folder}/", recursive=True)

    def fetch_results(self, folder: Path, name: str) -> None:
        """Fetch the file ``name`` of every lineage, to compare them."""
        for lineage in self._fs.ls(self._path, detail=False):
            lineage_name = lineage.rstrip("/").rpartition("/")[2]
            newest = self._newest(lineage_name)
            source = f"{self._path}/{lineage_name}/{newest}/{name}"
            if newest is not None and self._fs.exists(source):
                (folder / lineage_name).mkdir(parents=True, exist_ok=True)
                self._fs.get_file(source, str(folder / lineage_name / name))

    @contextlib.contextmanager
    def copying(self, folder: Path) -> Iterator[None]:
        """Send what is new every few seconds while the block runs, and once more at its end."""
        ended = threading.Event()

        def copy() -> None:
            while not ended.wait(_COPIES_EVERY_S):
                self._try_to_send(folder)

        thread = threading.Thread(target=copy, name="checkpoint-copies", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._try_to_send(folder)

    def _try_to_send(self, folder: Path) -> None:
        """Send; a place that cannot be reached costs a later attempt its progress, and this one nothing."""
        try:
            self.send(folder)
        except OSError as error:
            _logger.warning("the checkpoints of %s could not be copied to %s: %s", folder.name, self._path, error)

    def send(self, folder: Path) -> None:
        """Copy the folder if it changed, and only then call the copy the newest."""
        before = _signature(folder)
        if before == self._sent.get(folder.name, {}):
            return
        lineage = f"{self._path}/{folder.name}"
        old = self._newest(folder.name)
        number = 1 + int(old.removeprefix("copy-")) if old else 0
        copy = f"copy-{number:06d}"
        self._fs.makedirs(f"{lineage}/{copy}", exist_ok=True)
        for name in before:
            self._fs.makedirs(f"{lineage}/{copy}/{name}".rpartition("/")[0], exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # it changes right now: the next round will have it
                self._fs.put_file(str(folder / name), f"{lineage}/{copy}/{name}")
        if _signature(folder) != before:  # it was written meanwhile: perhaps half old, half new
            self._fs.rm(f"{lineage}/{copy}", recursive=True)
            return
        self._fs.pipe_file(f"{lineage}/{_NEWEST}", copy.encode())
        self._sent[folder.name] = before
        if old is not None:
            self._fs.rm(f"{lineage}/{old}", recursive=True)

    def remove(self, name: str) -> None:
        """Remove a lineage's copies, the name of the newest first."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm(f"{self._path}/{name}/{_NEWEST}")
            self._fs.rm(f"{self._path}/{name}", recursive=True)

    def _newest(self, name: str) -> str | None:
        try:
            content: bytes = self._fs.cat_file(f"{self._path}/{name}/{_NEWEST}")
        except FileNotFoundError:
            return None
        return content.decode()


def _signature(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every finished file; names that begin with a dot are still being written."""
    found: dict[str, tuple[int, int]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if any(part.startswith(".") for part in name.parts):
            continue
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            if path.is_file():
                found[str(name)] = (status.st_size, status.st_mtime_ns)
    return found


def not_among_the_best(
    results: dict[str, tuple[float, ...]], metrics: Sequence[MetricSpec], best: int
) -> list[str]:
    """The names that are not among the ``best``; with several metrics, those that another one dominates."""
    signs = [1.0 if metric.direction == "minimize" else -1.0 for metric in metrics]
    losses = {name: tuple(s * v for s, v in zip(signs, values, strict=True)) for name, values in results.items()}
    if len(metrics) == 1:
        ranked = sorted(losses, key=lambda name: (losses[name], name))
        return ranked[best:]
    return [name for name in losses if any(_dominates(other, losses[name]) for other in losses.values())]


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if not math.isnan(a)]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
