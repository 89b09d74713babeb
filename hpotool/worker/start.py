"""A study's own worker: serves one study in this process, until there is a reason to leave."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import optuna

from hpotool.storage.control.creation import read_spec
from hpotool.storage.control.orders import read_settings
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import check_schema
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.quarantines import note_device
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt.runner import AttemptResult
from hpotool.worker.final_training.keeper import FinalKeeper
from hpotool.worker.log import log_event
from hpotool.worker.loop import Departure
from hpotool.worker.membership.membership import Membership
from hpotool.worker.process.fork_server_handle import ImportInterrupted
from hpotool.worker.serving.context import WorkerContext
from hpotool.worker.serving.options import WorkerOptions
from hpotool.worker.serving.served_study import ServedStudy


@dataclass(frozen=True)
class FinalTraining:
    """The one trial that a worker is to run, and who keeps what it leaves."""

    trial_id: int
    keeper: FinalKeeper


def run_worker(
    url: DatabaseUrl, study_name: str, options: WorkerOptions, final: FinalTraining | None = None
) -> Departure:
    """Run a worker in this process until there is a reason to leave; return the reason.

    Args:
        final: run only this trial

    Raises:
        NotFoundError: the study does not exist, or has no settings.
        InputError: the objective cannot be imported, the sampler or pruner cannot be created, or the study
            names code that is not allowed, or a trial takes more memory than one of the devices has.
        GaveUpError: the database outage lasted too long.
    """
    with closing(Connection(url)) as connection:
        check_schema(connection)
        study_id, spec = read_spec(connection, study_name)
        settings = read_settings(connection.run, study_id)
    worker = WorkerContext.create(
        url,
        options,
        lambda outcome, reason, grace: study.runner.stop(outcome, reason, grace),
        lambda run, worker_id, change, reason: note_device(run, study_id, worker_id, change, reason),
        spec.retry,
    )
    worker.storage.final_trial_id = final.trial_id if final else None
    versions, artifacts = settings.versions if settings else {}, final.keeper.folder if final else None
    study = ServedStudy(worker, study_id, spec, versions, artifacts)
    with worker.stopping.on_signals(), closing(study):
        try:
            study.start()
        except ImportInterrupted:
            stopping = worker.stopping
            return worker.leave(Departure(stopping.describe_reason(), stopping.exit_code))
        departure = _work(worker, study, final)
    return worker.leave(departure)


def _work(worker: WorkerContext, study: ServedStudy, final: FinalTraining | None) -> Departure:
    """Take part in the fleet and run trials until there is a reason to leave."""
    spec, slot, pulse = study.spec, worker.options.slot, worker.pulse
    with Membership(
        worker.storage,
        study.study_id,
        spec.retry,
        worker.stopping,
        study.runner.stop_attempt,
        study.monitor,
        interval=pulse.interval,
        grace=pulse.grace,
        more_steps={**study.steps, **worker.device_steps},
        waits=lambda: study.gate.waits,
        devices=worker.device_uuids,
    ) as membership:
        said = f"{worker.worker_id} works on {spec.name} ({slot.label})"
        log_event("ready", said, worker=worker.worker_id, study=spec.name, slot=slot.label)
        loop = study.new_loop(
            membership, pulse.interval / 2, keep=_keeping(final, spec), refuse=study.origin.before_claim
        )
        departure = loop.run()
        study.finish(membership.has_work_left)
        membership.end_reason = departure.reason
    return departure


def _keeping(final: FinalTraining | None, spec: StudySpec) -> Callable[[optuna.Trial, AttemptResult], None] | None:
    if final is None:
        return None
    names = [metric.name for metric in spec.metrics]

    def keep(trial: optuna.Trial, result: AttemptResult) -> None:
        if result.values is not None:
            final.keeper.keep(trial, dict(zip(names, result.values, strict=True)))

    return keep
