"""A worker's storage: plain ``study.optimize(objective, n_trials=1)`` on it claims, runs and finishes one attempt.

What differs from any other storage:

* asking for a new trial is the claim: the oldest waiting trial or a new one, within the budget. When there is
  nothing to claim, `NothingToClaim` comes out of ``study.optimize``, and says why.
* telling ends the attempt too. What Optuna cannot carry (outcome, reason, output, whether to try again) is handed
  over before, with `end_attempt_with`.
* a trial that was taken away (fenced) does not raise: `attempt_was_fenced` is true afterwards.
* heartbeats and stale trials are not Optuna's business here: `hpotool.worker` beats and reaps.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from hpotool.storage import attempts
from hpotool.storage.attempts import Attempt, Ending, NoTrial, Run
from hpotool.storage.connection import Connection
from hpotool.storage.url import DatabaseUrl
from hpotool.storage.worker_identity import WorkerIdentity
from hpotool.study.outcome import Outcome

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


class WorkerStorage(RDBStorage):
    """The storage of one registered worker; it holds at most one attempt at a time."""

    def __init__(self, url: DatabaseUrl, worker: WorkerIdentity) -> None:
        super().__init__(url.sqlalchemy, engine_kwargs={"pool_pre_ping": True})
        self.worker = worker
        self.attempt: Attempt | None = None
        self.attempt_was_fenced = False
        self._ending: Ending | None = None
        self._own_connection = Connection(url)

    @property
    def run(self) -> Run:
        """One transaction in one round trip, on this worker's connection."""
        return self._own_connection.run

    def end_attempt_with(self, ending: Ending) -> None:
        """What the next tell writes about the attempt beside its state and values."""
        self._ending = ending

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        if template_trial is not None:
            return super()._create_new_trial(study_id, template_trial)
        answer = attempts.claim_trial(self.run, study_id, self.worker, attempts.new_attempt_id())
        if isinstance(answer, NoTrial):
            raise NothingToClaim(answer)
        self.attempt = answer
        self.attempt_was_fenced = False
        self._ending = None
        return self.get_trial(answer.trial_id)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial; its own attempt sees it RUNNING until it has told.

        Optuna's ``tell`` looks first, and answers a trial that a reaper failed with an AssertionError that no
        ``catch`` catches; ours finds out when it writes.
        """
        trial = super().get_trial(trial_id)
        if self.attempt is not None and self.attempt.trial_id == trial_id and trial.state.is_finished():
            trial = copy.copy(trial)
            trial.state = TrialState.RUNNING
            trial.datetime_complete = None
        return trial

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Finish the attempt; False for RUNNING, so that Optuna leaves taking waiting trials to the claim."""
        if state == TrialState.RUNNING:
            return False
        attempt = self.attempt
        if attempt is None or attempt.trial_id != trial_id:
            return super().set_trial_state_values(trial_id, state, values)
        ending = self._ending or Ending(_PLAIN_OUTCOMES[state])
        worker_id = self.worker.worker_id
        if not attempts.finish_attempt(self.run, attempt, worker_id, state, values, ending):
            self.attempt_was_fenced = True
        self.attempt = None
        return True
