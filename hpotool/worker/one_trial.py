"""One trial, from claim to end: claim → sample → run → judge → tell.

This is the worker's trial boundary. Any error on this path, in the sampler, a pruner, the objective, its
checkpoints or the storage, ends the attempt and not the worker. The attempt gets an outcome and one sentence as
the reason, and the traceback is logged once. An attempt whose trial was taken away in the meantime is fenced.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from optuna import Study, Trial, TrialPruned
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from hpotool.errors import HpotoolError
from hpotool.storage.database.outage import GaveUpError
from hpotool.storage.fleet.attempts import Attempt, Ending
from hpotool.storage.fleet.worker_storage import NothingToClaim, TellResult, WorkerStorage
from hpotool.study.outcome import Outcome
from hpotool.study.seeds import seed_for_trial
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt.duplicates import resolve_duplicate
from hpotool.worker.attempt.pruner_check import PrunerCheck
from hpotool.worker.attempt.reuse import reuse_result
from hpotool.worker.attempt.runner import AttemptRunner
from hpotool.worker.attempt.running_attempt import TAKEN_AWAY, AttemptResult, RunningAttempt
from hpotool.worker.log import log_event

_logger = logging.getLogger(__name__)


class AttemptFailedError(Exception):
    """Tells Optuna that the attempt has no value; ``TrialEnd`` has the details."""


@dataclass(frozen=True)
class TrialEnd:
    """How one trial ended here.

    ``result`` and ``told`` are None if nothing was claimed, or the result could not be told. ``broke`` is an error
    of the worker itself on the way, in one line. ``stops_study``: the objective called ``study.stop()``.
    """

    attempt: Attempt | None
    result: AttemptResult | None
    tell: TellResult | None
    broke: str | None = None
    stops_study: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether the trial's result is in the database, whatever else failed."""
        return self.tell is not None and self.result is not None and self.result.is_answer


class OneTrial:
    """Claims trials and runs each to its end. Used by one thread."""

    def __init__(
        self,
        study: Study,
        storage: WorkerStorage,
        runner: AttemptRunner,
        spec: StudySpec,
        prepare_claim: Callable[[], None],
        pass_on_orders: Callable[[], None],
        keep: Callable[[Trial, AttemptResult], None] = lambda *_: None,
        forgive: Callable[[AttemptResult], AttemptResult] = lambda result: result,
    ) -> None:
        """``prepare_claim`` is called before each claim, ``pass_on_orders`` when a stop can reach the attempt.

        ``keep`` is called with what an attempt returned, before that is told. ``forgive`` turns the result of an
        attempt that failed because of its device into one that hands the trial back.
        """
        self._study = study
        self._storage = storage
        self._runner = runner
        self._spec = spec
        self._prepare_claim = prepare_claim
        self._pass_on_orders = pass_on_orders
        self._keep = keep
        self._forgive = forgive
        self._pruner_check = PrunerCheck(storage, study._study_id, spec)
        self._result: AttemptResult | None = None
        self._broke: str | None = None

    def work(self) -> TrialEnd:
        """Claim a trial, run it, and tell how it ended.

        Raises:
            NothingToClaim: with the reason.
            GaveUpError: the database outage lasted longer than this worker may wait.
        """
        self._storage.last_tell = self._result = self._broke = None
        stops_study = False
        try:
            self._prepare_claim()
            self._study.optimize(self._run_claimed, n_trials=1, catch=(AttemptFailedError,))
            stops_study = self._study._stop_flag  # optimize() itself resets it at its next call
        except (NothingToClaim, GaveUpError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 (the trial boundary, around the claim, the sampler, the tell)
            self._end_without_optuna(error)
        tell = self._storage.last_tell
        attempt = None if tell is None else tell.attempt
        return TrialEnd(attempt, self._result, tell, self._broke, stops_study)

    def speak(self) -> None:
        """Report a finding about the pruner, now that the result is told."""
        self._pruner_check.speak()

    def _run_claimed(self, trial: Trial) -> float | Sequence[float]:
        """Run the attempt as Optuna's objective: returns a value, or raises TrialPruned or AttemptFailedError."""
        attempt = self._storage.attempt
        assert attempt is not None, "the claim leaves its attempt here"
        running = RunningAttempt(
            trial,
            attempt.attempt_id,
            seed=_seed_of(attempt, self._spec.sampler.seed),
            root_number=attempt.root_number,
            begins_anew=_has_lost_its_parameters(attempt, trial),
            returned_file=self._storage.returned_file,
        )
        try:
            result = self._run(attempt, running)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 (the trial boundary: a sampler may call sys.exit())
            # A returned value counts, whatever went wrong with its checkpoints or its trial afterwards.
            result = running.result or _result_of(error)
            self._note(error)
        self._result = result
        self._broke = self._broke or result.broke
        self._storage.end_attempt_with(_ending_of(result))
        return _for_optuna(result)

    def _run(self, attempt: Attempt, running: RunningAttempt) -> AttemptResult:
        again = f" (retry of trial {attempt.root_number})" if attempt.history else ""
        log_event(
            "start",
            f"trial {attempt.number} started{again}{_say_phase(attempt)}",
            trial=attempt.number,
            root=attempt.root_number,
        )
        is_searching = attempt.reevaluation is None
        earlier = resolve_duplicate(self._spec, self._study, running.trial) if is_searching else None
        if earlier is None and is_searching:
            earlier = reuse_result(self._spec, self._storage, attempt, running.trial)
        if earlier is not None:
            return earlier
        result = self._forgive(self._runner.run_attempt(running, self._pass_on_orders))
        self._keep(running.trial, result)
        if not attempt.history and is_searching:
            self._pruner_check.look(running.trial, result)
        return result

    def _end_without_optuna(self, error: BaseException) -> None:
        """End an attempt that Optuna did not end, because the claim, the sampler or the tell itself raised."""
        self._note(error)
        attempt = self._storage.attempt
        if attempt is None:
            return
        result = self._result = self._result or _result_of(error)
        try:
            self._storage.end_attempt(_ending_of(result), _state_of(result), result.values)
        except (GaveUpError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as another:  # noqa: BLE001 (the trial boundary: the tell cannot be told either)
            # Its heartbeats end, so that it is retried; its returned value stays on disk.
            self._note(another)
            self._storage.abandon_attempt()

    def _note(self, error: BaseException) -> None:
        """Log an error of the worker itself with its traceback, and record it for the breaker."""
        if isinstance(error, (UpdateFinishedTrialError, GaveUpError)):
            return
        self._broke, detail = _last_line(error), "\n" + "".join(traceback.format_exception(error)).rstrip()
        if isinstance(error, HpotoolError):  # its message is written for people
            self._broke, detail = error.message, f" (hint: {error.hint})" if error.hint else ""
        _logger.error("the worker hit an error and continues: %s%s", self._broke, detail)


def _seed_of(attempt: Attempt, seed: int | None) -> int | None:
    """The attempt's own seed, from the sampler's; retries get the same."""
    number = attempt.root_number if attempt.reevaluation is None else attempt.reevaluation.seed_number
    return None if seed is None else seed_for_trial(seed, number)


def _result_of(error: BaseException) -> AttemptResult:
    """How an attempt ended in which this was raised beside the objective."""
    match error:
        case UpdateFinishedTrialError():
            return AttemptResult(TAKEN_AWAY.outcome, TAKEN_AWAY.reason)
        case GaveUpError():  # an outage, and no time to wait: interrupted, not failed
            return AttemptResult(Outcome.PREEMPTED, error.message)
        case HpotoolError():
            return AttemptResult(Outcome.ERROR, error.message)
    return AttemptResult(Outcome.ERROR, _last_line(error))


def _say_phase(attempt: Attempt) -> str:
    reevaluation = attempt.reevaluation
    if reevaluation is None:
        return ""
    if reevaluation.phase == "final":
        return f", the final training of {reevaluation.point}"
    return f", replicate {reevaluation.replicate + 1} of {reevaluation.point}"


def _state_of(result: AttemptResult) -> TrialState:
    return TrialState.PRUNED if result.is_infeasible else TrialState[result.outcome.facts.state]


def _for_optuna(result: AttemptResult) -> float | Sequence[float]:
    match _state_of(result):
        case TrialState.COMPLETE:
            assert result.values is not None
            return result.values
        case TrialState.PRUNED:
            raise TrialPruned(result.reason)
    raise AttemptFailedError(result.reason)


def _ending_of(result: AttemptResult) -> Ending:
    """What is stored of the attempt: the fields of ``Ending`` that its result has too, and what its GPUs did."""
    shared = {field.name for field in fields(Ending)} & {field.name for field in fields(result)}
    stored = {name: getattr(result, name) for name in shared}
    return Ending(**stored | {"reason": result.reason or "", "gpu": _gpu_figures(result)})


def _gpu_figures(result: AttemptResult) -> dict[str, float] | None:
    """The attempt's GPU usage, as stored with it; None without a GPU."""
    if result.gpu_peak_memory is None:
        return None
    figures: dict[str, float] = {"peak_memory_bytes": result.gpu_peak_memory}
    if result.gpu_utilization is not None:
        figures["utilization_percent"] = round(result.gpu_utilization, 1)
    return figures


def _has_lost_its_parameters(attempt: Attempt, trial: Trial) -> bool:
    """Whether the previous attempt died before its parameters were sent, so that this one gets other ones."""
    return bool(attempt.history) and attempt.history[-1] is Outcome.LOST and not trial.params


def _last_line(error: BaseException) -> str:
    """The last line of a traceback."""
    return " ".join("".join(traceback.format_exception_only(error)).split())
