"""Runs a worker's attempts: sample → run → judge, each in its checkpoint folder.

Promises: an attempt always ends in one ``AttemptResult``, whatever the objective does. A returned value is never
lost, whatever goes wrong with its checkpoints or its trial afterwards (it is in ``RunningAttempt.result``).
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from optuna import Study, Trial
from optuna.exceptions import UpdateFinishedTrialError

from hpotool.errors import CheckpointStoreError
from hpotool.study.branch import Branch, steps_of_trial
from hpotool.study.doors import one_line
from hpotool.study.outcome import Outcome
from hpotool.study.phase import Reevaluation, is_reevaluation, phase_of
from hpotool.study.space import suggest_search_space
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt.constraints import set_constraints, set_out_of_memory
from hpotool.worker.attempt.running_attempt import AttemptResult, RunningAttempt
from hpotool.worker.attempt.trial_server import TrialServer
from hpotool.worker.checkpoints.store import CheckpointStore
from hpotool.worker.child.command.objective import check_command
from hpotool.worker.child.plain_process import fill_environment
from hpotool.worker.gpu import DeviceMeter
from hpotool.worker.process.fork_server_handle import (
    ForkServerHandle,
    ImportInterrupted,
    environment_without_secrets,
)
from hpotool.worker.process.log_file import LogFolder, log_path
from hpotool.worker.process.protocol import CONSTRAINT_ATTRIBUTE, Job, StudyView

__all__ = ["AttemptResult", "AttemptRunner"]


# pyarrow, which scikit-learn and XGBoost import if it is installed, starts a thread of its allocator, and no
# attempt could be forked from such a process.
_FORKABLE = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}


class AttemptRunner:
    """Runs the attempts of one worker, one after the other. Created once per worker.

    ``start`` imports the objective, so that a study that cannot run fails before a trial is claimed. ``stop`` and
    ``stop_attempt`` may be called from another thread or from a signal handler; all other methods must be called
    from the thread that uses Optuna's study.
    """

    def __init__(
        self,
        spec: StudySpec,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        meter: DeviceMeter | None = None,
        checkpoints: CheckpointStore | None = None,
        unneeded_lineages: Callable[[Study], set[int]] | None = None,
        artifacts: Path | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            folder: keeps the attempts' logs
            environment: added to that of every attempt
            meter: measures what attempts take of their GPUs
            checkpoints: gives each lineage of trials a folder
            unneeded_lineages: where trials go on from each other, those that none will go on from
            artifacts: where a final training puts what it keeps
        """
        self._unneeded_lineages = unneeded_lineages
        self._artifacts = artifacts
        self._checkpoints = checkpoints
        self._meter = meter
        self._spec = spec
        self._folder = folder
        self._logs = LogFolder(folder)
        self._environment = dict(environment or {})
        self._server: ForkServerHandle | None = None
        self._importing: ForkServerHandle | None = None
        self._running: RunningAttempt | None = None

    def start(self, is_unwanted: Callable[[], bool] = lambda: False) -> str | None:
        """Import the objective. If every attempt has to import it again, returns the reason.

        Raises:
            InputError: the objective cannot be imported, or its command does not exist.
            ImportInterrupted: ``is_unwanted`` was true at the start, or ``interrupt_import`` was called.
        """
        if self._spec.objective.command is not None:
            check_command(self._spec.objective, environment_without_secrets(os.environ))
        else:
            self._environment_of_attempts()
        if self._spec.objective.isolation == "none":
            return None
        return self._living_server(is_unwanted).cold

    def run(self, trial: Trial, *, seed: int | None = None, root_number: int | None = None) -> AttemptResult:
        """Run one attempt of a ``trial`` outside a worker's loop; see ``RunningAttempt`` and ``run_attempt``."""
        return self.run_attempt(RunningAttempt(trial, seed=seed, root_number=root_number))

    def run_attempt(
        self, running: RunningAttempt, pass_on_orders: Callable[[], None] = lambda: None
    ) -> AttemptResult:
        """Run one attempt to its end. The caller tells Optuna about the end.

        Errors of the storage are raised after the attempt has been ended. ``pass_on_orders`` is called as soon as
        orders can reach the attempt, to deliver earlier ones.
        """
        self._running = running
        pass_on_orders()
        try:
            return self._run(running)
        finally:
            self._running = None

    def stop(self, outcome: Outcome, reason: str, grace: timedelta = timedelta(0)) -> None:
        """Ask the current attempt, if there is one, to stop; see ``RunningAttempt.stop``."""
        running = self._running
        if running is not None:
            running.stop(outcome, reason, grace)
        self.interrupt_import()

    def stop_attempt(self, attempt_id: str, outcome: Outcome, reason: str, grace: timedelta) -> None:
        """Ask this attempt to stop, but not another one that has started since."""
        running = self._running
        if running is not None and running.attempt_id == attempt_id:
            running.stop(outcome, reason, grace)
            self.interrupt_import()

    def interrupt_import(self) -> None:
        """End a running import: it has nothing to save, and the next attempt starts it again."""
        importing = self._importing  # another thread may have finished it
        if importing is not None:
            importing.interrupt()

    def _run(self, running: RunningAttempt) -> AttemptResult:
        if self._checkpoints is None:
            return self._sample_run_judge(running, None)
        store, branch = self._checkpoints, _branch_of(running.trial)
        with contextlib.ExitStack() as stack:
            try:
                opened = store.attempt(
                    running.root_number,
                    branch.source_root if branch else None,
                    begins_anew=running.begins_anew,
                    number=running.trial.number,
                    is_hurried=running.is_asked_to_stop,
                )
                folder = stack.enter_context(opened)
            except CheckpointStoreError as error:  # starting from scratch would discard an existing checkpoint
                return _without_checkpoints(running, error)
            result = self._sample_run_judge(running, folder)
        if result.outcome.is_finished:
            unneeded = self._unneeded_lineages and self._unneeded_lineages(running.trial.study)
            store.finish(running.root_number, _values_to_rank(self._spec, running.trial, result), unneeded)
        return result

    def _sample_run_judge(self, running: RunningAttempt, checkpoint_dir: Path | None) -> AttemptResult:
        started = time.monotonic()
        trial = running.trial
        try:
            suggest_search_space(self._spec.search_space, trial)
        except (
            ValueError
        ) as error:  # for example, if an earlier trial used the same name with another kind of values
            broke = one_line(f"its parameters cannot be suggested: {error}")
            return AttemptResult(Outcome.ERROR, broke, broke=broke)  # all later ones would fail too
        job = self._job(running, checkpoint_dir)
        server = TrialServer(trial, self._spec.metrics, job.study.pruning_metric)
        running.result = self._run_job(running, job, server)
        result = running.result = _with_verdict(_with_unheard(running.result, server.unheard), server.verdict)
        # If the trial now belongs to another attempt, its attributes must not be written; the value is kept.
        with contextlib.suppress(UpdateFinishedTrialError):
            server.write_series()
            result = self._judge_feasibility(result, trial)
        running.result = replace(result, duration=timedelta(seconds=time.monotonic() - started))
        return running.result

    def _run_job(self, running: RunningAttempt, job: Job, server: TrialServer) -> AttemptResult:
        objective = self._spec.objective
        if objective.isolation == "none":
            return running.run_here(job, server, objective)
        try:
            fork_server = self._living_server(running.is_asked_to_stop)
        except ImportInterrupted:
            assert running.asked is not None, "only stop() interrupts an import"
            return AttemptResult(running.asked.outcome, running.asked.reason)
        log = log_path(self._folder, job.trial)
        return running.run_child(fork_server, job, server, self._logs, log, objective, self._meter)

    def _judge_feasibility(self, result: AttemptResult, trial: Trial) -> AttemptResult:
        if result.outcome is Outcome.OOM and self._spec.on_oom == "infeasible":
            set_out_of_memory(trial)
            return replace(result, is_infeasible=True)
        if result.values is None:
            return result
        for name, value in result.extra.items():
            trial.set_user_attr(name, value)
        problem = set_constraints(trial, self._spec, result.values, result.extra)
        if problem is None:
            return result
        return replace(result, outcome=Outcome.ERROR, reason=problem, values=None)

    def _living_server(self, is_unwanted: Callable[[], bool]) -> ForkServerHandle:
        """The fork server, restarted if necessary.

        Raises:
            InputError: the objective cannot be imported.
            ImportInterrupted: the worker must leave.
        """
        if self._server is not None and self._server.is_alive:
            return self._server
        self.close()
        reference, log = self._spec.objective.python or "", self._folder / "import.log"
        server = self._importing = ForkServerHandle(reference, self._environment_of_attempts(), log)
        try:
            if is_unwanted():
                server.interrupt()
            server.wait_until_ready()
        finally:
            self._importing = None
        self._server = server
        return server

    def _environment_of_attempts(self) -> dict[str, str]:
        environment = {**_FORKABLE, **environment_without_secrets(os.environ), **self._environment}
        if self._spec.objective.command is not None:  # the trial's own values are filled in for each trial
            return environment
        return environment | fill_environment(self._spec.objective.environment, environment)

    def _job(self, running: RunningAttempt, checkpoint_dir: Path | None) -> Job:
        trial, seed = running.trial, running.seed
        phase = phase_of(Reevaluation.of(trial._cached_frozen_trial.system_attrs))
        environment = {
            "HPOTOOL_STUDY": self._spec.name,
            "HPOTOOL_TRIAL": str(trial.number),
            "HPOTOOL_PHASE": phase,
        }
        if self._spec.holdout and phase != "search":
            environment["HPOTOOL_HOLDOUT"] = ",".join(map(str, self._spec.holdout))
        if self._artifacts is not None:
            environment["HPOTOOL_ARTIFACTS"] = str(self._artifacts)
        if seed is not None:
            environment["HPOTOOL_SEED"] = str(seed)
        steps = steps_of_trial(self._spec, _branch_of(trial))
        if steps is not None:
            environment["HPOTOOL_STEPS"] = str(steps)
        if checkpoint_dir is not None:
            environment["HPOTOOL_CHECKPOINT_DIR"] = str(checkpoint_dir)
            environment["HPOTOOL_KEEP_CHECKPOINTS"] = str(self._spec.keep.last)
        metrics = tuple(metric.name for metric in self._spec.metrics)
        constraints = tuple(constraint.name for constraint in self._spec.constraints)
        pruning_metric = self._spec.pruner.metric or metrics[0]
        view = StudyView(
            self._spec.name,
            tuple(trial.study.directions),
            metrics,
            constraints,
            pruning_metric,
            self._spec.sampler.name,
            self._spec.pruner.name,
        )
        # A rescuer does not check constraints, and would take an infeasible value for a feasible one.
        returned_file = None if self._spec.constraints else running.returned_file
        # Optuna's Trial keeps this copy up to date, so there is no round trip to the database.
        frozen = trial._cached_frozen_trial
        return Job(frozen, view, self._spec.objective, self._spec.search_space, seed, environment, returned_file)

    def close(self) -> None:
        """End the fork server and everything below it."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def __enter__(self) -> AttemptRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _without_checkpoints(running: RunningAttempt, error: CheckpointStoreError) -> AttemptResult:
    """The end of an attempt whose checkpoints are not available: a later attempt tries again, with them."""
    if running.asked is not None:
        return AttemptResult(running.asked.outcome, running.asked.reason)
    # Lost rather than handed back if the next attempt must start without the checkpoints too.
    outcome = Outcome.LOST if running.begins_anew else Outcome.PREEMPTED
    return AttemptResult(outcome, f"its checkpoints are not available: {error.message}", broke=error.message)


def _with_unheard(result: AttemptResult, unheard: Exception | None) -> AttemptResult:
    """The result, with a reason that names any write that failed after the attempt's last question."""
    if unheard is None:
        return result
    told = f"one of its writes was not stored: {type(unheard).__name__}: {unheard}"
    return replace(result, reason=one_line("; ".join(filter(None, (result.reason, told)))))


def _with_verdict(result: AttemptResult, verdict: str | None) -> AttemptResult:
    """The result, whose reason also says what the pruner held against the trial that it ended."""
    if verdict is None or result.outcome is not Outcome.PRUNED:
        return result
    return replace(result, reason=one_line("; ".join(filter(None, (result.reason, verdict)))))


def _values_to_rank(spec: StudySpec, trial: Trial, result: AttemptResult) -> tuple[float, ...] | None:
    """The values by which a trial's checkpoints compete with those of others; None: they do not, and are removed.

    A re-evaluation is never the best trial, and one that violates a constraint only if no other one meets them.
    """
    attributes = trial._cached_frozen_trial.system_attrs
    if result.values is None or is_reevaluation(attributes):
        return None
    if all(value <= 0 for key, value in attributes.items() if key.startswith(CONSTRAINT_ATTRIBUTE)):
        return result.values
    return tuple(math.inf if metric.direction == "minimize" else -math.inf for metric in spec.metrics)


def _branch_of(trial: Trial) -> Branch | None:
    return Branch.of(trial._cached_frozen_trial.system_attrs)
