"""A worker: claim → attempt → tell → repeat, until the study is done or it is told to leave.

Whatever happens to a trial, the worker goes on; when it leaves, `Departure` says why.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from optuna import Study, Trial, TrialPruned
from typing_extensions import assert_never

from hpotool.errors import EXIT_DONE, EXIT_FAILED
from hpotool.storage.attempts import Attempt, Ending, NoTrial
from hpotool.storage.outage import GaveUpError
from hpotool.storage.worker_storage import NothingToClaim, Told, WorkerStorage
from hpotool.study.outcome import Outcome
from hpotool.study.retry import Decision, GiveUp
from hpotool.study.seeds import seed_for_trial
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt import AttemptResult, AttemptRunner
from hpotool.worker.branches import Branches
from hpotool.worker.duplicates import settle_duplicate
from hpotool.worker.lifeline import Lifeline
from hpotool.worker.log import log_event
from hpotool.worker.pruner_check import PrunerCheck
from hpotool.worker.signals import Level, Stopping

# A worker that found nothing to claim asks again after so long: within this time it takes over what others lose.
# Later it asks less often: a hundred idle workers would queue for the study's row, and keep Postgres busy.
_IDLE_WAIT = timedelta(seconds=1)
_SOON_IDLE_LONG = 10  # times that it asked in vain


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
        lifeline: Lifeline,
        longest_idle_wait: timedelta = _IDLE_WAIT,
        branches: Branches | None = None,
    ) -> None:
        self._study = study
        self._storage = storage
        self._runner = runner
        self._spec = spec
        self._stopping = stopping
        self._grace = grace
        self._lifeline = lifeline
        self._long_idle_wait = max(_IDLE_WAIT, longest_idle_wait)
        self._branches = branches
        self._idle_because = ""
        self._asked_in_vain = 0
        self._result: AttemptResult | None = None
        self._pruner_check = PrunerCheck(storage, study._study_id, spec)
        stopping.listener = self._stop_attempt_if_told

    def run(self) -> Departure:
        """Work until there is a reason to leave; the reason.

        Raises:
            GaveUpError: the database stayed away for longer than this worker was to wait.
        """
        while self._stopping.level == Level.STAY:
            self._lifeline.before_claim()
            try:
                if self._branches is not None:
                    self._branches.before_claim(self._study)
                self._study.optimize(self._run_attempt, n_trials=1, catch=(AttemptFailedError,))
            except GaveUpError:
                # Told to leave in an outage: what there was to tell lies on this machine's disk.
                if self._stopping.level == Level.STAY:
                    raise
            except NothingToClaim as nothing:
                departure = self._judge(nothing.answer)
                if departure is not None:
                    return departure
                self._asked_in_vain += 1
                wait = _IDLE_WAIT if self._asked_in_vain <= _SOON_IDLE_LONG else self._long_idle_wait
                # Workers that became idle together do not ask together for ever.
                self._stopping.wait(wait * random.uniform(0.75, 1.25))
            else:
                self._idle_because = ""
                self._asked_in_vain = 0
                self._log_end()
                self._pruner_check.speak()
                breaker = self._look_at_breaker()
                if breaker is not None:
                    return breaker
        return Departure(f"told to {self._stopping.level.name.lower()}: {self._stopping.reason}")

    def _stop_attempt_if_told(self) -> None:
        """Pass a wish to stop on to the running attempt. Safe in signal handlers and in other threads."""
        asked = self._asked_to_stop()
        if asked is not None:
            self._runner.stop(*asked)

    def _asked_to_stop(self) -> tuple[Outcome, str, timedelta] | None:
        if self._stopping.level < Level.STOP:
            return None
        grace = self._grace if self._stopping.level == Level.STOP else timedelta(0)
        return Outcome.PREEMPTED, f"the worker was told to stop: {self._stopping.reason}", grace

    def _run_attempt(self, trial: Trial) -> float | Sequence[float]:
        """One attempt as Optuna's objective: a value, TrialPruned, or AttemptFailedError."""
        attempt = self._storage.attempt
        assert attempt is not None, "the claim leaves its attempt here"
        again = f", again after trial {attempt.root_number}" if attempt.history else ""
        log_event(
            "start", f"trial {attempt.number} started{again}", trial=attempt.number, root=attempt.root_number
        )
        seed = self._spec.sampler.seed
        self._result = None
        try:
            taken_over = settle_duplicate(self._spec, self._study, trial)
            result = taken_over or self._runner.run(
                trial,
                seed=None if seed is None else seed_for_trial(seed, attempt.root_number),
                root_number=attempt.root_number,
                begins_anew=_has_lost_its_parameters(attempt, trial),
                returned_file=self._storage.returned_file,
                asked_to_stop=self._asked_to_stop,
            )
            if taken_over is None and not attempt.history:
                self._pruner_check.look(trial, result)
        except GaveUpError as gave_up:
            # Between claim and child, with the database away and no time to wait: interrupted, not failed.
            self._storage.end_attempt_with(Ending(Outcome.PREEMPTED, gave_up.message))
            raise AttemptFailedError(gave_up.message) from gave_up
        self._result = result
        self._storage.end_attempt_with(
            Ending(result.outcome, result.reason or "", result.output_tail, _gpu_figures(result))
        )
        if result.outcome is Outcome.COMPLETE and result.values is not None:
            return result.values
        if result.outcome is Outcome.PRUNED or result.is_infeasible:
            raise TrialPruned(result.reason)
        raise AttemptFailedError(result.reason)

    def _look_at_breaker(self) -> Departure | None:
        """Leave when what this worker is given fails here and nowhere else."""
        if self._result is None or self._result.outcome.is_finished:
            return None
        # Told to leave, it leaves anyway; and in an outage the question would end it with an error.
        if self._stopping.level > Level.STAY:
            return None
        breaker = self._lifeline.judge()
        return None if breaker is None else Departure(f"circuit breaker: {breaker.reason}", EXIT_FAILED)

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


def _has_lost_its_parameters(attempt: Attempt, trial: Trial) -> bool:
    """Whether the attempt before died within a second, before its parameters were sent: this one gets others."""
    return bool(attempt.history) and attempt.history[-1] is Outcome.LOST and not trial.params


def _gpu_figures(result: AttemptResult) -> dict[str, float] | None:
    """What the attempt took of its GPUs, as it is stored with it; None without a GPU."""
    if result.gpu_peak_memory is None:
        return None
    figures: dict[str, float] = {"peak_memory_bytes": result.gpu_peak_memory}
    if result.gpu_utilization is not None:
        figures["utilization_percent"] = round(result.gpu_utilization, 1)
    return figures


def _say_fate(told: Told) -> str:
    """What became of the trial, where that is not what the outcome says."""
    if told.is_fenced:
        return "(it belonged to another attempt by now" + (
            "; its result is kept)" if told.is_result_kept and told.outcome.is_finished else ")"
        )
    decision: Decision | None = told.decision
    return "" if decision is None or isinstance(decision, GiveUp) else f"({decision.reason})"
