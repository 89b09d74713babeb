"""What is the same for every study that a worker serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from hpotool.settings import Pulse, read_pulse, writable_home_folder
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Run
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.study.outcome import Outcome
from hpotool.study.spec import RetrySpec
from hpotool.worker.devices.watch import DeviceWatch
from hpotool.worker.log import log_event
from hpotool.worker.loop import Departure
from hpotool.worker.membership.identity import identify_worker
from hpotool.worker.membership.side_threads import Step
from hpotool.worker.serving.options import WorkerOptions
from hpotool.worker.signals import Level, Stopping, describe_level

StopAnyAttempt = Callable[[Outcome, str, timedelta], None]
# The arguments: how to run a statement, the worker's id, what happened to its device, and why.
NoteDevice = Callable[[Run, str, Literal["failed", "recovered"], str], None]

_LOST_GRACE = timedelta(seconds=10)  # for an attempt on a device that is lost: its checkpoint may be in memory


@dataclass(frozen=True)
class WorkerContext:
    """A worker's options, and what it has made of them before it opens a study."""

    options: WorkerOptions
    pulse: Pulse
    home: Path
    storage: WorkerStorage
    stopping: Stopping
    watch: DeviceWatch | None

    @classmethod
    def create(
        cls,
        url: DatabaseUrl,
        options: WorkerOptions,
        stop_attempt: StopAnyAttempt,
        note_device: NoteDevice,
        retry: RetrySpec | None = None,
    ) -> WorkerContext:
        """Opens the storage, and starts nothing.

        Args:
            stop_attempt: called when a device of the worker is lost
            note_device: stores that a device is left alone, or used again
            retry: of the only study that it serves
        """
        pulse, home, stopping = read_pulse(), writable_home_folder(), Stopping()
        worker = identify_worker(options.slot.label)
        storage = WorkerStorage(url, worker, retry, give_up_after=options.give_up_after)
        watch = _new_watch(
            options, stop_attempt, lambda change, why: note_device(storage.run, worker.worker_id, change, why)
        )
        stopping.announce = lambda level, name: _announce(storage, level, name, options.grace)
        return cls(options, pulse, home, storage, stopping, watch)

    @property
    def worker_id(self) -> str:
        """The worker's name in the registry and in every log."""
        return self.storage.worker.worker_id

    @property
    def device_uuids(self) -> list[str]:
        """The UUIDs of the worker's GPUs."""
        return [device.uuid for device in self.options.slot.devices]

    @property
    def device_steps(self) -> Mapping[str, Step]:
        """What looks after the worker's devices in a side thread; empty if nobody does."""
        return {} if self.watch is None else {"devices": self.watch.step}

    def leave(self, departure: Departure) -> Departure:
        """Log why the worker leaves."""
        reason = departure.reason
        log_event("leave", f"leaving: {reason}", worker=self.worker_id, reason=reason)
        return departure


def _new_watch(
    options: WorkerOptions,
    stop_attempt: StopAnyAttempt,
    note: Callable[[Literal["failed", "recovered"], str], None],
) -> DeviceWatch | None:
    """Watches the devices of a slot; None if there are none."""
    if options.nvml is None or not options.slot.devices:
        return None
    return DeviceWatch(
        options.slot.devices,
        lambda reason: stop_attempt(Outcome.PREEMPTED, reason, _LOST_GRACE),
        lambda is_in_trouble, reason: note("failed" if is_in_trouble else "recovered", reason),
    )


def _announce(storage: WorkerStorage, level: Level, name: str, grace: timedelta) -> None:
    """Say at once what a signal means for the trial that runs."""
    attempt = storage.attempt
    said = describe_level(level, name, None if attempt is None else attempt.number, grace)
    if said is not None:
        log_event("told", said, told=level.name.lower(), signal=name)
