"""What a worker is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from hpotool.worker.allowed import Allowed
from hpotool.worker.gpu import DeviceMeter, Nvml, Slot

STOP_GRACE = timedelta(seconds=30)


@dataclass(frozen=True)
class WorkerOptions:
    """The choices of whoever starts a worker of a study or of a pool.

    Attributes:
        slot: what the worker works on
        meter: measures what its attempts take of their GPUs
        nvml: tells of the devices of the slot; None: nothing is asked about them
        checkpoints: the folder or fsspec URL that keeps them; None: below the home folder of this machine
        grace: how long an attempt that is asked to stop may take to checkpoint
        give_up_after: how long the database may stay away before the worker leaves; None: for as long as it does
        has_breaker: whether it leaves when everything fails on it and on no other worker
        allowed: what a study may name; nothing of it is imported before that is checked
    """

    slot: Slot
    meter: DeviceMeter | None = None
    nvml: Nvml | None = None
    checkpoints: str | None = None
    grace: timedelta = STOP_GRACE
    give_up_after: timedelta | None = None
    has_breaker: bool = True
    allowed: Allowed = field(default_factory=Allowed)
