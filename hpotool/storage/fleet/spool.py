"""What an attempt has come to, on this machine's disk until the database has it.

One file per attempt, replaced as a whole and never appended to: so it is either the newest state or an older one,
and sending it twice has the effect of once. A result is put here before it is told; in an outage the reports are
too. Whoever finds the file of a worker that is gone sends it: the next worker on this machine, or a living
neighbour.

Beside it the attempt's own process leaves what the objective returned, before it tells its worker: so no moment is
left in which a returned value is in nobody's keeping.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.trial import TrialState

from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Attempt, Ending
from hpotool.storage.fleet.trial_content import TrialContent
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.outcome import Outcome
from hpotool.study.phase import Apart

_FORMAT = 1
_logger = logging.getLogger(__name__)


class NewerFormatError(Exception):
    """A file of a version that came after this one."""


@dataclass(frozen=True)
class Result:
    """What the attempt is to be told with."""

    state: TrialState
    values: tuple[float, ...] | None
    ending: Ending


@dataclass(frozen=True)
class SpooledAttempt:
    """An attempt, whose it was, what it wrote, and its result if it has one."""

    attempt: Attempt
    worker: WorkerIdentity
    content: TrialContent
    result: Result | None

    def to_json(self) -> str:
        """As text; the inverse of `from_json`."""
        data = asdict(self) | {"format": _FORMAT}
        data["attempt"]["started"] = self.attempt.started.isoformat()
        if self.attempt.apart is None:  # as the version before wrote it, which reads no more than that
            del data["attempt"]["apart"]
        if self.result is not None:
            data["result"]["state"] = self.result.state.name
        return json.dumps(data)

    @classmethod
    def from_json(cls, text: str) -> SpooledAttempt:
        """The attempt that was written as ``text``.

        Raises:
            NewerFormatError: another version wrote it.
            ValueError, KeyError, TypeError, AttributeError: it was not.
        """
        data = json.loads(text)
        if data["format"] != _FORMAT:
            raise NewerFormatError(f"format {data['format']}")
        apart = data["attempt"].pop("apart", None)
        attempt = Attempt(**data["attempt"], apart=None if apart is None else Apart(**apart))
        outcomes = tuple(Outcome(outcome) for outcome in attempt.history)
        started = datetime.fromisoformat(data["attempt"]["started"])
        return cls(
            replace(attempt, started=started, history=outcomes),
            WorkerIdentity(**data["worker"]),
            TrialContent(**data["content"]),
            _result(data["result"]),
        )


def _result(data: dict[str, Any] | None) -> Result | None:
    if data is None:
        return None
    ending = Ending(**data["ending"])
    values = data["values"]
    return Result(
        TrialState[data["state"]],
        None if values is None else tuple(values),
        replace(ending, outcome=Outcome(ending.outcome)),
    )


class Spool:
    """The spooled attempts of one database, in a folder of this machine.

    The folder is named after what `Connection.identify` says: neither a changed password nor a tunnel's other port
    hides what waits, and another database at the same address does not get it. A full disk costs the safety, not
    the run.
    """

    def __init__(self, home: Path, identity: str, url: DatabaseUrl) -> None:
        # hpotool 0.1 named the folder after the database's address. What it left there is read, and never written.
        place = f"{url.url.host}:{url.url.port}/{url.url.database}"
        self._folder, earlier = (home / "spool" / _short_hash(name) for name in (identity, place))
        self._folders = (self._folder, earlier)

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder

    def keep(self, spooled: SpooledAttempt, *, durably: bool) -> None:
        """Write the attempt's file. ``durably``: it survives a power cut too, which costs some milliseconds."""
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
        """The database has it. A file that cannot be removed is sent again some day, which changes nothing."""
        for folder in self._folders:
            for path in (folder / f"{attempt_id}.json", folder / f"{attempt_id}.returned"):
                with suppress(OSError):
                    path.unlink()

    def set_aside(self, attempt_id: str, reason: str) -> None:
        """It cannot be sent, now or ever: keep it under another name, which nobody sends, and say which."""
        for folder in self._folders:
            for path in (folder / f"{attempt_id}.json", folder / f"{attempt_id}.returned"):
                _set_aside(path, reason)

    def disown(self, attempt_id: str) -> None:
        """The database does not know the attempt: its study was deleted.

        In the folder of an address it may be another database's, and waits for that.
        """
        for path in (self._path(attempt_id), self.returned_file(attempt_id)):
            _set_aside(path, "its study is not in the database any more")

    def find(self, attempt_id: str) -> SpooledAttempt | None:
        """What is kept of an attempt."""
        found = (_read(folder / f"{attempt_id}.json") for folder in self._folders)
        return next((spooled for spooled in found if spooled is not None), None)

    def returned_file(self, attempt_id: str) -> Path:
        """Where the attempt's own process leaves ``{"values": …, "extra": …}`` when the objective has returned."""
        return self._folder / f"{attempt_id}.returned"

    def with_returned(self, spooled: SpooledAttempt) -> SpooledAttempt:
        """``spooled`` with the result that its process left, where its worker was gone before it could take it."""
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
        ending = Ending(Outcome.COMPLETE, "its worker was gone before it could tell")
        content = replace(spooled.content, user_attrs={**spooled.content.user_attrs, **extra})
        return replace(spooled, content=content, result=Result(TrialState.COMPLETE, values, ending))

    def list(self) -> Iterator[SpooledAttempt]:
        """Everything that is kept, the oldest first."""
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
        _logger.warning("%s is left to a newer hpotool: %s", path, error)
    except OSError as error:
        _logger.warning("%s cannot be read and is left alone: %s", path, error)
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
        _logger.warning("%s cannot be sent and is set aside as %s: %s", path.name, kept, reason)


def _changed_at(path: Path) -> int:
    """When a file was last written; 0 when somebody has just sent and removed it."""
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
