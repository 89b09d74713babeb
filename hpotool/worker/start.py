"""Assembles a worker and runs it: settings from the database, storage, sampler, pruner, attempts, loop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import optuna

from hpotool.errors import EXIT_DONE
from hpotool.origins.origin import OriginWatch, make_reader
from hpotool.search.pruning.pruners import pruner_for_worker
from hpotool.search.samplers import sampler_for_worker
from hpotool.settings import read_pulse, study_folder_name, writable_home_folder
from hpotool.storage.control.creation import read_spec
from hpotool.storage.control.orders import read_settings
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import check_schema
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.quarantines import note_device
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.study.spec import StudySpec
from hpotool.worker.allowed import Allowed
from hpotool.worker.attempt.runner import AttemptResult, AttemptRunner
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store import CheckpointStore
from hpotool.worker.devices.gate import DeviceGate
from hpotool.worker.devices.memory_turn import turn_for_slot
from hpotool.worker.final_training.keeper import FinalKeeper
from hpotool.worker.gpu import DeviceMeter, Nvml, Slot
from hpotool.worker.log import log_event
from hpotool.worker.loop import Departure, WorkerLoop
from hpotool.worker.membership.budget_monitor import BudgetMonitor, check_price
from hpotool.worker.membership.identity import identify_worker
from hpotool.worker.membership.membership import Membership
from hpotool.worker.membership.regret_monitor import RegretMonitor
from hpotool.worker.membership.side_processes import SideProcesses
from hpotool.worker.origin import WorkerOrigin
from hpotool.worker.parts import (
    STOP_GRACE,
    announce,
    before_claim,
    compare_versions,
    forgive_nothing,
    load_study,
    new_branches,
    new_watch,
    open_search,
    order_more,
    side_environment,
)
from hpotool.worker.process.fork_server_handle import ImportInterrupted
from hpotool.worker.side_jobs import side_commands
from hpotool.worker.signals import Stopping


def run_worker(
    url: DatabaseUrl,
    study_name: str,
    slot: Slot,
    meter: DeviceMeter | None = None,
    *,
    checkpoints: str | None = None,
    grace: timedelta = STOP_GRACE,
    give_up_after: timedelta | None = None,
    has_breaker: bool = True,
    nvml: Nvml | None = None,
    allowed: Allowed = Allowed(),  # noqa: B008  (frozen)
    final: FinalTraining | None = None,
) -> Departure:
    """Run a worker in this process until there is a reason to leave; return the reason.

    Args:
        slot: what the worker works on
        meter: measures what its attempts take of their GPUs
        checkpoints: the folder or fsspec URL that keeps them; None: below the home folder of this machine
        grace: how long an attempt that is asked to stop may take to checkpoint
        give_up_after: how long the database may stay away before the worker leaves; None: for as long as it does
        has_breaker: whether it leaves when everything fails on it and on no other worker
        nvml: tells of the devices of the slot; None: nothing is asked about them
        allowed: what the study may name; nothing of it is imported before that is checked
        final: run only this trial

    Raises:
        NotFoundError: the study does not exist, or has no settings.
        InputError: the objective cannot be imported, the sampler or pruner cannot be created, or the study
            names code that is not allowed, or a trial takes more memory than one of the devices has.
        GaveUpError: the database outage lasted too long.
    """
    pulse = read_pulse()
    stopping = Stopping()
    with closing(Connection(url)) as connection:
        check_schema(connection)
        study_id, spec = read_spec(connection, study_name)
        settings = read_settings(connection.run, study_id)
    allowed.check(spec)
    check_price(spec.budget, slot.label)
    compare_versions(spec, settings.versions if settings else {})
    home = writable_home_folder()
    location = CheckpointLocation.parse(checkpoints or str(home / "checkpoints"))
    store = CheckpointStore(location, spec, home / "checkpoint-copies")
    sampler = sampler_for_worker(spec.sampler, spec.search_space)
    pruner = pruner_for_worker(spec.pruner)
    identity = identify_worker(slot.label)
    logs = home / "logs" / study_folder_name(study_name) / identity.worker_id
    turn = turn_for_slot(nvml, slot, spec.gpu_memory, f"{identity.worker_id} ({study_name})")
    storage = WorkerStorage(url, identity, spec.retry, give_up_after=give_up_after)
    gpus = [device.name for device in slot.devices]
    origin_watch = OriginWatch(spec, make_reader(spec, home), gpus, meter.driver if meter and gpus else None)
    origin = WorkerOrigin(storage, study_id, spec, origin_watch)
    origin.check()
    branches = new_branches(spec, sampler, storage, identity.worker_id)
    runner = AttemptRunner(
        spec,
        logs,
        slot.environment,
        meter,
        store,
        branches.unneeded_lineages if branches else None,
        final.keeper.folder if final else None,
    )
    watch = new_watch(slot, nvml, runner.stop, partial(note_device, storage.run, study_id, identity.worker_id))
    gate = DeviceGate(turn, watch)
    storage.apart_id = final.trial_id if final else None
    stopping.announce = lambda level, name: announce(storage, level, name, grace)
    with stopping.on_signals(), runner:
        stopping.listener = runner.interrupt_import  # the loop's, when there is one
        try:
            cold = runner.start(stopping.is_requested)
        except ImportInterrupted:
            return _leave(Departure(stopping.describe_reason(), stopping.exit_code), identity.worker_id)
        if cold is not None:
            log_event("cold", f"every attempt has to import the objective again: {cold}", logging.WARNING)
        study = load_study(storage, study_id, sampler, pruner)
        monitor = BudgetMonitor(storage.run, study_id, spec, identity.worker_id, pulse.interval)
        last_run = Connection(url).run
        regret = RegretMonitor(
            storage.run,
            last_run,
            study_id,
            identity.worker_id,
            pulse.interval,
            pulse.grace,
            lambda: monitor.spec,
            lambda: open_search(url, study_id),
        )
        side = SideProcesses(
            storage.run,
            last_run,
            study_id,
            identity.worker_id,
            side_commands(spec),
            side_environment(url),
            logs,
            pulse.grace,
            lambda: stopping.exit_code != EXIT_DONE,  # by a signal: whoever sent it waits
        )
        membership = Membership(
            storage,
            study_id,
            spec.retry,
            stopping,
            runner.stop_attempt,
            monitor,
            interval=pulse.interval,
            grace=pulse.grace,
            more_steps={**side.steps, "regret": regret.step, **({} if watch is None else {"devices": watch.step})},
            waits=lambda: gate.waits,
            devices=[device.uuid for device in slot.devices],
        )
        with side, membership, closing(regret):
            log_event(
                "ready",
                f"{identity.worker_id} works on {study_name} ({slot.label})",
                worker=identity.worker_id,
                study=study_name,
                slot=slot.label,
            )
            loop = WorkerLoop(
                study,
                storage,
                runner,
                spec,
                stopping,
                grace,
                membership,
                pulse.interval / 2,
                before_claim(sampler, storage, branches),
                has_breaker=has_breaker and spec.breaker == "on",
                order_more=lambda: order_more(storage, study_id, spec, identity.worker_id),
                keep=_keeping(final, spec),
                gate=gate,
                forgive=forgive_nothing if watch is None else watch.forgive,
                refuse=origin.before_claim,
            )
            with closing(gate):
                departure = loop.run()
            membership.end_reason = departure.reason
            side.is_over = bool(side.steps) and not membership.has_work_left()
    return _leave(departure, identity.worker_id)


@dataclass(frozen=True)
class FinalTraining:
    """The one trial that a worker is to run, and who keeps what it leaves."""

    trial_id: int
    keeper: FinalKeeper


def _keeping(final: FinalTraining | None, spec: StudySpec) -> Callable[[optuna.Trial, AttemptResult], None] | None:
    if final is None:
        return None
    names = [metric.name for metric in spec.metrics]

    def keep(trial: optuna.Trial, result: AttemptResult) -> None:
        if result.values is not None:
            final.keeper.keep(trial, dict(zip(names, result.values, strict=True)))

    return keep


def _leave(departure: Departure, worker_id: str) -> Departure:
    log_event("leave", f"leaving: {departure.reason}", worker=worker_id, reason=departure.reason)
    return departure
