"""What a worker may do beside its trials, for all workers: what `tracking` and `notify` in the study file name."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from hpotool.errors import HpotoolError
from hpotool.settings import read_pulse
from hpotool.storage.fleet.attempts import Run
from hpotool.storage.tracking.jobs import Job
from hpotool.study.spec import StudySpec
from hpotool.tracking.notify.addresses import read_addresses
from hpotool.tracking.notify.notifier import JOB_NAME, Notifier
from hpotool.tracking.notify.send import Sender
from hpotool.tracking.targets.open import Destination, destinations_of
from hpotool.worker.log import log_event
from hpotool.worker.membership.side_processes import SideCommand


def side_commands(spec: StudySpec) -> list[SideCommand]:
    """The jobs of the study that this worker is able to do; what keeps it from one is said, and ends nothing."""
    exports = [_export(destination) for destination in destinations_of(spec.tracking)]
    return [*exports, *_notify(spec)]


def _export(destination: Destination) -> SideCommand:
    words = ["track", "--to", destination.tracker, "--address", destination.address]
    if destination.experiment is not None:
        words += ["--experiment", destination.experiment]
    return SideCommand(destination.job, tuple(words))


def _notify(spec: StudySpec) -> list[SideCommand]:
    if not spec.notify.events:
        return []
    try:
        addresses = read_addresses()
    except HpotoolError as error:
        log_event("side", f"nobody is told anything by this worker: {error.message}", logging.WARNING)
        return []
    if not addresses:
        return []
    return [SideCommand(JOB_NAME, ("notify",), lambda run, job: _look_last(run, job, addresses))]


def _look_last(run: Run, job: Job, addresses: Sequence[str]) -> None:
    notifier = Notifier(run, job, Sender(addresses), read_pulse().grace, threading.Event())
    notifier.watch("sent", is_workers_last_look=True)
