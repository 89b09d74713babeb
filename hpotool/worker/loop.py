"""A worker: claim → attempt → tell → repeat, until the study is done or it is told to leave.

Whatever happens to a trial, the worker goes on; when it leaves, `Departure` says why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from optuna import Study, Trial, TrialPruned
from typing_extensions import assert_never

from hpotool.errors import EXIT_DONE
from hpotool.storage.attempts import Attempt, Ending, NoTrial, Orders
from hpotool.storage.worker_storage import NothingToClaim, Told, WorkerStorage
from hpotool.study.outcome import Outcome
from hpotool.study.retry import Decision, GiveUp
from hpotool.study.seeds import seed_for_trial
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt import AttemptResult, AttemptRunner
from hpotool.worker.log import log_event
from hpotool.worker.signals import Level, Stopping

# A worker that found nothing to claim asks again after so long: within this time it takes over what others lose.
_IDLE_WAIT = timedelta(seconds=1)


@dataclass(frozen=True)
class Departure:
    """Why the worker left, and its exit code."""

    reason: str
    exit_code: int = EXIT_DONE


class AttemptFailedError(Exception):
    """Tells Optuna that the attempt has no value; what happened went to the storage before."""


class WorkerLoop:
    """One worker of one study, on one slot."""

    def __init__(
        self,
        study: Study,
        storage: WorkerStorage,
        runner: AttemptRunner,
        spec: StudySpec,
        stopping: Stopping,
        grace: timedelta,
    ) -> None:
        self._study = study
        self._storage = storage
        self._runner = runner
        self._spec = spec
        self._stopping = stopping
        self._grace = grace
        self._idle_because = ""
        self._result: AttemptResult | None = None
        stopping.listener = self._stop_attempt_if_told

    def run(self, before_claim: Callable[[], None] = lambda: None) -> Departure:
        """Work until there is a reason to leave; the reason. ``before_claim`` is called before each claim.

        Raises:
            GaveUpError: the database stayed away for longer than this worker was to wait.
        """
        while self._stopping.level == Level.STAY:
            before_claim()
            try:
                self._study.optimize(self._run_attempt, n_trials=1, catch=(AttemptFailedError,))
            except NothingToClaim as nothing:
                departure = self._judge(nothing.answer)
                if departure is not None:
                    return departure
                self._stopping.wait(_IDLE_WAIT)
            else:
                self._idle_because = ""
                self._log_end()
        return Departure(f"told to {self._stopping.level.name.lower()}: {self._stopping.reason}")

    def hear(self, attempt: Attempt | None, orders: Orders) -> None:
        """Take what a beat brought back. Called from the heartbeat's thread."""
        reason = orders.study_reason or f"the study is {orders.study_state}"
        if orders.study_state in ("stopped", "done") or orders.told_to == "stop":
            self._stopping.tell(Level.STOP, reason)
        elif orders.study_state == "draining" or orders.told_to == "drain":
            self._stopping.tell(Level.DRAIN, reason)
        if attempt is not None and orders.cancel_reason is not None:
            self._runner.stop(Outcome.CANCELLED, orders.cancel_reason, self._grace)
        elif attempt is not None and not orders.is_owner:
            self._runner.stop(Outcome.CANCELLED, "its trial belongs to another attempt by now")
        # A signal between the claim and the child's birth found nothing to stop.
        self._stop_attempt_if_told()

    def _stop_attempt_if_told(self) -> None:
        """Pass a wish to stop on to the running attempt. Safe in signal handlers and in other threads."""
        if self._stopping.level >= Level.STOP:
            grace = self._grace if self._stopping.level == Level.STOP else timedelta(0)
            self._runner.stop(Outcome.PREEMPTED, f"the worker was told to stop: {self._stopping.reason}", grace)

    def _run_attempt(self, trial: Trial) -> float | Sequence[float]:
        """One attempt as Optuna's objective: a value, TrialPruned, or AttemptFailedError."""
        attempt = self._storage.attempt
        assert attempt is not None, "the claim leaves its attempt here"
        again = f", again after trial {attempt.root_number}" if attempt.history else ""
        log_event(
            "start", f"trial {attempt.number} started{again}", trial=attempt.number, root=attempt.root_number
        )
        seed = self._spec.sampler.seed
        result = self._runner.run(trial, seed=None if seed is None else seed_for_trial(seed, attempt.root_number))
        self._result = result
        self._storage.end_attempt_with(Ending(result.outcome, result.reason or "", result.output_tail))
        if result.outcome is Outcome.COMPLETE and result.values is not None:
            return result.values
        if result.outcome is Outcome.PRUNED:
            raise TrialPruned(result.reason)
        raise AttemptFailedError(result.reason)

    def _judge(self, answer: NoTrial) -> Departure | None:
        """What nothing to claim means for this worker: leave, or wait."""
        match answer.kind:
            case "done" | "stopped" | "draining":
                return Departure(f"the study is {answer.kind}" + (f": {answer.reason}" if answer.reason else ""))
            case "wait" | "paused":
                if self._idle_because != answer.kind:
                    self._idle_because = answer.kind
                    held = f"{answer.running} running, {answer.finished} of {answer.budget} finished"
                    why = "the study is paused" if answer.kind == "paused" else f"every place is taken ({held})"
                    log_event("idle", f"waiting: {why}", why=answer.kind)
                return None
            case _:
                assert_never(answer.kind)

    def _log_end(self) -> None:
        told, result = self._storage.last_told, self._result
        if told is None or result is None:
            return
        values = dict(zip((metric.name for metric in self._spec.metrics), result.values or (), strict=False))
        seconds = result.duration.total_seconds()
        log_event(
            "end",
            "  ".join(
                part
                for part in (
                    f"trial {told.attempt.number} {result.outcome.value} in {seconds:.1f} s",
                    " ".join(f"{name}={value:.6g}" for name, value in values.items()),
                    result.reason or "",
                    _say_fate(told),
                )
                if part
            ),
            logging.INFO if result.outcome.is_finished else logging.WARNING,
            trial=told.attempt.number,
            outcome=result.outcome.value,
            reason=result.reason,
            values=values,
            duration_s=round(seconds, 3),
            fenced=told.is_fenced,
        )


def _say_fate(told: Told) -> str:
    """What became of the trial, where that is not what the outcome says."""
    if told.is_fenced:
        return "(it belonged to another attempt by now" + (
            "; its result is kept)" if told.is_result_kept and told.outcome.is_finished else ")"
        )
    decision: Decision | None = told.decision
    return "" if decision is None or isinstance(decision, GiveUp) else f"({decision.reason})"
