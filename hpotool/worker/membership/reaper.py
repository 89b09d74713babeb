"""Finds attempts whose worker is gone, and has their trials retried. Runs in every worker, busy or idle.

It fails a trial only if one of these holds:

* The reaper has itself seen the same heartbeat for a whole grace period without losing contact with the database,
  so that no outage, restarted database, suspended reaper or wrong clock can make a live trial stale.
* The process that ran it was on this machine, and has provably ended.

Only our own monotonic clock is read: heartbeats are compared with each other and never with a time, so neither the
database's clock nor a time zone can keep a dead trial alive or fail a live one. The transaction that fails the
trial checks that there was no heartbeat at the last moment; of two reapers, one wins.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hpotool.errors import DatabaseUnreachableError
from hpotool.faults import fault_point
from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Ending, FollowUp, Run, fail_and_queue
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.outcome import Outcome
from hpotool.worker.membership.identity import is_provably_gone

Decide = Callable[[Outcome, Sequence[Outcome]], FollowUp]  # an outcome and those before it -> what follows

# Plain Optuna workers send heartbeats at an unknown interval.
FOREIGN_PATIENCE = 10

_FATES: Mapping[FollowUp, str] = {
    "none": "it is not retried",
    "retry": "it is retried",
    "requeue": "it is handed to another worker",
}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunningTrial:
    """A RUNNING trial as found by a check. ``attempt_id`` and ``worker`` are None for plain Optuna's trials."""

    trial_id: int
    number: int
    beat: datetime
    attempt_id: str | None
    worker: WorkerIdentity | None
    history: tuple[Outcome, ...]
    study_id: int


@dataclass(frozen=True)
class _Sighting:
    beat: datetime
    since: float


class Reaper:
    """Watches the RUNNING trials of a study; ``step`` is called by a side thread.

    ``current_attempt_id`` returns this worker's own attempt, which is not watched. ``rescue`` is called with the
    id of an attempt whose process is gone, before its trial is failed; it returns whether a result was found.
    """

    def __init__(
        self,
        run: Run,
        study_id: int,
        actor: str,
        decide: Decide,
        *,
        interval: timedelta,
        grace: timedelta,
        current_attempt_id: Callable[[], str | None] = lambda: None,
        rescue: Callable[[str], bool] = lambda _: False,
        is_gone: Callable[[WorkerIdentity], bool] = is_provably_gone,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if grace < 2 * interval:
            raise ValueError("the grace period must be at least two heartbeat intervals")
        self._run = run
        self._study_id = study_id
        self._actor = actor
        self._decide = decide
        self._grace_s = grace.total_seconds()
        self._current_attempt_id = current_attempt_id
        self._rescue = rescue
        self._is_gone = is_gone
        self._clock = clock
        # After a longer gap, the reaper may have missed heartbeats that all live workers missed too (the database
        # hung): the gap, a heartbeat interval and the delay of the next try must together fit into the grace
        # period.
        self._longest_gap_s = (self._grace_s - interval.total_seconds()) / 2
        self._look_every_s = min(interval.total_seconds() / 2, self._longest_gap_s / 2)
        self._last_look: float | None = None
        self._sightings: dict[int, _Sighting] = {}

    def step(self) -> float:
        """Check once, reap trials that have been silent for long enough; return the seconds to the next check."""
        try:
            self.look()
        except DatabaseUnreachableError:
            self._last_look = None
        return self._look_every_s

    def look(self) -> int:
        """Check once; return the number of trials reaped.

        Raises:
            DatabaseUnreachableError: the database is away; all observations so far are void.
        """
        asked_at = self._clock()
        self._last_look, last_look = None, self._last_look
        running = self._find_running()
        answered_at = self._clock()
        if last_look is None or answered_at - last_look > self._longest_gap_s:
            self._sightings.clear()
        self._last_look = answered_at
        self._sightings = {trial.trial_id: self._sight(trial, answered_at) for trial in running}
        return sum(self._reap_if_dead(trial, asked_at) for trial in running)

    def _find_running(self) -> list[RunningTrial]:
        return self._read("find_running", {"study_id": self._study_id})

    def _read(self, statement: str, place: Mapping[str, object]) -> list[RunningTrial]:
        parameters = {**place, "attempt_id": self._current_attempt_id()}
        return [_running_trial(row) for row in self._run(query(statement), parameters)]

    def _follow_up(self, trial: RunningTrial) -> FollowUp:
        return self._decide(Outcome.LOST, trial.history)

    def _sight(self, trial: RunningTrial, now: float) -> _Sighting:
        sighting = self._sightings.get(trial.trial_id)
        return sighting if sighting is not None and sighting.beat == trial.beat else _Sighting(trial.beat, now)

    def _reap_if_dead(self, trial: RunningTrial, now: float) -> bool:
        if trial.worker is not None and self._is_gone(trial.worker):
            if trial.attempt_id is not None and self._rescue(trial.attempt_id):
                return False
            return self._reap(trial, f"the process of worker {trial.worker.worker_id} is gone", None)
        patience = self._grace_s if trial.attempt_id else FOREIGN_PATIENCE * self._grace_s
        watched_s = now - self._sightings[trial.trial_id].since
        if watched_s < patience:
            return False
        return self._reap(trial, f"no heartbeat for {watched_s:.0f} s", trial.beat)

    def _reap(self, trial: RunningTrial, reason: str, seen_beat: datetime | None) -> bool:
        ending = Ending(Outcome.LOST, reason, follow_up=self._follow_up(trial))
        fault_point("reap.before")
        ended = fail_and_queue(
            self._run,
            trial.study_id,
            trial.trial_id,
            self._actor,
            ending,
            attempt_id=trial.attempt_id,
            seen_beat=seen_beat,
            event="reap",
        )
        fault_point("reap.after")
        if ended is not None:
            _logger.warning("trial %d was lost: %s; %s", trial.number, reason, _FATES[ending.follow_up])
        return ended is not None


def _running_trial(row: Sequence[object]) -> RunningTrial:
    trial_id, number, beat, attempt_id, history, study_id, worker_id, *process = row
    worker = WorkerIdentity(worker_id, *process) if worker_id is not None else None  # type: ignore[arg-type]
    outcomes = tuple(Outcome(outcome) for outcome in history)  # type: ignore[attr-defined]
    return RunningTrial(trial_id, number, beat, attempt_id, worker, outcomes, study_id)  # type: ignore[arg-type]
