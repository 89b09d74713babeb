"""A worker's storage: plain ``study.optimize(objective, n_trials=1)`` on it claims, runs and finishes one attempt.

Differences from other storages:

* Asking for a new trial is the claim: the oldest waiting trial or a new one, within the budget. If there is
  nothing to claim, ``study.optimize`` raises `NothingToClaim`, which says why.
  * Telling also ends the attempt. Data that Optuna cannot carry (outcome, reason, output) is passed before, with
  `end_attempt_with`; `hpotool.study.rules.retry` decides the consequence for the trial.
  * A trial that was taken away (fenced) does not raise: the tell ends quietly, and `last_tell` says so.
  * The thread that created the storage waits out outages, but never inside an attempt: reports are buffered, and
  pruners are answered from memory. A result is on disk before it is told.
  * Optuna's handling of heartbeats and stale trials is not used: `hpotool.worker` beats and reaps.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from hpotool.errors import DatabaseUnreachableError
from hpotool.faults import fault_point
from hpotool.settings import home_folder
from hpotool.storage.database.connection import RefusedDataError, RefusedStatementError
from hpotool.storage.database.outage import GaveUpError, PatientConnection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet import attempts
from hpotool.storage.fleet.attempts import Attempt, Ending, NoTrial, Run
from hpotool.storage.fleet.origins import OriginHashes
from hpotool.storage.fleet.spool import Spool, SpooledAttempt, SpooledResult
from hpotool.storage.fleet.trial_content import TrialContent
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.optuna.decoding import to_local_time
from hpotool.storage.optuna.live_trial import LiveTrial
from hpotool.storage.optuna.new_trial import running_trial
from hpotool.storage.optuna.postgres import PostgresStorage
from hpotool.study.outcome import FAILED_ATTRIBUTE, Outcome
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.retry import Decision, GiveUp, decide_retry
from hpotool.study.spec import RetrySpec

_logger = logging.getLogger(__name__)

_PLAIN_OUTCOMES = {
    TrialState.COMPLETE: Outcome.COMPLETE,
    TrialState.PRUNED: Outcome.PRUNED,
    TrialState.FAIL: Outcome.ERROR,
}


class NothingToClaim(Exception):  # noqa: N818  (it is an answer, not an error)
    """There is no trial for this worker now; ``answer`` says why, and whether there may be one later."""

    def __init__(self, answer: NoTrial) -> None:
        super().__init__(answer.reason or answer.kind)
        self.answer = answer


@dataclass(frozen=True)
class TellResult:
    """Whether the last attempt was fenced when told (its trial belonged to another), and the consequence."""

    attempt: Attempt
    outcome: Outcome
    is_fenced: bool
    is_result_kept: bool  # false only for a fenced result whose retry is already running
    decision: Decision | None


class WorkerStorage(PostgresStorage):
    """The storage of one registered worker, with at most one attempt at a time.

    Created and used by the worker's main thread; other threads may use ``run``, ``attempt``, ``spool_attempt`` and
    ``rescue``. ``give_up_after`` limits how long an outage is waited out.
    """

    def __init__(
        self,
        url: DatabaseUrl,
        worker: WorkerIdentity,
        retry: RetrySpec | None = None,
        *,
        give_up_after: timedelta | None = None,
        home: Path | None = None,
    ) -> None:
        self.worker = worker
        self.attempt: Attempt | None = None
        self.last_tell: TellResult | None = None
        self.create_below: int | None = None  # create a trial only if there are fewer; for a finite list of points
        self.final_trial_id: int | None = None  # the only trial to claim: a final training
        self.origin = OriginHashes()  # what the next attempts come from
        self._retry = retry or RetrySpec()
        self._is_in_pool = False
        self._ending: Ending | None = None
        self._own_trial: LiveTrial | None = (
            None  # also kept here, because the memory forgets a trial that another process has ended
        )
        self._spooling = threading.Lock()  # guards the two below
        self._is_telling = False
        self._spooled_size = -1
        self._gave_up: GaveUpError | RefusedStatementError | None = None
        self._unsent: SpooledAttempt | None = None  # its leftover, which is sent before the next claim
        self.connection = PatientConnection(url, give_up_after=give_up_after)
        super().__init__(url, hides_reevaluations=True)
        self._spool = Spool(home or home_folder(), self.connection.identify(), url)

    def _connect(self) -> PatientConnection:
        return self.connection

    @property
    def run(self) -> Run:
        """Run one transaction in one round trip on this worker's connection; never waits in another thread."""
        return self.connection.run

    def turn_to(self, retry: RetrySpec) -> None:
        """From the next claim on, serve another study, with its numbers of retries. Nothing may be running."""
        assert self.attempt is None, "an attempt runs"
        self._retry, self.create_below, self._is_in_pool = retry, None, True

    # --- The life of an attempt

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Claim a trial. A template is added instead, as in any storage.

        Raises:
            NothingToClaim: with the reason.
            GaveUpError: an outage lasted too long, now or at the last tell.
            RefusedStatementError: tables or privileges are missing; the next call tries again.
        """
        if template_trial is not None:
            return super().create_new_trial(study_id, template_trial)
        self._tell_again()
        fault_point("claim.before")
        answer = attempts.claim_trial(
            self.run,
            study_id,
            self.worker,
            attempts.new_attempt_id(),
            create_below=self.create_below,
            final_trial_id=self.final_trial_id,
            origin=self.origin,
            in_pool=self._is_in_pool,
        )
        if isinstance(answer, NoTrial):
            raise NothingToClaim(answer)
        fault_point("claim.after")
        if answer.is_new:
            trial = running_trial(answer.trial_id, answer.number, to_local_time(answer.started))
        else:
            trial = self._memory.read_trial(answer.trial_id)[1]
            answer = replace(answer, reevaluation=Reevaluation.of(trial.system_attrs))
            trial.state = TrialState.RUNNING  # if it has been taken away, the next heartbeat will say so
        self.adopt_trial(study_id, trial)
        self._own_trial = self._memory.live[answer.trial_id]
        self._ending = None
        with self._spooling:
            self.attempt = answer
            self._spooled_size = -1
            # The data that another worker needs to send this attempt's return value if this worker dies.
            self._spool.keep(SpooledAttempt(answer, self.worker, TrialContent(), None), durably=False)
        return answer.trial_id

    @property
    def returned_file(self) -> Path | None:
        """The file to which the running attempt's process writes the return value of its objective."""
        return None if self.attempt is None else self._spool.returned_file(self.attempt.attempt_id)

    def end_attempt_with(self, ending: Ending) -> None:
        """Set what the next tell writes about the attempt in addition to state and values."""
        self._ending = ending

    def end_attempt(self, ending: Ending, state: TrialState, values: Sequence[float] | None) -> None:
        """End the attempt and its trial if Optuna did not, or could not; repeating it has no effect."""
        assert self.attempt is not None
        self._ending = ending
        self.set_trial_state_values(self.attempt.trial_id, state, values)

    def abandon_attempt(self) -> None:
        """Release the attempt without telling its end: it is reaped as silent, and its data is on disk."""
        assert self.attempt is not None
        trial_id = self.attempt.trial_id
        self._writes.hand_over()
        with self._spooling:
            self.attempt = self._own_trial = None
        self.release_trial(trial_id)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Finish the attempt; False for RUNNING, so that Optuna leaves waiting trials to the claim."""
        attempt = self.attempt
        if attempt is None or attempt.trial_id != trial_id:
            return state != TrialState.RUNNING and super().set_trial_state_values(trial_id, state, values)
        ending = self._ending or Ending(_PLAIN_OUTCOMES[state])
        decision = None
        if state == TrialState.FAIL:
            decision = decide_retry(ending.outcome, attempt.history, self._retry)
            ending = replace(ending, follow_up=attempts.follow_up_of(decision))
            if isinstance(decision, GiveUp) and ending.outcome.blames_parameters:
                self._note_failure(trial_id, ending.outcome)
        result = SpooledResult(state, None if values is None else tuple(values), ending)
        self._tell(SpooledAttempt(attempt, self.worker, self._own_content(), result), result, decision)
        return True

    def _note_failure(self, trial_id: int, outcome: Outcome) -> None:
        """Record for the sampler that the parameters fail; sent with the tell."""
        if self._own_trial is not None:
            noted = self._add_attribute("system_attrs", trial_id, FAILED_ATTRIBUTE, outcome.value)
            self._own_trial.set_system_attr(FAILED_ATTRIBUTE, noted)

    def _tell(self, spooled: SpooledAttempt, result: SpooledResult, decision: Decision | None) -> None:
        attempt = spooled.attempt
        fault_point("tell.before")
        with self._spooling:
            self._is_telling = True
            self._spool.keep(spooled, durably=False)
        fault_point("tell.spooled")
        # Unsynced data is lost only if the machine dies now, which is not worth a sync for every trial.
        self.connection.on_first_failure = lambda: self._spool.keep(spooled, durably=True)
        ended, is_kept = None, True
        try:
            ended, is_kept = _finish(self.run_with_pending, self.run, spooled, result)
        except RefusedDataError as error:
            # The ending itself contains no foreign text any more, so the refused part is the content of a late
            # result.
            self._spool.set_aside(attempt.attempt_id, str(error))
            is_kept = False
        except (GaveUpError, RefusedStatementError) as error:
            # Optuna would turn an exception here into an AssertionError. The result is on disk, with everything
            # that the attempt wrote; this worker sends it before its next claim, or the next worker here does.
            self._gave_up, self._unsent = error, spooled
            _logger.warning("the outcome of trial %d waits on this machine: %s", attempt.number, error)
            self._writes.hand_over()
        finally:
            self.connection.on_first_failure = lambda: None
            with self._spooling:
                self._is_telling = False
        fault_point("tell.after")
        self._leave_attempt(attempt, result, ended)
        is_fenced = ended is None and self._gave_up is None
        self.last_tell = TellResult(attempt, result.ending.outcome, is_fenced, is_kept, decision)

    def _tell_again(self) -> None:
        """Send a result that the database refused at the last tell; by now it may accept it.

        Raises:
            GaveUpError: the outage lasted too long.
            RefusedStatementError: it still refuses.
        """
        if self._gave_up is None or self._unsent is None:
            return
        if isinstance(self._gave_up, GaveUpError):
            raise self._gave_up
        try:
            self._send(self._unsent)
        except RefusedDataError as error:
            self._spool.set_aside(self._unsent.attempt.attempt_id, str(error))
        else:
            _logger.warning("sent the pending result of trial %d", self._unsent.attempt.number)
        self._gave_up = self._unsent = None

    def _leave_attempt(self, attempt: Attempt, result: SpooledResult, ended: datetime | None) -> None:
        with self._spooling:
            self.attempt = self._own_trial = None
            if self._gave_up is None:
                self._spool.forget(attempt.attempt_id)
        if ended is None:
            self.release_trial(attempt.trial_id)
        else:
            values = None if result.values is None else list(result.values)
            self.release_trial(attempt.trial_id, result.state, values, to_local_time(ended))

    # --- The spool

    def spool_attempt(self) -> None:
        """During an outage: write the running attempt's state to disk, if there is anything new."""
        with self._spooling:
            attempt = self.attempt
            if attempt is None or self._is_telling:
                return
            content = self._own_content()
            if content.size != self._spooled_size:
                self._spool.keep(SpooledAttempt(attempt, self.worker, content, None), durably=True)
                self._spooled_size = content.size

    def rescue(self, attempt_id: str) -> bool:
        """Send the file that an attempt's dead worker left on this disk; True if it contained a result."""
        spooled = self._spool.find(attempt_id)
        return spooled is not None and self._send_or_set_aside(spooled)

    def rescue_all(self, is_gone: Callable[[WorkerIdentity], bool]) -> int:
        """Send the files that dead workers left on this disk; return the number of results among them.

        A file that cannot be sent is set aside with a message that says where, and the others are sent.
        """
        return sum(self._send_or_set_aside(spooled) for spooled in self._spool.list() if is_gone(spooled.worker))

    def _send_or_set_aside(self, kept: SpooledAttempt) -> bool:
        attempt = kept.attempt
        try:
            return self._send(self._spool.with_returned(kept))
        except RefusedDataError as error:
            self._spool.set_aside(attempt.attempt_id, str(error))
        except RefusedStatementError as error:
            _logger.warning("the data of trial %d stays on this disk: %s", attempt.number, error)
        return False

    def _send(self, spooled: SpooledAttempt) -> bool:
        attempt_id = spooled.attempt.attempt_id
        if not attempts.rescue_content(self.run, attempt_id, spooled.content):
            self._spool.disown(attempt_id)
            return False
        if spooled.result is not None:
            _finish(self.run, self.run, spooled, spooled.result)
        self._spool.forget(attempt_id)
        return spooled.result is not None

    def _own_content(self) -> TrialContent:
        return TrialContent() if self._own_trial is None else TrialContent.of(self._own_trial.frozen())

    # --- Reading and writing in an attempt

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """See BaseStorage. During an outage, a running attempt is answered from memory.

        Returns no waiting trials, for which Optuna asks before each new trial: the claim takes them.
        """
        if self.attempt is None or deepcopy or not self._memory.history(study_id).is_whole:
            if states == (TrialState.WAITING,) and not deepcopy:
                return []
            return super().get_all_trials(study_id, deepcopy, states)
        return self._from_memory_in_outage(
            study_id, states, partial(super().get_all_trials, study_id, deepcopy, states)
        )

    def get_recent_trials(self, study_id: int) -> list[FrozenTrial]:
        """See PostgresStorage. During an outage, a running attempt is answered from memory."""
        if self.attempt is None or not self._memory.history(study_id).is_loaded:
            return super().get_recent_trials(study_id)
        return self._from_memory_in_outage(study_id, None, partial(super().get_recent_trials, study_id))

    def _from_memory_in_outage(
        self, study_id: int, states: Container[TrialState] | None, read: Callable[[], list[FrozenTrial]]
    ) -> list[FrozenTrial]:
        if self.connection.outage.lasted_s == 0:
            with suppress(DatabaseUnreachableError), self.connection.no_wait():
                return read()
        return self._memory.select(study_id, states)

    def _running_here(self, trial_id: int) -> LiveTrial | None:
        # Heartbeats tell whether the trial is still ours. Optuna's tell checks the state first, and for a trial
        # that a reaper has failed it raises an AssertionError that no `catch` catches.
        attempt = self.attempt
        if attempt is not None and attempt.trial_id == trial_id:
            return self._own_trial
        return super()._running_here(trial_id)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See BaseStorage. A sampler may write after the end of a fenced attempt."""
        try:
            super().set_trial_system_attr(trial_id, key, value)
        except UpdateFinishedTrialError:
            if self._ending is None:
                raise


def _finish(
    run: Run, run_alone: Run, spooled: SpooledAttempt, result: SpooledResult
) -> tuple[datetime | None, bool]:
    """The time of the trial's end (None: it no longer belonged to the attempt), and whether the result is kept."""
    actor = spooled.worker.worker_id
    ended = attempts.finish_attempt(run, spooled.attempt, actor, result.state, result.values, result.ending)
    if ended is not None or result.state == TrialState.FAIL:
        return ended, True
    is_kept = attempts.finish_late(
        run_alone, spooled.attempt, actor, spooled.content, result.state, result.values, result.ending
    )
    return None, is_kept
