"""One study as a worker serves it: every collaborator of its trials is made here, and nowhere else.

A study's own worker has one of these, a pool's worker a few. A new collaborator beside the trials is one more line
in `ServedStudy._beside`; one that a trial asks is one more argument in `ServedStudy.new_loop`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import optuna

from hpotool.errors import EXIT_DONE
from hpotool.origins.origin import OriginWatch, make_reader
from hpotool.search.pruning.pruners import pruner_for_worker
from hpotool.search.samplers import sampler_for_worker
from hpotool.settings import study_folder_name
from hpotool.storage.database.connection import Connection
from hpotool.storage.fleet.attempts import NoTrial, Run
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt.runner import AttemptResult, AttemptRunner
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store import CheckpointStore
from hpotool.worker.devices.gate import DeviceGate
from hpotool.worker.devices.memory_turn import MemoryTurn, turn_for_slot
from hpotool.worker.log import log_event
from hpotool.worker.loop import IDLE_WAIT, Departure, WorkerLoop
from hpotool.worker.membership.budget_monitor import BudgetMonitor, check_price
from hpotool.worker.membership.membership import Membership
from hpotool.worker.membership.regret_monitor import RegretMonitor
from hpotool.worker.membership.side_processes import SideProcesses
from hpotool.worker.membership.side_threads import Step
from hpotool.worker.origin import WorkerOrigin
from hpotool.worker.serving.context import WorkerContext
from hpotool.worker.serving.parts import (
    before_claim,
    compare_versions,
    forgive_nothing,
    load_study,
    new_branches,
    open_search,
    order_more,
    side_environment,
)
from hpotool.worker.side_jobs import side_commands


class Companion(AbstractContextManager[object], Protocol):
    """Something that looks at a study beside its trials, from the first one to the last."""

    @property
    def steps(self) -> Mapping[str, Step]:
        """What a side thread calls, by name; nothing if there is nothing to do in this study."""


class ServedStudy:
    """One study on this worker, from `start` to `close`."""

    def __init__(
        self,
        worker: WorkerContext,
        study_id: int,
        spec: StudySpec,
        versions: Mapping[str, str],
        artifacts: Path | None = None,
    ) -> None:
        """Starts no process yet.

        Args:
            versions: what the study was created with
            artifacts: where a final training puts what it keeps

        Raises:
            InputError: this worker cannot or may not run the study, or a trial takes more memory than its GPU has.
        """
        self.study_id = study_id
        self.spec = spec
        self._worker = worker
        worker.options.allowed.check(spec)
        check_price(spec.budget, worker.options.slot.label)
        compare_versions(spec, versions)
        location = CheckpointLocation.parse(worker.options.checkpoints or str(worker.home / "checkpoints"))
        self.checkpoints = CheckpointStore(location, spec, worker.home / "checkpoint-copies")
        self._sampler = sampler_for_worker(spec.sampler, spec.search_space)
        self._pruner = pruner_for_worker(spec.pruner)
        self._logs = worker.home / "logs" / study_folder_name(spec.name) / worker.worker_id
        self.gate = DeviceGate(self._turn(), worker.watch)
        self.origin = WorkerOrigin(worker.storage, study_id, spec, self._watch_origin())
        self.origin.check()
        self._branches = new_branches(spec, self._sampler, worker.storage, worker.worker_id)
        self.runner = self._new_runner(artifacts)
        self.monitor = self._new_monitor()
        last_run = Connection(worker.storage.url).run
        self.side = self._new_side(last_run)
        # What looks at the study beside its trials. Entered in this order, left in the opposite one.
        self._beside: tuple[Companion, ...] = (self.side, self._new_regret(last_run))
        self._started = ExitStack()

    @property
    def steps(self) -> dict[str, Step]:
        """What side threads call while the study is served."""
        return {name: step for companion in self._beside for name, step in companion.steps.items()}

    def start(self) -> None:
        """Import the objective and open the study.

        Raises:
            InputError: that is not possible.
            NotFoundError: the study was deleted meanwhile.
            ImportInterrupted: the worker must leave.
        """
        self._started.callback(self.runner.close)
        stopping = self._worker.stopping
        stopping.listener = self.runner.interrupt_import  # the loop's, when there is one
        cold = self.runner.start(stopping.is_requested)
        if cold is not None:
            log_event("cold", f"every attempt has to import the objective again: {cold}", logging.WARNING)
        self._study = load_study(self._worker.storage, self.study_id, self._sampler, self._pruner)
        for companion in self._beside:
            self._started.enter_context(companion)

    def new_loop(
        self,
        membership: Membership,
        longest_idle_wait: timedelta = IDLE_WAIT,
        *,
        keep: Callable[[optuna.Trial, AttemptResult], None] | None = None,
        if_idle: Callable[[NoTrial], Departure | None] | None = None,
        refuse: Callable[[], Departure | None] = lambda: None,
    ) -> WorkerLoop:
        """The loop over the study's trials, once it has started; see `WorkerLoop` for the arguments."""
        worker, spec = self._worker, self.spec
        return WorkerLoop(
            self._study,
            worker.storage,
            self.runner,
            spec,
            worker.stopping,
            worker.options.grace,
            membership,
            longest_idle_wait,
            before_claim(self._sampler, worker.storage, self._branches),
            has_breaker=worker.options.has_breaker and spec.breaker == "on",
            order_more=self.order_more,
            keep=keep,
            if_idle=if_idle,
            gate=self.gate,
            forgive=forgive_nothing if worker.watch is None else worker.watch.forgive,
            refuse=refuse,
        )

    def go_on_with(self, spec: StudySpec) -> None:
        """Take over changed settings that the running collaborators need not know."""
        self.spec = spec
        self.monitor = self._new_monitor()

    def order_more(self) -> bool:
        """Look whether what is being confirmed is decided; True if more replicates wait now."""
        return order_more(self._worker.storage, self.study_id, self.spec, self._worker.worker_id)

    def finish(self, has_work_left: Callable[[], bool]) -> None:
        """No trial follows: let others use its GPU, and the jobs beside it send the rest if the study is over."""
        self.gate.close()
        self.side.is_over = bool(self.side.steps) and not has_work_left()

    def close(self) -> None:
        """End everything that runs for the study."""
        self.gate.close()
        self._started.close()

    def _turn(self) -> MemoryTurn | None:
        options = self._worker.options
        holder = f"{self._worker.worker_id} ({self.spec.name})"
        return turn_for_slot(options.nvml, options.slot, self.spec.gpu_memory, holder)

    def _watch_origin(self) -> OriginWatch:
        slot, meter = self._worker.options.slot, self._worker.options.meter
        gpus = [device.name for device in slot.devices]
        reader = make_reader(self.spec, self._worker.home)
        return OriginWatch(self.spec, reader, gpus, meter.driver if meter and gpus else None)

    def _new_runner(self, artifacts: Path | None) -> AttemptRunner:
        options = self._worker.options
        return AttemptRunner(
            self.spec,
            self._logs,
            options.slot.environment,
            options.meter,
            self.checkpoints,
            self._branches.unneeded_lineages if self._branches else None,
            artifacts,
        )

    def _new_monitor(self) -> BudgetMonitor:
        worker = self._worker
        return BudgetMonitor(worker.storage.run, self.study_id, self.spec, worker.worker_id, worker.pulse.interval)

    def _new_regret(self, last_run: Run) -> RegretMonitor:
        worker = self._worker
        return RegretMonitor(
            worker.storage.run,
            last_run,
            self.study_id,
            worker.worker_id,
            worker.pulse.interval,
            worker.pulse.grace,
            lambda: self.monitor.spec,
            lambda: open_search(worker.storage.url, self.study_id),
        )

    def _new_side(self, last_run: Run) -> SideProcesses:
        worker = self._worker
        return SideProcesses(
            worker.storage.run,
            last_run,
            self.study_id,
            worker.worker_id,
            side_commands(self.spec),
            side_environment(worker.storage.url),
            self._logs,
            worker.pulse.grace,
            lambda: worker.stopping.exit_code != EXIT_DONE,  # by a signal: whoever sent it waits
        )
