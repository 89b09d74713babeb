"""A pool worker's membership: like a study's own worker, but a study's state ends its attempt, not the worker.

It watches the trials of every study of the pool, because nobody else may be left in the study of a lost worker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

from hpotool.errors import DatabaseUnreachableError, HpotoolError, InputError
from hpotool.storage.control.orders import read_retry_spec
from hpotool.storage.fleet.attempts import Attempt, FollowUp, Orders, Run, follow_up_of
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.storage.pools.turns import ask_for_places, is_pool_over, register_pool_worker
from hpotool.study.outcome import Outcome
from hpotool.study.rules.retry import decide_retry
from hpotool.study.spec import RetrySpec
from hpotool.worker.log import log_event
from hpotool.worker.membership.budget_monitor import BudgetMonitor
from hpotool.worker.membership.heartbeat import DELETED
from hpotool.worker.membership.launched import launch_of_process
from hpotool.worker.membership.membership import Membership, StopAttempt
from hpotool.worker.membership.reaper import Reaper, RunningTrial
from hpotool.worker.membership.side_threads import Step
from hpotool.worker.signals import Stopping

_logger = logging.getLogger(__name__)
NO_STUDY = 0  # no study has this id
MOST_SILENT = 2  # of grace periods without a heartbeat, after which a worker's place is not counted


class PoolMembership(Membership):
    """Membership in a pool; `serve` says which study's trial is claimed next.

    ``has_checkpoint`` says of an attempt whether it could go on later: only such a one is asked for its place.
    """

    def __init__(
        self,
        storage: WorkerStorage,
        pool: str,
        stopping: Stopping,
        stop_attempt: StopAttempt,
        has_checkpoint: Callable[[Attempt], bool],
        *,
        interval: timedelta,
        grace: timedelta,
        hand_back: timedelta,
        more_steps: Mapping[str, Step] | None = None,
        waits: Callable[[], str | None] = lambda: None,
        devices: Sequence[str] = (),
    ) -> None:
        """``hand_back``: how long an attempt that hands its place back may take to save a checkpoint."""
        self._pool = pool
        self._looks_for_checkpoint = has_checkpoint
        self._interval_s = interval.total_seconds()
        self._gone_after_s = MOST_SILENT * grace.total_seconds()
        self._hand_back = hand_back
        steps = {"budget": self._watch_budget, "places": self._ask_for_places, **(more_steps or {})}
        super().__init__(
            storage,
            NO_STUDY,
            RetrySpec(),
            stopping,
            stop_attempt,
            interval=interval,
            grace=grace,
            more_steps=steps,
            waits=waits,
            devices=devices,
        )

    def serve(self, study_id: int, retry: RetrySpec, monitor: BudgetMonitor) -> None:
        """From now on, claims and what follows from trials are about this study."""
        self._study_id, self._retry, self._monitor = study_id, retry, monitor

    def has_work_left(self) -> bool:
        """Whether another worker would find something to do now; true if the database does not answer."""
        try:
            with self._storage.connection.no_wait():
                return not is_pool_over(self._storage.run, self._pool)
        except HpotoolError:
            return True

    def has_study_work_left(self) -> bool:
        """The same for the study that is served."""
        return super().has_work_left()

    def why_over(self) -> str | None:
        """Why nothing is left to do in the study that is served, for a turn that cannot claim now."""
        return None if self.has_study_work_left() else "its trials are finished"

    def _register(self) -> None:
        launched = launch_of_process()
        worker = self._storage.worker
        register_pool_worker(
            self._storage.run, self._pool, worker, launched.launch_id, launched.job, self._devices
        )

    def _new_reaper(self, interval: timedelta, grace: timedelta) -> Reaper:
        storage = self._storage
        return PoolReaper(
            storage.run,
            self._pool,
            storage.worker.worker_id,
            interval=interval,
            grace=grace,
            current_attempt_id=lambda: storage.attempt.attempt_id if storage.attempt else None,
            rescue=storage.rescue,
        )

    def _has_checkpoint(self, attempt: Attempt) -> bool:
        return self._looks_for_checkpoint(attempt)

    def _hear(self, attempt: Attempt | None, orders: Orders) -> None:
        if orders is DELETED:  # with the study that was served last
            self._register()
        super()._hear(attempt, orders)

    def _obey_study(self, attempt: Attempt | None, orders: Orders) -> None:
        if attempt is None:
            return
        is_over = orders.study_state == "stopped" or (
            orders.study_state == "done" and attempt.reevaluation is None
        )
        if is_over:
            why = f": {orders.study_reason}" if orders.study_reason else ""
            self._hand_back_place(attempt, f"the study is {orders.study_state}{why}")
        elif orders.yields_to is not None:
            self._hand_back_place(attempt, f"its place is for study {orders.yields_to}, which goes first")

    def _hand_back_place(self, attempt: Attempt, reason: str) -> None:
        self._stop_attempt(attempt.attempt_id, Outcome.PREEMPTED, reason, self._hand_back)

    def _watch_budget(self) -> float:
        monitor = self._monitor
        return self._interval_s if monitor is None or self._storage.attempt is None else monitor.step()

    def _ask_for_places(self) -> float:
        """Where a study that goes first finds the pool full, ask trials of others for their places."""
        with suppress(DatabaseUnreachableError):
            for number, study in ask_for_places(
                self._storage.run, self._pool, self._storage.worker.worker_id, self._gone_after_s
            ):
                log_event("preempt", f"asked trial {number} of {study} to hand its place back", trial=number)
        return self._interval_s


class PoolReaper(Reaper):
    """Watches the RUNNING trials of all studies of a pool; each is retried as its own study says."""

    def __init__(
        self,
        run: Run,
        pool: str,
        actor: str,
        *,
        interval: timedelta,
        grace: timedelta,
        current_attempt_id: Callable[[], str | None] = lambda: None,
        rescue: Callable[[str], bool] = lambda _: False,
    ) -> None:
        super().__init__(
            run,
            NO_STUDY,
            actor,
            lambda outcome, history: follow_up_of(decide_retry(outcome, history, RetrySpec())),
            interval=interval,
            grace=grace,
            current_attempt_id=current_attempt_id,
            rescue=rescue,
        )
        self._pool = pool
        self._unreadable: set[int] = set()

    def _find_running(self) -> list[RunningTrial]:
        return self._read("find_running_in_pool", {"pool": self._pool})

    def _reap_if_dead(self, trial: RunningTrial, now: float) -> bool:
        try:
            return super()._reap_if_dead(trial, now)
        except (
            InputError
        ) as error:  # a newer hpotool stored settings that this one cannot read: a newer worker reaps
            if trial.study_id not in self._unreadable:
                self._unreadable.add(trial.study_id)
                _logger.warning("lost trials of a study are left to newer workers: %s", error.message)
            return False

    def _follow_up(self, trial: RunningTrial) -> FollowUp:
        retry = read_retry_spec(self._run, trial.study_id)
        return follow_up_of(decide_retry(Outcome.LOST, trial.history, retry))
