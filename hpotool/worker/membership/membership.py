"""A worker's membership in the fleet: it is registered, sends heartbeats, receives orders, and reaps.

From ``with Membership(…)`` to its end, whatever the worker does: attempts, waiting, an outage.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from hpotool.errors import HpotoolError
from hpotool.settings import GRACE_PERIOD, HEARTBEAT_INTERVAL
from hpotool.storage.control.orders import (
    change_running_study,
    count_budget,
    end_worker,
    read_settings,
    register_worker,
)
from hpotool.storage.fleet.attempts import Attempt, FollowUp, Orders, follow_up_of
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.study.outcome import Outcome
from hpotool.study.rules.retry import BreakerOpen, decide_retry
from hpotool.study.spec import RetrySpec
from hpotool.worker.log import log_event
from hpotool.worker.membership.budget_monitor import BudgetMonitor
from hpotool.worker.membership.heartbeat import Heartbeat
from hpotool.worker.membership.identity import has_left_this_host, is_provably_gone
from hpotool.worker.membership.launched import launch_of_process
from hpotool.worker.membership.placement import Placement
from hpotool.worker.membership.reaper import Reaper
from hpotool.worker.membership.side_threads import SideThreads, Step
from hpotool.worker.signals import Level, Stopping

StopAttempt = Callable[[str, Outcome, str, timedelta], None]  # the first string is the attempt's id

_CANCEL_GRACE = timedelta(seconds=10)  # the time for a cancelled attempt to save its checkpoint
# How long a worker that must leave waits for the database to take its result; then the result stays on disk.
_LAST_WAIT_S = 10.0
_logger = logging.getLogger(__name__)


class Membership:
    """A worker's registration, heartbeat and reaper.

    ``stopping`` receives orders to the worker, ``stop_attempt`` orders to one attempt; both are called from
    another thread. ``monitor`` ends the study at its limits. ``more_steps`` are called in threads of their own
    while the worker lives. ``waits`` says why the worker starts no trial, and ``devices`` are the UUIDs of its
    GPUs, both for the registry.
    """

    def __init__(
        self,
        storage: WorkerStorage,
        study_id: int,
        retry: RetrySpec,
        stopping: Stopping,
        stop_attempt: StopAttempt,
        monitor: BudgetMonitor | None = None,
        *,
        interval: timedelta = HEARTBEAT_INTERVAL,
        grace: timedelta = GRACE_PERIOD,
        more_steps: Mapping[str, Step] | None = None,
        waits: Callable[[], str | None] = lambda: None,
        devices: Sequence[str] = (),
    ) -> None:
        self._storage = storage
        self._study_id = study_id
        self._retry = retry
        self._stopping = stopping
        self._stop_attempt = stop_attempt
        self._heard: Orders | None = None
        self._cancelled: tuple[str, float] | None = None  # attempt id, and the deadline for its checkpoint
        self._told_to_stop_at: float | None = None
        self.end_reason = "ended by an error"
        heartbeat = Heartbeat(
            storage.run,
            storage.worker,
            interval,
            current=lambda: storage.attempt,
            hear=self._hear,
            on_outage=self._endure_outage,
            has_checkpoint=self._has_checkpoint,
            waits=waits,
        )
        reaper = self._new_reaper(interval, grace)
        self._monitor = monitor
        self._devices = tuple(devices)
        self._placement = Placement(storage.run, storage.worker.worker_id, devices, grace)
        steps = {"heartbeat": heartbeat.step, "reaper": reaper.step}
        monitored = {} if monitor is None else {"budget": monitor.step}
        self._threads = SideThreads({**steps, **monitored, **(more_steps or {})})

    def __enter__(self) -> Membership:
        found = self._storage.rescue_all(has_left_this_host)
        if found:
            _logger.warning("sent %d results of earlier workers on this machine", found)
        self._register()
        self._threads.ensure_alive()
        return self

    def _register(self) -> None:
        launched = launch_of_process()
        register_worker(
            self._storage.run,
            self._study_id,
            self._storage.worker,
            launched.launch_id,
            launched.job,
            self._devices,
        )

    def _new_reaper(self, interval: timedelta, grace: timedelta) -> Reaper:
        storage = self._storage
        return Reaper(
            storage.run,
            self._study_id,
            storage.worker.worker_id,
            self._decide,
            interval=interval,
            grace=grace,
            current_attempt_id=lambda: storage.attempt.attempt_id if storage.attempt else None,
            rescue=storage.rescue,
            is_gone=is_provably_gone,
        )

    def _has_checkpoint(self, attempt: Attempt) -> bool:
        """Whether the attempt could go on elsewhere; only asked of workers of a pool, so nobody else looks."""
        return False

    def __exit__(self, *_: object) -> None:
        self._threads.close()
        try:
            with self._storage.connection.no_wait():
                end_worker(self._storage.run, self._storage.worker.worker_id, self.end_reason)
        except HpotoolError as error:  # away, or its tables are gone
            _logger.warning("could not deregister: %s", error)

    def ensure_alive(self) -> None:
        """Restart side threads that died."""
        self._threads.ensure_alive()

    def before_claim(self) -> None:
        """Restart side threads that died, and end the study if it has reached a limit."""
        self.ensure_alive()
        if self._monitor is not None:
            self._monitor.before_claim()

    def judge(self, failed: Attempt, *, has_breaker: bool, has_quarantine: bool) -> BreakerOpen | None:
        """Whether the worker must leave after a failure; see `Placement`."""
        return self._placement.judge(failed, has_breaker=has_breaker, has_quarantine=has_quarantine)

    def why_over(self) -> str | None:
        """Why nothing is left to do, for a worker that cannot claim now and so does not hear it from a claim.

        None for a study that was stopped or is draining too: the heartbeat's answer makes the worker leave.
        """
        heard = self._heard
        if heard is None or heard.study_state in ("stopped", "draining") or self.has_work_left():
            return None
        return heard.study_reason or "its trials are finished"

    def has_work_left(self) -> bool:
        """Whether another worker would find something to do now; true if the database does not answer."""
        try:
            with self._storage.connection.no_wait():
                settings = read_settings(self._storage.run, self._study_id)
                if settings is None or settings.state not in ("running", "paused", "done"):
                    return False
                places = count_budget(self._storage.run, self._study_id)
        except HpotoolError:  # the database is away, or tables or privileges are missing
            return True
        if places.open_replicates:
            return True
        has_places = settings.budget_trials is None or places.finished < settings.budget_trials
        return has_places and settings.state != "done"

    def drain_study(self, reason: str) -> None:
        """Drain the study, as a trial of this worker requested: running trials finish, and no new one starts."""
        if change_running_study(
            self._storage.run, self._study_id, "draining", reason, self._storage.worker.worker_id
        ):
            log_event("draining", f"the study is draining: {reason}")

    def _endure_outage(self) -> None:
        """Handle an outage: write the attempt's state to disk, and do not wait if the worker must leave."""
        self._storage.spool_attempt()
        level = self._stopping.level
        if level >= Level.STOP and self._told_to_stop_at is None:
            self._told_to_stop_at = time.monotonic()
        waited = self._told_to_stop_at is not None and time.monotonic() - self._told_to_stop_at > _LAST_WAIT_S
        is_idle = self._storage.attempt is None
        if level == Level.NOW or (level > Level.STAY and is_idle) or waited:
            self._storage.connection.abort_wait.set()

    def _grace_left(self, attempt: Attempt) -> timedelta:
        now = time.monotonic()
        if self._cancelled is None or self._cancelled[0] != attempt.attempt_id:
            self._cancelled = attempt.attempt_id, now + _CANCEL_GRACE.total_seconds()
        return timedelta(seconds=max(0.0, self._cancelled[1] - now))

    def _decide(self, outcome: Outcome, history: Sequence[Outcome]) -> FollowUp:
        return follow_up_of(decide_retry(outcome, history, self._retry))

    def _hear(self, attempt: Attempt | None, orders: Orders) -> None:
        self._heard = orders
        # Repeated with every heartbeat, because an attempt whose child has not started yet cannot receive it.
        if attempt is not None and not orders.is_owner:
            reason = "its trial was given to another attempt"
            self._stop_attempt(attempt.attempt_id, Outcome.CANCELLED, reason, timedelta(0))
        elif attempt is not None and orders.cancel_reason is not None:
            grace = self._grace_left(attempt)
            self._stop_attempt(attempt.attempt_id, Outcome.CANCELLED, orders.cancel_reason, grace)
        self._obey_study(attempt, orders)
        if orders.told_to is not None:
            level = Level.DRAIN if orders.told_to == "drain" else Level.STOP
            self._stopping.request(level, "hpotool workers asked this worker to leave")

    def _obey_study(self, attempt: Attempt | None, orders: Orders) -> None:
        """Leave if the study's state says so."""
        is_searching = attempt is not None and attempt.reevaluation is None
        if orders.study_state in ("stopped", "draining") or (orders.study_state == "done" and is_searching):
            # Done while an attempt runs: a limit was reached. The trial is requeued, for a larger budget.
            level = Level.DRAIN if orders.study_state == "draining" else Level.STOP
            why = f": {orders.study_reason}" if orders.study_reason else ""
            self._stopping.request(level, f"the study is {orders.study_state}{why}")
