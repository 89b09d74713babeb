"""A worker: one trial after the other, until the study is done or the worker is told to leave.

Whatever happens to a trial, the worker goes on; when it leaves, `Departure` says why.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from optuna import Study, Trial
from typing_extensions import assert_never

from hpotool.errors import EXIT_DONE, EXIT_FAILED, HpotoolError, paste
from hpotool.storage.database.outage import GaveUpError
from hpotool.storage.fleet.attempts import NoTrial
from hpotool.storage.fleet.worker_storage import NothingToClaim, Told, WorkerStorage
from hpotool.study.outcome import Outcome
from hpotool.study.rules.retry import Decision, GiveUp
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt.runner import AttemptRunner
from hpotool.worker.attempt.running_attempt import AttemptResult
from hpotool.worker.log import log_event
from hpotool.worker.membership.membership import Lifeline
from hpotool.worker.one_trial import OneTrial, TrialEnd
from hpotool.worker.signals import Level, Stopping

# A worker that found nothing to claim asks again after so long: within this time it takes over what others lose.
# Later it asks less often: a hundred idle workers would queue for the study's row, and keep Postgres busy.
_IDLE_WAIT = timedelta(seconds=1)
_SOON_IDLE_LONG = 10  # times that it asked in vain
BROKEN_LIMIT = 5  # errors of the worker itself in a row, after which it leaves


@dataclass(frozen=True)
class Departure:
    """Why the worker left, and its exit code."""

    reason: str
    exit_code: int = EXIT_DONE


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
        lifeline: Lifeline,
        longest_idle_wait: timedelta = _IDLE_WAIT,
        before_claim: Callable[[Study], None] = lambda _: None,
        *,
        has_breaker: bool = True,
        order_more: Callable[[], bool] = lambda: False,
        keep: Callable[[Trial, AttemptResult], None] | None = None,
    ) -> None:
        """Nothing is claimed yet; ``before_claim`` is called before each claim, ``has_breaker``: see `judge`.

        ``order_more`` looks whether what was confirmed is decided; true: more replicates wait now. ``keep`` is for
        a final training: called with what it returned; with it, the loop is one trial long.
        """
        self._study = study
        self._storage = storage
        self._runner = runner
        self._spec = spec
        self._stopping = stopping
        self._grace = grace
        self._lifeline = lifeline
        self._long_idle_wait = max(_IDLE_WAIT, longest_idle_wait)
        self._before_claim = before_claim
        self._has_breaker = has_breaker
        self._order_more = order_more
        self._is_final = keep is not None
        self._idle_because = ""
        self._asked_in_vain = 0
        self._broken_in_a_row = 0
        self._trial = OneTrial(
            study, storage, runner, spec, self._prepare_claim, self._stop_attempt_if_told, keep or _keep_nothing
        )
        stopping.listener = self._stop_attempt_if_told

    def run(self) -> Departure:
        """Work until there is a reason to leave; the reason.

        Raises:
            GaveUpError: the database stayed away for longer than this worker was to wait.
        """
        while self._stopping.level == Level.STAY:
            try:
                departure = self._settle(self._trial.work())
            except GaveUpError:
                # Told to leave in an outage: what there was to tell lies on this machine's disk.
                if self._stopping.level == Level.STAY:
                    raise
                break
            except HpotoolError as error:  # tables or rights are missing for what follows from a trial
                log_event("refused", f"the worker met an error, and goes on: {error.message}", logging.ERROR)
                departure = self._settle_broken(error.message)
            except NothingToClaim as nothing:
                departure = self._settle_idleness(nothing.answer)
            if departure is not None:
                return departure
        return self._depart_as_told()

    def _prepare_claim(self) -> None:
        self._lifeline.before_claim()
        self._before_claim(self._study)

    def _depart_as_told(self) -> Departure:
        code = self._stopping.exit_code
        if code != EXIT_DONE and not self._is_final and not self._lifeline.has_work_left():
            code = EXIT_DONE
        return Departure(self._stopping.say_why(), code)

    def _settle_idleness(self, answer: NoTrial) -> Departure | None:
        departure = judge_idleness(answer, self._study.study_name)
        if self._is_final:
            return Departure("somebody else has taken the final training", EXIT_FAILED)
        if departure is None:
            self._stay_idle(answer)
        elif answer.kind == "done" and self._order_more():
            return None  # whoever measured the last replicate died before it could ask for more
        return departure

    def _settle(self, end: TrialEnd) -> Departure | None:
        """What the end of a trial means for the worker: go on, or leave."""
        self._idle_because = ""
        self._asked_in_vain = 0
        if end.result is not None and end.told is not None:
            self._log_end(end.result, end.told)
        self._trial.speak()
        if end.stops_study and end.attempt is not None:
            self._lifeline.drain_study(f"trial {end.attempt.number} called study.stop()")
        if end.broke is not None and not end.is_finished:
            return self._settle_broken(end.broke)
        self._broken_in_a_row = 0
        if self._is_final and (end.is_finished or self._stopping.level == Level.STAY):
            how = "has ended" if end.is_finished else "has failed"
            return Departure(f"the final training {how}", EXIT_DONE if end.is_finished else EXIT_FAILED)
        if end.attempt is not None and end.attempt.apart is not None:
            self._order_more()
        return self._look_at_breaker(end)

    def _settle_broken(self, error: str) -> Departure | None:
        self._broken_in_a_row += 1
        departure = judge_broken(self._broken_in_a_row, error)
        if departure is None:
            self._stopping.wait(_IDLE_WAIT)  # what it met may pass by itself
        return departure

    def _look_at_breaker(self, end: TrialEnd) -> Departure | None:
        """Leave when what this worker is given fails here and nowhere else."""
        if not self._has_breaker or end.result is None or end.result.is_answer:
            return None
        # Told to leave, it leaves anyway; and in an outage the question would end it with an error.
        if self._stopping.level > Level.STAY:
            return None
        breaker = self._lifeline.judge()
        return None if breaker is None else Departure(f"circuit breaker: {breaker.reason}", EXIT_FAILED)

    def _stop_attempt_if_told(self) -> None:
        """Pass a wish to stop on to the running attempt. Safe in signal handlers and in other threads."""
        level = self._stopping.level
        if level >= Level.STOP:
            grace = self._grace if level == Level.STOP else timedelta(0)
            self._runner.stop(Outcome.PREEMPTED, f"its worker was asked to leave: {self._stopping.reason}", grace)

    def _stay_idle(self, answer: NoTrial) -> None:
        """Wait for a trial, and say once why."""
        if self._idle_because != answer.kind:
            self._idle_because = answer.kind
            log_event("idle", f"waiting: {describe_wait(answer)}", why=answer.kind)
        self._asked_in_vain += 1
        wait = _IDLE_WAIT if self._asked_in_vain <= _SOON_IDLE_LONG else self._long_idle_wait
        # Workers that became idle together do not ask together for ever.
        self._stopping.wait(wait * random.uniform(0.75, 1.25))

    def _log_end(self, result: AttemptResult, told: Told) -> None:
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
                    describe_fate(told),
                )
                if part
            ),
            logging.INFO if result.is_answer else logging.WARNING,
            trial=told.attempt.number,
            outcome=result.outcome.value,
            reason=result.reason,
            values=values,
            duration_s=round(seconds, 3),
            fenced=told.is_fenced,
        )


def _keep_nothing(trial: Trial, result: AttemptResult) -> None:
    """Nothing but a final training keeps anything."""


def judge_idleness(answer: NoTrial, study: str) -> Departure | None:
    """What nothing to claim in ``study`` means for a worker: leave, or wait (None)."""
    because = f": {answer.reason}" if answer.reason else ""
    match answer.kind:
        case "done":
            return Departure(f"the study is done{because}")
        case "stopped" | "draining":
            return Departure(
                f"the study is {answer.kind}{because}; go on with: {paste('resume', '--study', study)}"
            )
        case "wait" | "paused":
            return None
        case _:
            assert_never(answer.kind)


def describe_wait(answer: NoTrial) -> str:
    """Why there is nothing to do for now."""
    if answer.kind == "paused":
        return "the study is paused"
    if answer.running_apart and not answer.running:
        return f"{answer.running_apart} trials beside the search run, and may have to be tried again"
    of = "" if answer.budget is None else f" of {answer.budget}"
    return f"every place is taken ({answer.running} running, {answer.finished}{of} finished)"


def judge_broken(in_a_row: int, error: str) -> Departure | None:
    """Whether so many errors of the worker itself in a row, the last of them ``error``, make it leave."""
    if in_a_row < BROKEN_LIMIT:
        return None
    reason = f"{in_a_row} attempts in a row ended by errors of this worker, the last one {error}"
    return Departure(f"circuit breaker: {reason}", EXIT_FAILED)


def describe_fate(told: Told) -> str:
    """What became of the trial, where that is not what the outcome says."""
    if told.is_fenced:
        handed_on = "the trial was handed on while this worker was away"
        if not told.outcome.is_finished:
            return f"({handed_on})"
        return f"({handed_on}; the result is kept)" if told.is_result_kept else f"(result dropped: {handed_on})"
    decision: Decision | None = told.decision
    return "" if decision is None or isinstance(decision, GiveUp) else f"({decision.reason})"
