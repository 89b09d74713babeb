"""A study that a pool's worker has open: its process with the imported objective, its sampler, its history.

Opening one takes as long as the import of its objective, so a worker keeps the last few open between their turns.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from hpotool.errors import EXIT_DONE
from hpotool.origins.origin import OriginWatch, make_reader
from hpotool.search.pruning.pruners import pruner_for_worker
from hpotool.search.samplers import sampler_for_worker
from hpotool.settings import Pulse, study_folder_name
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import NoTrial
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.storage.pools.turns import PoolStudy
from hpotool.study.file.reader import read_study_data
from hpotool.study.spec import BudgetSpec, StudySpec
from hpotool.worker.allowed import Allowed
from hpotool.worker.attempt.runner import AttemptRunner
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store import CheckpointStore
from hpotool.worker.devices.gate import DeviceGate
from hpotool.worker.devices.memory_turn import turn_for_slot
from hpotool.worker.devices.watch import DeviceWatch
from hpotool.worker.gpu import DeviceMeter, Nvml, Slot
from hpotool.worker.log import log_event
from hpotool.worker.loop import Departure, WorkerLoop
from hpotool.worker.membership.budget_monitor import BudgetMonitor, check_price
from hpotool.worker.membership.regret_monitor import RegretMonitor
from hpotool.worker.membership.side_processes import SideProcesses
from hpotool.worker.origin import WorkerOrigin, refusal
from hpotool.worker.parts import (
    before_claim,
    compare_versions,
    forgive_nothing,
    load_study,
    new_branches,
    open_search,
    order_more,
    side_environment,
)
from hpotool.worker.pool.pool_membership import PoolMembership
from hpotool.worker.side_jobs import side_commands
from hpotool.worker.signals import Stopping


@dataclass(frozen=True)
class PoolSettings:
    """What is the same for every study that the worker serves."""

    url: DatabaseUrl
    slot: Slot
    meter: DeviceMeter | None
    nvml: Nvml | None
    watch: DeviceWatch | None
    home: Path
    checkpoints: str
    grace: timedelta
    pulse: Pulse
    has_breaker: bool
    allowed: Allowed


def works_alike(one: StudySpec, other: StudySpec) -> bool:
    """Whether a worker that has ``one`` open can go on with ``other``: they differ in what only claims read."""
    return _without_places(one) == _without_places(other)


def _without_places(spec: StudySpec) -> StudySpec:
    return replace(
        spec, pool=None, priority=0, weight=1.0, max_running=None, owner=None, preempt=False,
        budget=BudgetSpec(prices=spec.budget.prices), description=None, tags={},
    )  # fmt: skip


class OpenStudy:
    """One study on this worker, from `open` to `close`; the worker's thread takes its turns."""

    def __init__(
        self,
        study_id: int,
        known: PoolStudy,
        settings: PoolSettings,
        storage: WorkerStorage,
        membership: PoolMembership,
        stopping: Stopping,
    ) -> None:
        """Starts no process yet.

        Raises:
            InputError: this worker cannot or may not run the study, or a trial takes more memory than its GPU has.
            StudyFileError: a newer hpotool has stored settings that this one does not understand.
        """
        self.study_id = study_id
        self.spec = read_study_data(known.spec)
        self.version = -1  # of its place in the pool, when its settings were read
        self.refused: NoTrial | None = None  # why its last turn found nothing to claim
        self._known = known
        self._settings = settings
        self._storage = storage
        self._membership = membership
        self._stopping = stopping
        settings.allowed.check(self.spec)
        check_price(self.spec.budget, settings.slot.label)
        compare_versions(self.spec, known.versions)
        holder = f"{storage.worker.worker_id} ({self.spec.name})"
        turn = turn_for_slot(settings.nvml, settings.slot, self.spec.gpu_memory, holder)
        self._gate = DeviceGate(turn, settings.watch)
        self._origin = WorkerOrigin(storage, study_id, self.spec, self._watch_origin())
        self._origin.check()
        location = CheckpointLocation.parse(settings.checkpoints)
        self._store = CheckpointStore(location, self.spec, settings.home / "checkpoint-copies")
        self._sampler = sampler_for_worker(self.spec.sampler, self.spec.search_space)
        self._branches = new_branches(self.spec, self._sampler, storage, storage.worker.worker_id)
        self._logs = settings.home / "logs" / study_folder_name(self.spec.name) / storage.worker.worker_id
        self.runner = AttemptRunner(
            self.spec,
            self._logs,
            settings.slot.environment,
            settings.meter,
            self._store,
            self._branches.unneeded_lineages if self._branches else None,
        )

    def open(self) -> None:
        """Import the objective.

        Raises:
            InputError: that is not possible.
            NotFoundError: the study was deleted meanwhile.
            ImportInterrupted: the worker must leave.
        """
        self._stopping.listener = self.runner.interrupt_import
        cold = self.runner.start(self._stopping.is_requested)
        if cold is not None:
            log_event("cold", f"every attempt has to import the objective again: {cold}", logging.WARNING)
        spec, run, worker_id = self.spec, self._storage.run, self._storage.worker.worker_id
        self._study = load_study(self._storage, self.study_id, self._sampler, pruner_for_worker(spec.pruner))
        self._monitor = self._new_monitor()
        last_run = Connection(self._settings.url).run
        self._regret = RegretMonitor(
            run,
            last_run,
            self.study_id,
            worker_id,
            self._settings.pulse.interval,
            self._settings.pulse.grace,
            lambda: self.spec,
            lambda: open_search(self._settings.url, self.study_id),
        )
        self.side = SideProcesses(
            run,
            last_run,
            self.study_id,
            worker_id,
            side_commands(spec),
            side_environment(self._settings.url),
            self._logs,
            self._settings.pulse.grace,
            lambda: self._stopping.exit_code != EXIT_DONE,
        )
        self._loop = WorkerLoop(
            self._study,
            self._storage,
            self.runner,
            spec,
            self._stopping,
            self._settings.grace,
            self._membership,
            before_claim=before_claim(self._sampler, self._storage, self._branches),
            has_breaker=self._settings.has_breaker and spec.breaker == "on",
            order_more=self._order_more,
            if_idle=self._note_refusal,
            gate=self._gate,
            forgive=forgive_nothing if self._settings.watch is None else self._settings.watch.forgive,
        )

    def go_on_with(self, spec: StudySpec) -> None:
        """Take over settings that `works_alike`."""
        self.spec = spec
        self._monitor = self._new_monitor()

    def check_origin(self) -> None:
        """Look whether code or data have changed since its last turn.

        Raises:
            InputError: they differ from the study's, which is strict.
        """
        if self._origin.before_claim() is not None:
            raise refusal(self._origin.differences)

    def step(self) -> float:
        """Look after what runs beside its trials; return the seconds until the next look."""
        return min(self._regret.step(), self.side.step() if self.side.steps else math.inf)

    def take_turn(self) -> Departure | None:
        """Claim one trial and run it to its end; return why the worker should leave, if it should.

        Raises:
            GaveUpError: the database outage lasted longer than this worker may wait.
        """
        self.refused = None
        self._storage.turn_to(self.spec.retry)
        self._storage.origin = self._origin.hashes
        self._membership.serve(self.study_id, self.spec.retry, self._monitor)
        self._stopping.listener = self._loop.stop_attempt_if_asked
        self._loop.stop_attempt_if_asked()
        return self._loop.step()

    def has_checkpoint(self, root_number: int) -> bool:
        """Whether a lineage could go on from a checkpoint."""
        return self._store.has_checkpoint(root_number)

    @property
    def is_in_line(self) -> bool:
        """Whether its next trial waits only for the memory of other trials on the worker's GPUs."""
        return self._gate.is_in_line

    def leave_line(self) -> None:
        """Let others go first on the GPUs: the worker turns to another study."""
        self._gate.close()

    def close(self, has_work_left: Callable[[], bool]) -> None:
        """End its processes; jobs beside the trials may send the rest if the study is over."""
        self.leave_line()
        self.runner.close()
        self._regret.close()
        if self.side.steps:
            self._membership.serve(self.study_id, self.spec.retry, self._monitor)
            self.side.is_over = not has_work_left()
        with self.side:
            pass

    def _watch_origin(self) -> OriginWatch:
        slot, meter = self._settings.slot, self._settings.meter
        gpus = [device.name for device in slot.devices]
        reader = make_reader(self.spec, self._settings.home)
        return OriginWatch(self.spec, reader, gpus, meter.driver if meter and gpus else None)

    def _new_monitor(self) -> BudgetMonitor:
        worker_id, interval = self._storage.worker.worker_id, self._settings.pulse.interval
        return BudgetMonitor(self._storage.run, self.study_id, self.spec, worker_id, interval)

    def _order_more(self) -> bool:
        return order_more(self._storage, self.study_id, self.spec, self._storage.worker.worker_id)

    def _note_refusal(self, answer: NoTrial) -> None:
        if answer.kind != "done" or not self._order_more():
            self.refused = answer
