"""Keeps an attempt's state on this machine's disk until the database has it.

There is one file per attempt, which is replaced as a whole and never appended to. It contains either the newest
state or an older one, and sending it twice has the same effect as sending it once. A result is written here before
it is told, and during an outage reports are too. If a worker is gone, the next worker on this machine, or another
one that is running here, sends its files.

Next to it, the attempt's own process writes the objective's return value before it tells the worker, so that a
returned value is safe at every moment.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from optuna.trial import TrialState

from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Attempt, Ending
from hpotool.storage.fleet.trial_content import TrialContent
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.outcome import Outcome
from hpotool.study.phase import Reevaluation

_FORMAT = 1
_MARK = "apart"  # the key of a re-evaluation in the files
_logger = logging.getLogger(__name__)


class NewerFormatError(Exception):
    """A file written by a newer version."""


@dataclass(frozen=True)
class SpooledResult:
    """The result with which the attempt will be told."""

    state: TrialState
    values: tuple[float, ...] | None
    ending: Ending


@dataclass(frozen=True)
class SpooledAttempt:
    """An attempt: its owner, its content, and its result if it has one."""

    attempt: Attempt
    worker: WorkerIdentity
    content: TrialContent
    result: SpooledResult | None

    def to_json(self) -> str:
        """Serialize to text; the inverse of `from_json`."""
        data = asdict(self) | {"format": _FORMAT}
        data["attempt"]["started"] = self.attempt.started.isoformat()
        mark = data["attempt"].pop("reevaluation")
        if mark is not None:  # without one, as the version before wrote it, which reads no more than that
            data["attempt"][_MARK] = mark
        if self.result is not None:
            data["result"]["state"] = self.result.state.name
        return json.dumps(data)

    @classmethod
    def from_json(cls, text: str) -> SpooledAttempt:
        """Parse an attempt from ``text``.

        Raises:
            NewerFormatError: another version wrote it.
            ValueError, KeyError, TypeError, AttributeError: the text is invalid.
        """
        data = json.loads(text)
        if data["format"] != _FORMAT:
            raise NewerFormatError(f"format {data['format']}")
        attempt = _read_as(Attempt, data["attempt"])
        mark = data["attempt"].get(_MARK)
        attempt = replace(attempt, reevaluation=None if mark is None else _read_as(Reevaluation, mark))
        outcomes = tuple(Outcome(outcome) for outcome in attempt.history)
        started = datetime.fromisoformat(data["attempt"]["started"])
        return cls(
            replace(attempt, started=started, history=outcomes),
            _read_as(WorkerIdentity, data["worker"]),
            _read_as(TrialContent, data["content"]),
            _result(data["result"]),
        )


_Kind = TypeVar("_Kind", Reevaluation, Attempt, WorkerIdentity, TrialContent, Ending)


def _read_as(kind: type[_Kind], data: dict[str, Any]) -> _Kind:
    """``data`` as a ``kind``, without what a newer hpotool has added to it."""
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in data.items() if name in known})


def _result(data: dict[str, Any] | None) -> SpooledResult | None:
    if data is None:
        return None
    ending = _read_as(Ending, data["ending"])
    values = data["values"]
    return SpooledResult(
        TrialState[data["state"]],
        None if values is None else tuple(values),
        replace(ending, outcome=Outcome(ending.outcome)),
    )


class Spool:
    """The spooled attempts of one database, in a folder of this machine.

    The folder is named after the identity from `Connection.identify`, so pending files are found even with another
    password or through a tunnel's port, and another database at the same address does not get them. On a full
    disk, results are less safe, but the run continues.
    """

    def __init__(self, home: Path, identity: str, url: DatabaseUrl) -> None:
        # hpotool 0.1 named the folder after the database's address. Such folders are read, but not written.
        place = f"{url.url.host}:{url.url.port}/{url.url.database}"
        self._folder, earlier = (home / "spool" / _short_hash(name) for name in (identity, place))
        self._folders = (self._folder, earlier)

    @property
    def folder(self) -> Path:
        """The folder of the files."""
        return self._folder

    def keep(self, spooled: SpooledAttempt, *, durably: bool) -> None:
        """Write the attempt's file. ``durably``: it survives a power cut, at the cost of some milliseconds."""
        path = self._path(spooled.attempt.attempt_id)
        new = path.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(spooled.to_json())
                file.flush()
                if durably:
                    os.fsync(file.fileno())
            new.replace(path)
            if durably:
                _sync_folder(self._folder)
        except OSError as error:
            _logger.warning("the result of trial %d is kept in memory only: %s", spooled.attempt.number, error)

    def forget(self, attempt_id: str) -> None:
        """Remove a file that the database has. If that fails, it is sent again later, which changes nothing."""
        for folder in self._folders:
            for path in (folder / f"{attempt_id}.json", folder / f"{attempt_id}.returned"):
                with suppress(OSError):
                    path.unlink()

    def set_aside(self, attempt_id: str, reason: str) -> None:
        """Rename a file that can never be sent, so that it is not sent again, and log the new name."""
        for folder in self._folders:
            for path in (folder / f"{attempt_id}.json", folder / f"{attempt_id}.returned"):
                _set_aside(path, reason)

    def disown(self, attempt_id: str) -> None:
        """Handle an attempt that the database does not know, because its study was deleted.

        In a folder named after an address, the file may belong to another database, and waits for that one.
        """
        for path in (self._path(attempt_id), self.returned_file(attempt_id)):
            _set_aside(path, "its study is no longer in the database")

    def find(self, attempt_id: str) -> SpooledAttempt | None:
        """Read an attempt's file."""
        found = (_read(folder / f"{attempt_id}.json") for folder in self._folders)
        return next((spooled for spooled in found if spooled is not None), None)

    def returned_file(self, attempt_id: str) -> Path:
        """Where the attempt's process writes ``{"values": …, "extra": …}`` when the objective returns."""
        return self._folder / f"{attempt_id}.returned"

    def with_returned(self, spooled: SpooledAttempt) -> SpooledAttempt:
        """``spooled`` with the result that its process wrote, if the worker died before it received it."""
        if spooled.result is not None:
            return spooled
        name = f"{spooled.attempt.attempt_id}.returned"
        path = next((folder / name for folder in self._folders if (folder / name).exists()), self._folder / name)
        try:
            returned = json.loads(path.read_text())
            values = tuple(float(value) for value in returned["values"])
            extra = {name: json.dumps(value) for name, value in returned["extra"].items()}
        except FileNotFoundError:
            return spooled
        except (OSError, ValueError, KeyError, TypeError) as error:
            _logger.warning("what trial %d returned cannot be read: %s", spooled.attempt.number, error)
            return spooled
        ending = Ending(Outcome.COMPLETE, "its worker died before it could send the result")
        content = replace(spooled.content, user_attrs={**spooled.content.user_attrs, **extra})
        return replace(spooled, content=content, result=SpooledResult(TrialState.COMPLETE, values, ending))

    def list(self) -> Iterator[SpooledAttempt]:
        """All spooled attempts, oldest first."""
        files = [(_changed_at(path), path) for folder in self._folders for path in folder.glob("*.json")]
        for _, path in sorted(files):
            spooled = _read(path)
            if spooled is not None:
                yield spooled

    def _path(self, attempt_id: str) -> Path:
        return self._folder / f"{attempt_id}.json"


def _read(path: Path) -> SpooledAttempt | None:
    try:
        return SpooledAttempt.from_json(path.read_text())
    except FileNotFoundError:
        return None
    except NewerFormatError as error:
        _logger.warning("%s is left for a newer hpotool: %s", path, error)
    except OSError as error:
        _logger.warning("%s cannot be read and is left in place: %s", path, error)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        _set_aside(path, f"it cannot be read: {error}")
    return None


def _set_aside(path: Path, reason: str) -> None:
    kept = path.with_name(f"{path.name}.not-sent")
    try:
        path.replace(kept)
    except FileNotFoundError:
        return
    except OSError as error:
        _logger.warning("%s cannot be sent (%s), nor renamed: %s", path, reason, error)
    else:
        _logger.warning("%s cannot be sent and was set aside as %s: %s", path.name, kept, reason)


def _changed_at(path: Path) -> int:
    """When a file was last written; 0 if another process has just sent and removed it."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _short_hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
