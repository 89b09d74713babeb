"""The main loop of a pool's worker: one turn after another, each for the study that the database chooses."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from datetime import timedelta

from hpotool.errors import EXIT_FAILED, HpotoolError
from hpotool.storage.database.outage import GaveUpError
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.storage.pools.places import list_places
from hpotool.storage.pools.turns import EndedTurn, NoTurn, Turn, choose_study, leave_study
from hpotool.storage.pools.waiting import describe_waiting
from hpotool.worker.log import log_event
from hpotool.worker.loop import Departure, depart_as_asked, judge_broken
from hpotool.worker.pool.open_studies import PASSED_OVER_FOR_S, OpenStudies
from hpotool.worker.pool.pool_membership import PoolMembership
from hpotool.worker.process.fork_server_handle import ImportInterrupted
from hpotool.worker.signals import Level, Stopping

_IDLE_WAIT_S = 1.0
_SOON_IDLE_LONG = 10  # choices in vain before the worker asks less often, and says again why it waits


class PoolLoop:
    """One worker of one pool, on one slot. ``stays``: also when no study of the pool has anything left to do."""

    def __init__(
        self,
        pool: str,
        storage: WorkerStorage,
        studies: OpenStudies,
        membership: PoolMembership,
        stopping: Stopping,
        longest_idle_wait: timedelta,
        *,
        stays: bool = False,
    ) -> None:
        self._pool = pool
        self._storage = storage
        self._studies = studies
        self._membership = membership
        self._stopping = stopping
        self._long_idle_wait_s = max(_IDLE_WAIT_S, longest_idle_wait.total_seconds())
        self._stays = stays
        self._last: EndedTurn | None = None
        self._in_vain = 0
        self._broken_in_a_row = 0
        self._waits_for = ""
        self._passed_over: Mapping[int, str] = {}  # at the last choice

    def run(self) -> Departure:
        """Take turns until there is a reason to leave; return the reason.

        Raises:
            GaveUpError: the database outage lasted longer than this worker may wait.
        """
        while self._stopping.level == Level.STAY:
            departure = self._take_turn()
            if departure is not None:
                return departure
        return depart_as_asked(self._stopping, self._membership.has_work_left)

    def _take_turn(self) -> Departure | None:
        try:
            chosen = self._choose()
            if isinstance(chosen, NoTurn):
                return self._wait(chosen)
            self._serve(chosen)
        except GaveUpError:
            if self._stopping.level == Level.STAY:
                raise
            return None
        except ImportInterrupted:
            return None  # the worker was asked to leave
        except HpotoolError as error:  # tables or privileges are missing
            log_event("refused", f"the worker hit an error and continues: {error.message}", logging.ERROR)
            return self._after_broken(error.message)
        self._broken_in_a_row = 0
        return None

    def _choose(self) -> Turn | NoTurn:
        last, self._last = self._last, None
        self._membership.ensure_alive()
        self._passed_over = self._studies.passed_over()
        left_out = {*self._studies.unfit(), *self._passed_over}
        chosen = choose_study(self._storage.run, self._pool, last, left_out)
        self._studies.note_choice(chosen.study_id if isinstance(chosen, Turn) else None, left_out)
        return chosen

    def _serve(self, turn: Turn) -> None:
        self._last = EndedTurn(turn)
        study = self._studies.turn_to(turn)
        if study is None or self._stopping.is_requested():
            return
        began = time.monotonic()
        departure = study.take_turn()
        refused = study.refused
        self._last = EndedTurn(turn, time.monotonic() - began, refused.kind if refused else None)
        if refused is None:
            self._in_vain, self._waits_for = 0, ""
            self._studies.wait_for({})
            self._studies.look_again()
            self._studies.found_room(turn.study_id)
        elif self._studies.waits_in_line(turn.study_id, refused):
            self._stay_in_line(turn.study_id)
        elif refused.kind in PASSED_OVER_FOR_S:
            self._studies.pass_over(turn.study_id, refused)
        if departure is not None:
            self._leave_study(turn, departure)

    def _leave_study(self, turn: Turn, departure: Departure) -> None:
        """The breaker opened in one study: that says nothing of the others."""
        self._studies.shut_out(turn.study_id, departure.reason)
        reason = f"{departure.reason}; the worker goes on with the other studies of pool {self._pool}"
        leave_study(self._storage.run, turn.study_id, self._storage.worker.worker_id, reason)

    def _stay_in_line(self, study_id: int) -> None:
        """Run nothing else: each trial that did would keep the study without room."""
        place = f"in line for {study_id}"
        if place != self._waits_for:
            self._waits_for = place
            log_event(
                "idle", f"waiting: {self._studies.waits()} (nothing else runs here before it)", pool=self._pool
            )
        self._pause()

    def _after_broken(self, error: str) -> Departure | None:
        self._broken_in_a_row += 1
        departure = judge_broken(self._broken_in_a_row, error)
        if departure is None:
            self._stopping.wait(timedelta(seconds=_IDLE_WAIT_S))
        return departure

    def _wait(self, answer: NoTurn) -> Departure | None:
        unfit, passed_over = self._studies.unfit(), self._passed_over
        if not answer.may_come and not self._stays and not passed_over:
            return judge_end(self._pool, unfit)
        self._studies.wait_for(passed_over)
        if self._in_vain % _SOON_IDLE_LONG == 0:
            self._say_why(unfit, passed_over)
        self._pause()
        self._studies.look_again()
        return None

    def _pause(self) -> None:
        self._in_vain += 1
        seconds = _IDLE_WAIT_S if self._in_vain <= _SOON_IDLE_LONG else self._long_idle_wait_s
        self._stopping.wait(timedelta(seconds=seconds * random.uniform(0.75, 1.25)))

    def _say_why(self, unfit: Mapping[int, str], passed_over: Mapping[int, str]) -> None:
        places = list_places(self._storage.run, 0.0, pool=self._pool)
        why = describe_waiting(places, list(unfit.values()), list(passed_over.values()))
        if why != self._waits_for:
            self._waits_for = why
            log_event("idle", f"waiting: {why}", pool=self._pool)


def judge_end(pool: str, unfit: Mapping[int, str]) -> Departure:
    """Why to leave when no study of the pool will have a place."""
    if unfit:
        reasons = "; ".join(unfit.values())
        return Departure(f"no study that is left in pool {pool} can run here: {reasons}", EXIT_FAILED)
    return Departure(f"every study of pool {pool} is done or stopped")
