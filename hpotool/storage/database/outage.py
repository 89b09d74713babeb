"""Waits out database outages, by default for as long as they take; logs them once, then every minute.

`PatientConnection` is a `Connection` that waits on behalf of its owner. Everything that a worker sends is
idempotent, so if an answer is lost with the connection, it is enough to send the statement again.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.database.connection import Connection, Parameters, Rows
from hpotool.storage.database.url import DatabaseUrl

_FIRST_DELAY_S = 0.1
_LOG_EVERY_S = 60.0
_logger = logging.getLogger(__name__)


class GaveUpError(DatabaseUnreachableError):
    """The outage lasted longer than the allowed wait, or the worker was asked to end during it."""


class Outage:
    """The current outage, if there is one, and its log messages. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._began: float | None = None
        self._logged = 0.0

    @property
    def lasted_s(self) -> float:
        """Seconds since it began; 0 when there is none."""
        began = self._began
        return 0.0 if began is None else self._clock() - began

    def note_failure(self, error: DatabaseUnreachableError) -> None:
        """Record that the database did not answer."""
        with self._lock:
            now = self._clock()
            if self._began is None:
                self._began = self._logged = now
                _logger.warning("%s; waiting, nothing is lost", error)
            elif now - self._logged >= _LOG_EVERY_S:
                self._logged = now
                _logger.warning("the database has been away for %.0f s; still waiting", now - self._began)

    def note_answer(self) -> None:
        """Record that the database answered."""
        if self._began is None:
            return
        with self._lock:
            if self._began is not None:
                _logger.warning("the database is back after %.0f s", self._clock() - self._began)
                self._began = None


class PatientConnection(Connection):
    """A connection whose owner (the thread that created it) waits out outages inside `run`.

    Other threads, and the owner inside ``no_wait``, get the error at once, because they must not block.
    ``give_up_after`` limits the wait, and setting ``abort_wait`` ends it. ``longest_delay`` is the longest pause
    between two tries.
    """

    lock_timeout_s = 10  # a worker whose claim waits for a lock handles signals within that time, then waits again

    def __init__(
        self,
        url: DatabaseUrl,
        *,
        give_up_after: timedelta | None = None,
        longest_delay: timedelta = timedelta(seconds=5),
    ) -> None:
        super().__init__(url)
        self.outage = Outage()
        self.abort_wait = threading.Event()
        self.on_first_failure: Callable[[], None] = lambda: None
        self._give_up_after_s = give_up_after.total_seconds() if give_up_after is not None else None
        self._longest_delay_s = longest_delay.total_seconds()
        self._owner = threading.get_ident()
        self._is_impatient = False

    @contextmanager
    def no_wait(self) -> Iterator[None]:
        """A context in which the owner does not wait either."""
        before, self._is_impatient = self._is_impatient, True
        try:
            yield
        finally:
            self._is_impatient = before

    def run_all(self, statements: Sequence[tuple[str, Parameters]]) -> Rows:
        """See `Connection.run_all`.

        Raises:
            GaveUpError: the allowed wait is over.
        """
        delay = _FIRST_DELAY_S
        while True:
            try:
                rows = super().run_all(statements)
            except DatabaseUnreachableError as error:
                is_first = self.outage.lasted_s == 0
                self.outage.note_failure(error)
                if self._is_impatient or threading.get_ident() != self._owner:
                    raise
                if is_first or delay == _FIRST_DELAY_S:
                    self.on_first_failure()
                self._wait(delay, error)
                delay = min(2 * delay, self._longest_delay_s)
            else:
                self.outage.note_answer()
                return rows

    def _wait(self, delay: float, error: DatabaseUnreachableError) -> None:
        give_up_after = self._give_up_after_s
        if give_up_after is not None and self.outage.lasted_s >= give_up_after:
            raise GaveUpError(f"gave up after {give_up_after:.0f} s: {error}", error.hint) from error
        # With jitter, so that a hundred workers do not come back at the same moment.
        if self.abort_wait.wait(delay * random.uniform(0.5, 1.0)):
            raise GaveUpError(f"asked to leave while {error}", error.hint) from error
