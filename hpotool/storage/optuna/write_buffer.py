"""Buffers the writes of a running trial, keeps them in order, and sends them together.

Promises:
    - An accepted write is sent within one second (parameters within a tenth of a second, so that a retry tries the
      same ones), and kept until the database has confirmed it: a failed send puts everything back, and sending
      twice has the same effect as sending once.
      - Writes that are sent with a statement are part of its transaction.
      - A write that the database will never accept is dropped with a message, and does not affect any other.
      - A forked child sends none of its parent's writes.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from optuna.logging import get_logger

from hpotool.errors import HpotoolError
from hpotool.storage.database.connection import Connection, Parameters, RefusedDataError, Rows
from hpotool.storage.database.queries import query
from hpotool.study.wording import count_of

Kind = Literal["params", "steps", "user_attrs", "system_attrs"]

LONGEST_DELAY_S = 1.0
_PARAMS_DELAY_S = (
    0.1  # a trial suggests its parameters together, so this is one more round trip, and none for a short trial
)

_KINDS: tuple[Kind, ...] = ("params", "steps", "user_attrs", "system_attrs")
_logger = get_logger(__name__)


@dataclass
class Batch:
    """Writes by kind and by (trial id, key): the value and the other columns of its row."""

    writes: dict[Kind, dict[tuple[int, Any], tuple[Any, Any]]] = field(
        default_factory=lambda: {kind: {} for kind in _KINDS}
    )

    def __bool__(self) -> bool:
        return any(self.writes.values())

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.writes.values())

    def statements(self) -> list[tuple[str, Parameters]]:
        """One statement for each kind that has writes."""
        return [
            (
                query(f"write_{kind}"),
                {
                    "trial_ids": [trial_id for trial_id, _ in rows],
                    "keys": [key for _, key in rows],
                    "values": [value for value, _ in rows.values()],
                    "extras": [extra for _, extra in rows.values()],
                },
            )
            for kind, rows in self.writes.items()
            if rows
        ]

    def singly(self) -> list[Batch]:
        """Each write as its own batch, in order."""
        return [
            Batch({other: {key: row} if other == kind else {} for other in _KINDS})
            for kind, rows in self.writes.items()
            for key, row in rows.items()
        ]

    def __str__(self) -> str:
        return ", ".join(
            f"{kind} {key!r} of trial id {trial_id}"
            for kind, rows in self.writes.items()
            for trial_id, key in rows
        )

    def followed_by(self, later: Batch) -> Batch:
        """These writes, followed by the later ones."""
        return Batch({kind: {**self.writes[kind], **later.writes[kind]} for kind in _KINDS})


class WriteBuffer:
    """Collects writes and sends them after a second, or together with a statement."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._start_empty()
        own = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _start_empty(own))

    def _start_empty(self) -> None:
        self._pending = Batch()
        self._due = 0.0
        self._is_watched = False
        self._lock = threading.Lock()  # guards the three above
        self._is_due_sooner = threading.Event()
        self._sending = (
            threading.Lock()
        )  # one send at a time, so that a later batch cannot overtake an earlier one

    def add(self, kind: Kind, trial_id: int, key: int | str, value: Any, extra: Any = None) -> None:
        """Accept one write. The caller has checked that the database will accept it."""
        due = time.monotonic() + (_PARAMS_DELAY_S if kind == "params" else LONGEST_DELAY_S)
        with self._lock:
            if not self._pending or due < self._due:
                self._due = due
                self._is_due_sooner.set()
            self._pending.writes[kind][trial_id, key] = (value, extra)
            if not self._is_watched:
                self._is_watched = True
                threading.Thread(target=self._send_when_due, name="hpotool-writes", daemon=True).start()

    def run(self, sql: str, params: Parameters = ()) -> Rows:
        """Send all accepted writes, then ``sql``, in one transaction and round trip; return the rows of ``sql``.

        Raises the errors of `Connection.run`; the writes are then kept for the next call.
        """
        with self._sending:
            with self._lock:
                batch, self._pending = self._pending, Batch()
            if not batch:
                return self._connection.run(sql, params)
            with self._keeping(batch):
                try:
                    return self._connection.run_all([*batch.statements(), (sql, params)])
                except RefusedDataError:
                    self._leave_out_what_is_refused(batch)
            return self._connection.run(sql, params)

    @contextmanager
    def _keeping(self, batch: Batch) -> Iterator[None]:
        """Put ``batch`` back if anything is raised inside, so that no write is lost."""
        is_sent = False
        try:
            yield
            is_sent = True
        finally:
            if not is_sent:
                with self._lock:
                    self._pending = batch.followed_by(self._pending)

    def _leave_out_what_is_refused(self, batch: Batch) -> None:
        """Send the writes one by one, so that a refused write does not affect the others."""
        for write in batch.singly():
            try:
                self._connection.run_all(write.statements())
            except RefusedDataError as error:
                _logger.warning("%s cannot be stored and was dropped: %s", write, error)

    def flush(self) -> None:
        """Send pending writes, if any. On return, writes that another thread was sending have arrived too."""
        with self._sending:  # if that failed, its writes are pending again
            pass
        if self._pending:
            self.run("select 1")

    def hand_over(self) -> None:
        """Discard all accepted writes, because somebody else will send them."""
        with self._sending, self._lock:
            self._pending = Batch()

    def _send_when_due(self) -> None:
        """Background sender. Runs while writes are pending; survives an outage."""
        while True:
            with self._lock:
                if not self._pending:
                    self._is_watched = False
                    return
                delay = self._due - time.monotonic()
                self._is_due_sooner.clear()
            if delay > 0:
                self._is_due_sooner.wait(delay)
                continue
            try:
                self.flush()
            except HpotoolError as error:
                with self._lock:
                    self._due = time.monotonic() + LONGEST_DELAY_S
                _logger.debug("%d writes wait for the database: %s", len(self._pending), error)


def flush_at_exit(buffer: WriteBuffer) -> Callable[[], None]:
    """Called when a storage is closed: sends the last second of writes, or warns that they are lost."""

    def flush() -> None:
        try:
            buffer.flush()
        except HpotoolError as error:
            lost = "write of the last second is", "writes of the last second are"
            _warn_where_open("%s lost: %s", count_of(len(buffer._pending), *lost), error)

    return flush


def _warn_where_open(message: str, *arguments: object) -> None:
    """Log a warning to the handlers that still have a stream: to a closed one, logging would print a traceback.

    When a process ends, a notebook or a script may have closed what it had logged to.
    """
    if not _logger.isEnabledFor(logging.WARNING):
        return
    record = _logger.makeRecord(_logger.name, logging.WARNING, __file__, 0, message, arguments, None)
    for handler in _handlers():
        is_closed = getattr(getattr(handler, "stream", None), "closed", False)
        if record.levelno >= handler.level and not is_closed:
            handler.handle(record)


def _handlers() -> list[logging.Handler]:
    """All that hear this module's messages."""
    heard: list[logging.Handler] = []
    logger: logging.Logger | None = _logger
    while logger is not None:
        heard += logger.handlers
        logger = logger.parent if logger.propagate else None
    return heard or [handler for handler in (logging.lastResort,) if handler is not None]


def _start_empty(reference: weakref.ref[WriteBuffer]) -> None:
    buffer = reference()
    if buffer is not None:
        buffer._start_empty()
