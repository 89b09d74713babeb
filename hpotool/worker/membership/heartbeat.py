"""The worker's heartbeat: from its registration to its end, through every outage.

A beat says that the worker and its attempt live. What comes back with it, or with a cheaper question between two
beats, are the orders: whether the trial is still ours, and what people want of the study, worker and trial. So
every worker hears a pause, a stop or a fence within `ORDERS_WITHIN`.
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

_DELETED = Orders(False, None, "stopped", "the study does not exist any more")
_logger = logging.getLogger(__name__)


class Heartbeat:
    """Beats for one worker; ``step`` is called by a side thread.

    ``current`` is the attempt that runs, ``hear`` takes the orders, ``on_outage`` is called after each beat that
    did not get through.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._worker = worker
        self._interval_s = interval.total_seconds()
        self._current = current
        self._hear = hear
        self._on_outage = on_outage
        self._clock = clock
        self._beat_due = 0.0

    def step(self) -> float:
        """Beat when it is time to, else only ask; the seconds until the next step."""
        fault_point("beat")
        now = self._clock()
        attempt = self._current()
        is_due = now >= self._beat_due
        try:
            if is_due:
                orders = beat(self._run, self._worker, attempt)
            else:
                orders = read_orders(self._run, self._worker, attempt)
        except DatabaseUnreachableError:
            self._on_outage()
            # A fraction of the interval: when the database is back, reapers wait a grace period, and we beat
            # first.
            return min(1.0, self._interval_s / 4)
        if is_due:
            self._beat_due = now + self._interval_s
        # What was asked for an attempt that has ended meanwhile says nothing about the next one.
        if attempt is self._current():
            self._hear(attempt, orders or _DELETED)
        return max(0.01, min(self._beat_due - self._clock(), ORDERS_WITHIN.total_seconds()))
