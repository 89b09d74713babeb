"""Puts a worker together and runs it: settings from the database, storage, sampler, pruner, attempts, loop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta

import optuna

from hpotool.search.fast_pruners import fast_pruner
from hpotool.search.pruners import build_pruner
from hpotool.search.samplers import sampler_for_worker
from hpotool.settings import home_folder, read_pulse
from hpotool.storage.attempts import follow_up_of
from hpotool.storage.connection import Connection
from hpotool.storage.control import end_worker, register_worker
from hpotool.storage.creation import read_spec
from hpotool.storage.schema import check_schema
from hpotool.storage.url import DatabaseUrl
from hpotool.storage.worker_storage import WorkerStorage
from hpotool.study.retry import decide_retry
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt import AttemptRunner
from hpotool.worker.budget_watch import BudgetWatch, check_price, has_watched_limits
from hpotool.worker.heartbeat import Heartbeat
from hpotool.worker.identity import has_left_this_host, identify_worker
from hpotool.worker.log import log_event
from hpotool.worker.loop import Departure, WorkerLoop
from hpotool.worker.reaper import Reaper
from hpotool.worker.side_threads import SideThreads
from hpotool.worker.signals import Stopping

STOP_GRACE = timedelta(seconds=30)


def run_worker(
    url: DatabaseUrl,
    study_name: str,
    slot: str,
    environment: Mapping[str, str],
    *,
    grace: timedelta = STOP_GRACE,
    give_up_after: timedelta | None = None,
) -> Departure:
    """Work on the study in this process until there is a reason to leave; the reason.

    Args:
        slot: what the worker works on, as people are shown it
        environment: what the attempts see beyond the worker's own environment: their devices
        grace: how long an attempt that is asked to stop may take to checkpoint
        give_up_after: how long the database may stay away before the worker leaves; None: for as long as it does

    Raises:
        NotFoundError: the study does not exist, or has no settings.
        InputError: the objective cannot be imported, or the sampler or pruner cannot be built.
        GaveUpError: the database stayed away for too long.
    """
    stopping = Stopping()
    with stopping.on_signals():
        with closing(Connection(url)) as connection:
            check_schema(connection)
            study_id, spec = read_spec(connection, study_name)
        check_price(spec.budget, slot)
        identity = identify_worker(slot)
        with AttemptRunner(spec, home_folder() / "logs" / study_name / identity.worker_id, environment) as runner:
            cold = runner.start()
            if cold is not None:
                log_event("cold", f"every attempt imports the objective anew: {cold}", logging.WARNING)
            storage = WorkerStorage(url, identity, spec.retry, give_up_after=give_up_after)
            register_worker(storage.run, study_id, identity)
            log_event("ready", f"{identity.worker_id} works on {study_name} ({slot})", worker=identity.worker_id)
            departure = _work(study_id, spec, storage, runner, stopping, grace)
            end_worker(storage.run, identity.worker_id, departure.reason)
    log_event("leave", f"leaving: {departure.reason}", worker=identity.worker_id, reason=departure.reason)
    return departure


def _work(
    study_id: int,
    spec: StudySpec,
    storage: WorkerStorage,
    runner: AttemptRunner,
    stopping: Stopping,
    grace: timedelta,
) -> Departure:
    rescued = storage.rescue_all(has_left_this_host)
    if rescued:
        log_event("rescue", f"sent {rescued} results that a worker left on this machine", results=rescued)
    study = optuna.load_study(
        study_name=spec.name,
        storage=storage,
        sampler=sampler_for_worker(spec.sampler, spec.search_space),
        pruner=fast_pruner(build_pruner(spec.pruner)),
    )
    pulse = read_pulse()
    loop = WorkerLoop(study, storage, runner, spec, stopping, grace)
    heartbeat = Heartbeat(
        storage.run,
        storage.worker,
        pulse.interval,
        current=lambda: storage.attempt,
        hear=loop.hear,
        on_outage=storage.spool_attempt,
    )
    reaper = Reaper(
        storage.run,
        study_id,
        storage.worker.worker_id,
        lambda outcome, history: follow_up_of(decide_retry(outcome, history, spec.retry)),
        interval=pulse.interval,
        grace=pulse.grace,
        current_attempt_id=lambda: storage.attempt.attempt_id if storage.attempt else None,
        rescue=storage.rescue,
    )
    watch = BudgetWatch(storage.run, study_id, spec, storage.worker.worker_id, pulse.interval)
    steps = {"heartbeat": heartbeat.step, "reaper": reaper.step, "budget": watch.step}
    with SideThreads(steps) as threads:

        def before_claim() -> None:
            threads.ensure_alive()
            if has_watched_limits(spec.budget):  # one that is added later is seen by the side thread
                watch.step()

        return loop.run(before_claim)
