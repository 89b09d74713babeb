"""The main loop of a worker: runs one trial after another until the study is done or the worker must leave.

Whatever happens to a trial, the worker continues; when it leaves, `Departure` says why.
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
from hpotool.storage.fleet.worker_storage import NothingToClaim, TellResult, WorkerStorage
from hpotool.study.outcome import Outcome
from hpotool.study.rules.retry import Decision, GiveUp
from hpotool.study.spec import StudySpec
from hpotool.study.wording import count_of
from hpotool.worker.attempt.runner import AttemptRunner
from hpotool.worker.attempt.running_attempt import AttemptResult
from hpotool.worker.devices.gate import DeviceGate
from hpotool.worker.log import log_event
from hpotool.worker.membership.membership import Membership
from hpotool.worker.one_trial import OneTrial, TrialEnd
from hpotool.worker.signals import Level, Stopping

# The pause before a worker that found nothing to claim asks again, and so the delay before it claims a lost trial.
# Later it asks less often, because a hundred idle workers would queue for the study's row and keep Postgres busy.
IDLE_WAIT = timedelta(seconds=1)
_SOON_IDLE_LONG = 10  # number of unsuccessful claims before it asks less often
BROKEN_LIMIT = 5  # number of consecutive errors of the worker itself after which it leaves


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
        membership: Membership,
        longest_idle_wait: timedelta = IDLE_WAIT,
        before_claim: Callable[[Study], None] = lambda _: None,
        *,
        has_breaker: bool = True,
        order_more: Callable[[], bool] = lambda: False,
        keep: Callable[[Trial, AttemptResult], None] | None = None,
        if_idle: Callable[[NoTrial], Departure | None] | None = None,
        gate: DeviceGate | None = None,
        forgive: Callable[[AttemptResult], AttemptResult] = lambda result: result,
        refuse: Callable[[], Departure | None] = lambda: None,
    ) -> None:
        """Claims nothing yet. ``before_claim`` is called before each claim; for ``has_breaker`` see `judge`.

        ``gate`` says whether the worker's devices let a trial start now, ``forgive`` what failed because of them.

        ``order_more`` looks whether what was confirmed is decided; true: more replicates wait now. ``keep`` is for
        a final training: called with what it returned; with it, the loop is one trial long. ``if_idle`` decides
        what follows where there is nothing to claim; by default, the worker waits, or leaves if the study is over.
        ``refuse`` says before each trial why the study does not take this worker any more, if so.
        """
        self._study = study
        self._storage = storage
        self._runner = runner
        self._spec = spec
        self._stopping = stopping
        self._grace = grace
        self._membership = membership
        self._long_idle_wait = max(IDLE_WAIT, longest_idle_wait)
        self._before_claim = before_claim
        self._has_breaker = has_breaker
        self._order_more = order_more
        self._is_final = keep is not None
        self._if_idle = if_idle or self._settle_idleness
        self._gate = gate or DeviceGate()
        self._refuse = refuse
        self._idle_because = ""
        self._asked_in_vain = 0
        self._broken_in_a_row = 0
        self._trial = OneTrial(
            study,
            storage,
            runner,
            spec,
            self._prepare_claim,
            self.stop_attempt_if_asked,
            keep or _keep_nothing,
            forgive,
        )
        stopping.listener = self.stop_attempt_if_asked

    def run(self) -> Departure:
        """Run trials until there is a reason to leave; return the reason.

        Raises:
            GaveUpError: the database outage lasted longer than this worker may wait.
        """
        while self._stopping.level == Level.STAY:
            departure = self.step()
            if departure is not None:
                return departure
        return depart_as_asked(self._stopping, lambda: self._is_final or self._membership.has_work_left())

    def step(self) -> Departure | None:
        """Claim a trial and run it to its end; return why to leave afterwards, if there is a reason.

        Raises:
            GaveUpError: the database outage lasted longer than this worker may wait.
        """
        try:
            return self._refuse() or self._after_trial(self._work())
        except GaveUpError:
            # Asked to leave during an outage: the result is on this machine's disk.
            if self._stopping.level == Level.STAY:
                raise
            return None
        except HpotoolError as error:  # tables or privileges are missing for the consequences of a trial
            log_event("refused", f"the worker hit an error and continues: {error.message}", logging.ERROR)
            return self._after_broken(error.message)
        except NothingToClaim as nothing:
            return self._if_idle(nothing.answer)

    def _work(self) -> TrialEnd:
        try:
            return self._trial.work()
        finally:
            self._gate.leave()

    def _prepare_claim(self) -> None:
        self._membership.before_claim()
        closed = self._gate.ask()
        if closed is not None:  # others may have finished the study meanwhile, which a claim would have said
            over = self._membership.why_over()
            raise NothingToClaim(NoTrial("done" if over else "device", over or closed, 0, 0, 0, None))
        self._before_claim(self._study)

    def _settle_idleness(self, answer: NoTrial) -> Departure | None:
        departure = judge_idleness(answer, self._study.study_name)
        if self._is_final and answer.kind != "device":
            return Departure("somebody else has taken the final training", EXIT_FAILED)
        if departure is None:
            self._stay_idle(answer)
        elif answer.kind == "done" and self._order_more():
            return None  # whoever measured the last replicate died before it could ask for more
        return departure

    def _after_trial(self, end: TrialEnd) -> Departure | None:
        """Decide whether the worker continues after a trial, or leaves."""
        self._idle_because = ""
        self._asked_in_vain = 0
        if end.result is not None and end.tell is not None:
            self._log_end(end.result, end.tell)
        self._trial.speak()
        if end.stops_study and end.attempt is not None:
            self._membership.drain_study(f"trial {end.attempt.number} called study.stop()")
        if end.broke is not None and not end.is_finished:
            return self._after_broken(end.broke)
        self._broken_in_a_row = 0
        if self._is_final and (end.is_finished or self._stopping.level == Level.STAY):
            how = "has ended" if end.is_finished else "has failed"
            return Departure(f"the final training {how}", EXIT_DONE if end.is_finished else EXIT_FAILED)
        if end.attempt is not None and end.attempt.reevaluation is not None:
            self._order_more()
        return self._look_at_breaker(end)

    def _after_broken(self, error: str) -> Departure | None:
        self._broken_in_a_row += 1
        departure = judge_broken(self._broken_in_a_row, error)
        if departure is None:
            self._stopping.wait(IDLE_WAIT)  # the error may be transient
        return departure

    def _look_at_breaker(self, end: TrialEnd) -> Departure | None:
        """Leave if trials fail on this worker but not on others; see `hpotool.worker.membership.placement`."""
        has_quarantine = self._spec.breaker == "on" and not self._is_final
        # If it was asked to leave, it leaves anyway; and during an outage, the query would end it with an error.
        if not is_failure(end) or not (self._has_breaker or has_quarantine) or self._stopping.level > Level.STAY:
            return None
        assert end.attempt is not None
        breaker = self._membership.judge(end.attempt, has_breaker=self._has_breaker, has_quarantine=has_quarantine)
        return None if breaker is None else Departure(f"circuit breaker: {breaker.reason}", EXIT_FAILED)

    def stop_attempt_if_asked(self) -> None:
        """Pass a request to stop on to the running attempt. Safe in signal handlers and in other threads."""
        level = self._stopping.level
        if level >= Level.STOP:
            grace = self._grace if level == Level.STOP else timedelta(0)
            self._runner.stop(Outcome.PREEMPTED, f"its worker was asked to leave: {self._stopping.reason}", grace)

    def _stay_idle(self, answer: NoTrial) -> None:
        """Wait for a trial, and log the reason once."""
        if self._idle_because != answer.kind:
            self._idle_because = answer.kind
            log_event("idle", f"waiting: {describe_wait(answer)}", why=answer.kind)
        self._asked_in_vain += 1
        wait = IDLE_WAIT if self._asked_in_vain <= _SOON_IDLE_LONG else self._long_idle_wait
        # Randomized, so that workers that became idle together do not keep asking together.
        self._stopping.wait(wait * random.uniform(0.75, 1.25))

    def _log_end(self, result: AttemptResult, tell: TellResult) -> None:
        values = dict(zip((metric.name for metric in self._spec.metrics), result.values or (), strict=False))
        seconds = result.duration.total_seconds()
        log_event(
            "end",
            "  ".join(
                part
                for part in (
                    f"trial {tell.attempt.number} {result.outcome.value} in {seconds:.1f} s",
                    " ".join(f"{name}={value:.6g}" for name, value in values.items()),
                    result.reason or "",
                    describe_fate(tell),
                )
                if part
            ),
            logging.INFO if result.is_answer else logging.WARNING,
            trial=tell.attempt.number,
            outcome=result.outcome.value,
            reason=result.reason,
            values=values,
            duration_s=round(seconds, 3),
            fenced=tell.is_fenced,
        )


def _keep_nothing(trial: Trial, result: AttemptResult) -> None:
    """Nothing but a final training keeps anything."""


def depart_as_asked(stopping: Stopping, has_work_left: Callable[[], bool]) -> Departure:
    """Leave because of a request: with work left, the exit code asks for the worker to be started again."""
    code = stopping.exit_code
    if code != EXIT_DONE and not has_work_left():
        code = EXIT_DONE
    return Departure(stopping.describe_reason(), code)


def is_failure(end: TrialEnd) -> bool:
    """Whether a trial that was claimed ended here without an answer of its objective."""
    return end.attempt is not None and end.result is not None and not end.result.is_answer


def judge_idleness(answer: NoTrial, study: str) -> Departure | None:
    """Why to leave when there is nothing to claim in ``study``; None: wait."""
    because = f": {answer.reason}" if answer.reason else ""
    match answer.kind:
        case "done":
            return Departure(f"the study is done{because}")
        case "stopped" | "draining":
            return Departure(
                f"the study is {answer.kind}{because}; to continue: {paste('resume', '--study', study)}"
            )
        case "wait" | "capped" | "quota" | "paused" | "quarantined" | "device":
            return None
        case _:
            assert_never(answer.kind)


def describe_wait(answer: NoTrial) -> str:
    """Why there is nothing to do at the moment."""
    if answer.kind == "paused":
        return "the study is paused"
    if answer.kind == "capped":
        return f"as many trials run as max_running allows: {answer.reason}"
    if answer.kind in ("quota", "quarantined", "device"):
        return answer.reason
    if answer.running_replicates and not answer.running:
        running = count_of(
            answer.running_replicates, "trial beside the search runs", "trials beside the search run"
        )
        return f"{running}, and may have to be tried again"
    of = "" if answer.budget is None else f" of {answer.budget}"
    return f"the rest of the budget is in use ({answer.running} running, {answer.finished}{of} finished)"


def judge_broken(in_a_row: int, error: str) -> Departure | None:
    """Decide whether this number of consecutive errors of the worker itself makes it leave."""
    if in_a_row < BROKEN_LIMIT:
        return None
    reason = f"{in_a_row} attempts in a row ended with errors of this worker, most recently {error}"
    return Departure(f"circuit breaker: {reason}", EXIT_FAILED)


def describe_fate(tell: TellResult) -> str:
    """A note on the trial, if its end differs from the outcome."""
    if tell.is_fenced:
        handed_on = "the trial was given to another worker in the meantime"
        if not tell.outcome.is_finished:
            return f"({handed_on})"
        return f"({handed_on}; the result is kept)" if tell.is_result_kept else f"(result dropped: {handed_on})"
    decision: Decision | None = tell.decision
    return "" if decision is None or isinstance(decision, GiveUp) else f"({decision.reason})"
