"""One attempt of a trial: runs the objective in a child process and says how it ended.

Promises: an attempt always ends in one ``AttemptResult``, whatever the objective does to itself; a value that it
returned is never lost; when ``run`` has returned or raised, no process of the attempt is left.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from optuna import Study, Trial
from optuna.exceptions import UpdateFinishedTrialError

from hpotool.errors import CheckpointPlaceError
from hpotool.study.branch import Branch, steps_of_trial
from hpotool.study.doors import one_line
from hpotool.study.outcome import Outcome
from hpotool.study.space import suggest_search_space
from hpotool.study.spec import StudySpec
from hpotool.worker.channel import ChannelClosed, channel_pair
from hpotool.worker.checkpoint_store import CheckpointStore
from hpotool.worker.command import check_command
from hpotool.worker.ending import judge_ending
from hpotool.worker.feasibility import set_constraints, set_out_of_memory
from hpotool.worker.fork_server_handle import (
    ForkServerHandle,
    ImportInterrupted,
    environment_without_secrets,
)
from hpotool.worker.gpu import DeviceMeter
from hpotool.worker.in_process import StopFlag, call_in_process
from hpotool.worker.log_file import LogFolder, log_path, tail_of
from hpotool.worker.memory_pressure import count_memory_kills
from hpotool.worker.messages import Job, StudyView
from hpotool.worker.plain_process import fill_environment
from hpotool.worker.trial_server import TrialServer
from hpotool.worker.watch import AttemptWatch

AskedToStop = Callable[[], tuple[Outcome, str, timedelta] | None]  # what ``stop`` was called with, if it was


@dataclass(frozen=True)
class AttemptResult:
    """How an attempt ended.

    ``values`` are there exactly when ``outcome`` is COMPLETE, in the order of the study's metrics. ``extra`` is
    what the objective returned beside them; it has become attributes of the trial. ``reason`` is one sentence,
    ``output_tail`` the last lines that the attempt printed.
    """

    outcome: Outcome
    reason: str | None = None
    values: tuple[float, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    is_infeasible: bool = False  # memory ran out, and the study says that this is what the sampler should learn
    output_tail: str = ""
    log: Path | None = None
    duration: timedelta = timedelta(0)
    peak_memory: int | None = None  # bytes, of the whole process tree, as sampled
    gpu_peak_memory: int | None = None  # bytes, of all its devices together, as sampled
    gpu_utilization: float | None = None  # percent, mean over its devices and samples
    left_behind: int = 0  # processes that the objective left running and that were ended


class AttemptRunner:
    """Runs the attempts of one worker, one after the other. Made once per worker.

    ``start`` imports the objective, so that a study that cannot run says so before a trial is claimed. ``stop``
    may be called from another thread or from a signal handler; everything else belongs to one thread, the one
    that Optuna's study is used in.
    """

    def __init__(
        self,
        spec: StudySpec,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        meter: DeviceMeter | None = None,
        checkpoints: CheckpointStore | None = None,
        unneeded_lineages: Callable[[Study], set[int]] | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            folder: keeps the attempts' logs
            environment: added to that of every attempt
            meter: measures what attempts take of their GPUs
            checkpoints: gives each lineage of trials a folder
            unneeded_lineages: where trials go on from each other, those that none will go on from
        """
        self._unneeded_lineages = unneeded_lineages
        self._checkpoints = checkpoints
        self._meter = meter
        self._spec = spec
        self._folder = folder
        self._logs = LogFolder(folder)
        self._environment = dict(environment or {})
        self._server: ForkServerHandle | None = None
        self._importing: ForkServerHandle | None = None
        self._watch: AttemptWatch | None = None
        self._stopping_in_process = StopFlag()
        self._is_running = False
        self._asked_early: tuple[Outcome, str, timedelta] | None = None
        self._returned_file: Path | None = None

    def start(self, asked_to_stop: AskedToStop = lambda: None) -> str | None:
        """Import the objective. Returns why every attempt has to import it again, where that is so.

        ``stop`` ends an import that runs, and so does what ``asked_to_stop`` answers at its beginning; the next
        attempt would begin it again.

        Raises:
            InputError: the objective cannot be imported, or its command is not there.
        """
        if self._spec.objective.command is not None:
            check_command(self._spec.objective, environment_without_secrets(os.environ))
        else:
            self._environment_of_attempts()
        if self._spec.objective.isolation == "none":
            return None
        try:
            return self._living_server(asked_to_stop).cold
        except ImportInterrupted:
            return None

    def run(
        self,
        trial: Trial,
        *,
        seed: int | None = None,
        root_number: int | None = None,
        begins_anew: bool = False,
        returned_file: Path | None = None,
        asked_to_stop: AskedToStop = lambda: None,
    ) -> AttemptResult:
        """Run one attempt of ``trial`` to its end. Tells Optuna nothing about the end: that is the caller's.

        Whatever the storage raises goes through, after the attempt was ended.

        Args:
            seed: for the objective's random numbers; without one they differ from attempt to attempt
            root_number: the trial that was tried first, whose checkpoints this attempt goes on from; None: itself
            begins_anew: the checkpoints of earlier attempts are not those of this attempt's parameters
            returned_file: where the attempt's process puts what the objective returned before it tells us
            asked_to_stop: answers what ``stop`` was called with while there was no attempt to stop
        """
        self._stopping_in_process.clear()
        self._asked_early = None
        # A rescuer knows nothing of constraints: it would take an infeasible value for a feasible one.
        self._returned_file = None if self._spec.constraints else returned_file
        self._is_running = True
        asked = asked_to_stop()
        if asked is not None:
            self.stop(*asked)
        try:
            if self._checkpoints is None:
                return self._run(trial, seed, None)
            return self._run_with_checkpoints(self._checkpoints, trial, seed, root_number, begins_anew)
        finally:
            self._is_running = False

    def stop(self, outcome: Outcome, reason: str, grace: timedelta = timedelta(0)) -> None:
        """Ask the running attempt to checkpoint and stop, and end it after ``grace`` with this outcome.

        Without a running attempt it does nothing. A value that the objective returns meanwhile still counts.
        An objective that is being imported has nothing to checkpoint: the import ends now.
        """
        if self._is_running:
            self._stopping_in_process.ask(outcome, reason)
            # In this order: run() looks at them in the other one, so that nothing asked in between is lost.
            self._asked_early = outcome, reason, grace
            if self._watch is not None:
                self._watch.stop(outcome, reason, grace)
        importing = self._importing  # another thread may be done with it
        if importing is not None:
            importing.interrupt()

    def _run_with_checkpoints(
        self,
        store: CheckpointStore,
        trial: Trial,
        seed: int | None,
        root_number: int | None,
        begins_anew: bool,
    ) -> AttemptResult:
        root = trial.number if root_number is None else root_number
        branch = _branch_of(trial)
        with contextlib.ExitStack() as stack:
            try:
                source = branch.source_root if branch else None
                place = store.attempt(
                    root, source, begins_anew=begins_anew, number=trial.number, is_hurried=self._is_asked_to_stop
                )
                folder = stack.enter_context(place)
            except CheckpointPlaceError as error:  # to start from the beginning would throw away what there may be
                if self._asked_early is not None:
                    return AttemptResult(*self._asked_early[:2])
                # Lost, and not handed back, where the next attempt too must begin without the checkpoints.
                outcome = Outcome.LOST if begins_anew else Outcome.PREEMPTED
                return AttemptResult(outcome, f"its checkpoints cannot be had: {error.message}")
            result = self._run(trial, seed, folder)
        if result.outcome.is_finished:
            unneeded = None if self._unneeded_lineages is None else self._unneeded_lineages(trial.study)
            store.finish(root, result.values, unneeded)
        return result

    def _is_asked_to_stop(self) -> bool:
        return self._asked_early is not None

    def _run(self, trial: Trial, seed: int | None, checkpoint_dir: Path | None) -> AttemptResult:
        started = time.monotonic()
        try:
            suggest_search_space(self._spec.search_space, trial)
        except ValueError as error:  # the same name with another kind of values in an earlier trial, for one
            return AttemptResult(Outcome.ERROR, f"its parameters cannot be suggested: {error}")
        job = self._job(trial, seed, checkpoint_dir)
        server = TrialServer(trial, self._spec.metrics, job.study.pruning_metric)
        run = self._run_in_process if self._spec.objective.isolation == "none" else self._run_in_child
        result = _with_unheard(run(job, server), server.unheard)
        # When the trial is somebody else's by now, what it says of itself is not ours to write; the value is kept.
        with contextlib.suppress(UpdateFinishedTrialError):
            server.write_series()
            result = self._judge_feasibility(result, trial)
        return replace(result, duration=timedelta(seconds=time.monotonic() - started))

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

    def _run_in_child(self, job: Job, server: TrialServer) -> AttemptResult:
        try:
            fork_server = self._living_server(lambda: self._asked_early)
        except ImportInterrupted:
            assert self._asked_early is not None, "only stop() interrupts an import"
            return AttemptResult(*self._asked_early[:2])
        log = log_path(self._folder, job.trial)
        ours, theirs = channel_pair()
        memory_kills = count_memory_kills()
        with AttemptWatch(fork_server, ours, self._spec.objective, self._meter) as watch:
            log_fd = self._logs.open(log)
            fork_server.start(replace(job, address=watch.address), theirs, log_fd)
            os.close(log_fd)
            theirs.close()
            self._watch = watch
            if self._asked_early is not None:
                watch.stop(*self._asked_early)
            try:
                self._serve(watch, server)
            finally:
                self._watch = None
        output = tail_of(log)
        outcome, reason = judge_ending(
            watch.end, watch.cause, watch.status, output, count_memory_kills() > memory_kills
        )
        return AttemptResult(
            outcome,
            reason,
            output_tail=output,
            log=log,
            peak_memory=watch.peak_memory or None,
            gpu_peak_memory=self._meter.peak_memory if self._meter else None,
            gpu_utilization=self._meter.mean_utilization if self._meter else None,
            left_behind=watch.left_behind,
            **_values_of(watch.end),
        )

    def _serve(self, watch: AttemptWatch, server: TrialServer) -> None:
        for request, channel in watch.requests():
            try:
                answer, error = server.answer(request)
            except UpdateFinishedTrialError:
                watch.stop(Outcome.CANCELLED, "its trial belongs to another attempt by now", timedelta(0))
                continue
            if "id" in request:
                with contextlib.suppress(ChannelClosed, OSError):  # it ended meanwhile
                    channel.send_pickle((request["id"], answer, error))

    def _run_in_process(self, job: Job, server: TrialServer) -> AttemptResult:
        stopping = self._stopping_in_process
        end = call_in_process(job, self._spec.objective, server, stopping)
        outcome, reason = judge_ending(end, None, None, "", killed_for_memory=False)
        return AttemptResult(outcome, reason, **_values_of(end))

    def _living_server(self, asked_to_stop: AskedToStop) -> ForkServerHandle:
        """The fork server, started anew where there is none.

        Raises:
            InputError: the objective cannot be imported.
            ImportInterrupted: it was stopped meanwhile.
        """
        if self._server is not None and self._server.is_alive:
            return self._server
        self.close()
        reference, log = self._spec.objective.python or "", self._folder / "import.log"
        server = self._importing = ForkServerHandle(reference, self._environment_of_attempts(), log)
        try:
            if asked_to_stop() is not None:
                server.interrupt()
            server.wait_until_ready()
        finally:
            self._importing = None
        self._server = server
        return server

    def _environment_of_attempts(self) -> dict[str, str]:
        environment = {**environment_without_secrets(os.environ), **self._environment}
        if self._spec.objective.command is not None:  # its own is filled in for each trial
            return environment
        return environment | fill_environment(self._spec.objective.environment, environment)

    def _job(self, trial: Trial, seed: int | None, checkpoint_dir: Path | None) -> Job:
        environment = {"HPOTOOL_STUDY": self._spec.name, "HPOTOOL_TRIAL": str(trial.number)}
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
        # The trial that Optuna's Trial keeps up to date itself: no round trip to the database.
        space = self._spec.search_space
        return Job(
            trial._cached_frozen_trial, view, self._spec.objective, space, seed, environment, self._returned_file
        )

    def close(self) -> None:
        """End the fork server and everything below it."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def __enter__(self) -> AttemptRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _with_unheard(result: AttemptResult, unheard: Exception | None) -> AttemptResult:
    """The result, whose reason also says what of the attempt could not be stored after its last question."""
    if unheard is None:
        return result
    told = f"something that it told was not stored: {type(unheard).__name__}: {unheard}"
    return replace(result, reason=one_line("; ".join(filter(None, (result.reason, told)))))


def _branch_of(trial: Trial) -> Branch | None:
    return Branch.of(trial._cached_frozen_trial.system_attrs)


def _values_of(end: Mapping[str, Any] | None) -> dict[str, Any]:
    if end is None or end["end"] != Outcome.COMPLETE:
        return {}
    return {"values": tuple(end["values"]), "extra": end["extra"]}
