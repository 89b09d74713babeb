"""One running attempt: its identity, the requests to it, and its end.

Promises: a request reaches this attempt and no other, at whatever moment it is made; the first request to end it
determines the outcome; when ``run_child`` has returned or raised, no process of the attempt is left.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from optuna import Trial
from optuna.exceptions import UpdateFinishedTrialError

from hpotool.study.outcome import Outcome
from hpotool.study.spec import ObjectiveSpec
from hpotool.worker.attempt.in_process import call_in_process
from hpotool.worker.attempt.memory_pressure import count_memory_kills
from hpotool.worker.attempt.monitor import AttemptMonitor
from hpotool.worker.attempt.trial_server import TrialServer
from hpotool.worker.gpu import DeviceMeter
from hpotool.worker.process.channel import Channel, ChannelClosed, ChannelGarbled, channel_pair
from hpotool.worker.process.classify_end import Cause, classify_end
from hpotool.worker.process.fork_server_handle import ForkServerHandle
from hpotool.worker.process.log_file import LogFolder, tail_of
from hpotool.worker.process.protocol import Job, read_message

_UNSAID = "the objective had closed its process's socket to the worker; its return value was read from disk"
TAKEN_AWAY = Cause(Outcome.CANCELLED, "its trial now belongs to another attempt")


@dataclass(frozen=True)
class AttemptResult:
    """How an attempt ended.

    ``values`` are set exactly if ``outcome`` is COMPLETE, in the order of the study's metrics. ``extra`` are the
    other returned entries, which become attributes of the trial. ``reason`` is one sentence, ``output_tail`` the
    last lines of the attempt's output.
    """

    outcome: Outcome
    reason: str | None = None
    values: tuple[float, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    is_infeasible: bool = False  # memory ran out, and the study file says that the sampler should learn this
    output_tail: str = ""
    log: Path | None = None
    duration: timedelta = timedelta(0)
    peak_memory: int | None = None  # bytes, of the whole process tree, as sampled
    gpu_peak_memory: int | None = None  # bytes, of all its devices together, as sampled
    gpu_utilization: float | None = None  # percent, mean over its devices and samples
    left_behind: int = 0  # number of processes that the objective left running and that were killed
    broke: str | None = None  # the worker's own error, if that ended the attempt rather than the objective

    @property
    def is_answer(self) -> bool:
        """Whether the trial has a result that counts: finished, or infeasible in a study that learns from that."""
        return self.outcome.is_finished or self.is_infeasible


class RunningAttempt:
    """One attempt, from before its start until its result. ``stop`` is safe in any thread and signal handler."""

    def __init__(
        self,
        trial: Trial,
        attempt_id: str = "",
        *,
        seed: int | None = None,
        root_number: int | None = None,
        begins_anew: bool = False,
        returned_file: Path | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            trial: the trial to run
            attempt_id: identifies it for orders
            seed: for the objective's random numbers; without one, they differ between attempts
            root_number: the lineage's first trial, whose checkpoints this attempt resumes from; None: itself
            begins_anew: earlier checkpoints were made with other parameters and must not be used
            returned_file: the file to which the attempt's process writes the return value before it tells us
        """
        self.trial = trial
        self.attempt_id = attempt_id
        self.seed = seed
        self.root_number = trial.number if root_number is None else root_number
        self.begins_anew = begins_anew
        self.returned_file = returned_file
        self.result: AttemptResult | None = None  # set as soon as it is known, whatever fails afterwards
        self._asked: tuple[Cause, timedelta] | None = None
        self._monitor: AttemptMonitor | None = None

    @property
    def asked(self) -> Cause | None:
        """Why the attempt was asked to stop, and the resulting outcome; None if it was not."""
        return None if self._asked is None else self._asked[0]

    def is_asked_to_stop(self) -> bool:
        """Whether the attempt was asked to stop."""
        return self._asked is not None

    def stop(self, outcome: Outcome, reason: str, grace: timedelta = timedelta(0)) -> None:
        """Ask the attempt to save a checkpoint and stop, and end it after ``grace`` with this outcome.

        A value that the objective returns in that time still counts. The first outcome is kept; a shorter grace
        applies.
        """
        cause = Cause(outcome, reason)
        # In this order, because run_child reads them in the opposite order, so that no request in between is lost.
        self._asked = (self._asked or (cause, grace))[0], grace
        monitor = self._monitor
        if monitor is not None:
            monitor.stop(outcome, reason, grace)

    def run_child(
        self,
        fork_server: ForkServerHandle,
        job: Job,
        server: TrialServer,
        logs: LogFolder,
        log: Path,
        limits: ObjectiveSpec,
        meter: DeviceMeter | None,
    ) -> AttemptResult:
        """Run the job in a child of the fork server until it ends."""
        ours, theirs = channel_pair()
        memory_kills = count_memory_kills()
        with AttemptMonitor(fork_server, ours, limits, meter) as monitor:
            with contextlib.closing(theirs):
                _start(fork_server, replace(job, address=monitor.address), theirs, logs.open(log))
            self._monitor = monitor
            if self._asked is not None:
                cause, grace = self._asked
                monitor.stop(cause.outcome, cause.reason, grace)
            try:
                _serve(monitor, server)
            finally:
                self._monitor = None
        output = tail_of(log)
        end = monitor.end or _left_on_disk(job.returned_file)
        outcome, reason = classify_end(
            end, monitor.cause, monitor.status, output, count_memory_kills() > memory_kills
        )
        return AttemptResult(
            outcome,
            reason,
            output_tail=output,
            log=log,
            peak_memory=monitor.peak_memory or None,
            gpu_peak_memory=meter.peak_memory if meter else None,
            gpu_utilization=meter.mean_utilization if meter else None,
            left_behind=monitor.left_behind,
            **_values_of(end),
        )

    def run_here(self, job: Job, server: TrialServer, objective: ObjectiveSpec) -> AttemptResult:
        """Run the job in this process until it ends; only the objective itself can end it."""
        end = call_in_process(job, objective, server, self)
        outcome, reason = classify_end(end, self.asked, None, "", killed_for_memory=False)
        return AttemptResult(outcome, reason, **_values_of(end))


def _start(fork_server: ForkServerHandle, job: Job, channel: Channel, log_fd: int) -> None:
    try:
        fork_server.start(job, channel, log_fd)
    finally:
        os.close(log_fd)


def _serve(monitor: AttemptMonitor, server: TrialServer) -> None:
    for request, channel in monitor.requests():
        try:
            answer, error = server.answer(request)
        except UpdateFinishedTrialError:
            monitor.stop(TAKEN_AWAY.outcome, TAKEN_AWAY.reason, timedelta(0))
            continue
        if "id" in request:
            with contextlib.suppress(ChannelClosed, OSError):  # it has ended in the meantime
                channel.send_pickle((request["id"], answer, error))


def _left_on_disk(returned_file: Path | None) -> dict[str, Any] | None:
    """The end of an attempt that returned but could not report it, because its objective had closed the socket."""
    try:
        returned = json.loads(returned_file.read_text()) if returned_file is not None else None
        end = {"end": Outcome.COMPLETE.value, "reason": _UNSAID, "at": 0, **(returned or {})}
        return None if returned is None else read_message(json.dumps(end).encode())
    except (OSError, ValueError, ChannelGarbled):
        return None


def _values_of(end: Mapping[str, Any] | None) -> dict[str, Any]:
    if end is None or end["end"] != Outcome.COMPLETE:
        return {}
    return {"values": tuple(end["values"]), "extra": end["extra"]}
