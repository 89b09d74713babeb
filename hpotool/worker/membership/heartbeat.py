"""The worker's heartbeat, from its registration to its end, through every outage.

A heartbeat says that the worker and its attempt are alive. Its answer, or that of a cheaper query between two
heartbeats, contains the orders: whether the trial is still ours, and people's requests about the study, the worker
and the trial. So every worker learns of a pause, a stop or a fence within `ORDERS_WITHIN`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from hpotool.errors import DatabaseUnreachableError
from hpotool.faults import fault_point
from hpotool.storage.fleet.attempts import Attempt, Orders, Run, beat, read_orders
from hpotool.storage.fleet.worker_identity import WorkerIdentity

ORDERS_WITHIN = timedelta(seconds=4)

DELETED = Orders(False, None, "stopped", "the study no longer exists")
_logger = logging.getLogger(__name__)


class Heartbeat:
    """Sends one worker's heartbeats; ``step`` is called by a side thread.

    ``current`` is the running attempt, ``hear`` receives the orders, and ``on_outage`` is called after each
    heartbeat that failed. ``has_checkpoint`` says whether an attempt could go on later from where it is, ``waits``
    why the worker starts no trial, if something keeps it from it.
    """

    def __init__(
        self,
        run: Run,
        worker: WorkerIdentity,
        interval: timedelta,
        *,
        current: Callable[[], Attempt | None],
        hear: Callable[[Attempt | None, Orders], None],
        on_outage: Callable[[], None] = lambda: None,
        has_checkpoint: Callable[[Attempt], bool] = lambda _: False,
        waits: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._worker = worker
        self._interval_s = interval.total_seconds()
        self._current = current
        self._hear = hear
        self._on_outage = on_outage
        self._has_checkpoint = has_checkpoint
        self._waits = waits
        self._said_to_wait = False
        self._clock = clock
        self._beat_due = 0.0

    def step(self) -> float:
        """Send a heartbeat if it is due, else only query the orders; return the seconds until the next step."""
        fault_point("beat")
        now = self._clock()
        attempt = self._current()
        waits = self._waits()
        is_due = now >= self._beat_due or (waits is not None) != self._said_to_wait
        try:
            if is_due:
                has_checkpoint = attempt is not None and self._has_checkpoint(attempt)
                orders = beat(self._run, self._worker, attempt, waits, has_checkpoint=has_checkpoint)
            else:
                orders = read_orders(self._run, self._worker, attempt)
        except DatabaseUnreachableError:
            self._on_outage()
            # A fraction of the interval: when the database is back, reapers wait for a grace period, so our
            # heartbeat comes first.
            return min(1.0, self._interval_s / 4)
        if is_due:
            self._beat_due, self._said_to_wait = now + self._interval_s, waits is not None
        # An order for an attempt that has ended in the meantime does not apply to the next one.
        if attempt is self._current():
            self._hear(attempt, orders or DELETED)
        return max(0.01, min(self._beat_due - self._clock(), ORDERS_WITHIN.total_seconds()))
