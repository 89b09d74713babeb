"""A worker's turn on the GPUs that it shares: its trial starts when its memory fits on each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpotool.errors import InputError
from hpotool.study.rules.packing import Wait, judge_fit
from hpotool.study.units import format_size
from hpotool.worker.devices.promises import BusyDeviceError, Promise, device_folder
from hpotool.worker.gpu import Device, Nvml, Slot

# A driver frees the memory of a process that has just ended, the worker's last attempt for one, within moments.
_LOOKS_AGAIN_S = (0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True)
class _Share:
    """One of the worker's devices, and its promise there."""

    device: Device
    promise: Promise


class MemoryTurn:
    """The promises of one worker, one on each of its devices: all of them are held, or none."""

    def __init__(
        self,
        nvml: Nvml,
        devices: Sequence[Device],
        memory: int,
        holder: str,
        folder: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Asks for nothing yet.

        Raises:
            InputError: a trial can never fit on one of the devices, or their folder cannot be used.
        """
        check_fit(nvml, devices, memory)
        self._nvml = nvml
        self._sleep = sleep
        # In one order for all workers, so that no two hold what the other one needs.
        self._shares = [
            _Share(device, Promise(device_folder(device.uuid, folder), memory, holder))
            for device in sorted(devices, key=lambda each: each.uuid)
        ]

    def take(self) -> str | None:
        """Take the turn, or say why it has to wait; a worker that waits keeps its place in the line."""
        for pause in (*_LOOKS_AGAIN_S, 0.0):
            waits = self._ask()
            if waits is None or waits[1].standing != "crowded" or not pause:
                break
            self._sleep(pause)
        return None if waits is None else f"gpu {waits[0].number}: {waits[1].reason}"

    @property
    def is_in_line(self) -> bool:
        """Whether it waits for other trials' memory, and comes first after a while."""
        return any(share.promise.is_in_line for share in self._shares)

    def give_back(self) -> None:
        """Let the other workers of the devices have it."""
        for share in self._shares:
            share.promise.give_back()

    def _ask(self) -> tuple[Device, Wait] | None:
        """The first device on which there is no room; what was taken on others before is given back."""
        for place, share in enumerate(self._shares):
            wait = self._ask_one(share)
            if wait is not None:
                for earlier in self._shares[:place]:
                    earlier.promise.give_back()
                return share.device, wait
        return None

    def _ask_one(self, share: _Share) -> Wait | None:
        try:
            return share.promise.ask(self._nvml.capacity(share.device))
        except BusyDeviceError:
            return Wait("queued", "another worker of this machine, which may be suspended, holds its list")
        except self._nvml.error as error:
            return Wait("queued", f"its driver does not say how much memory is free: {error}")
        except OSError as error:
            return Wait("queued", f"its promises cannot be read: {error}")


def check_fit(nvml: Nvml, devices: Sequence[Device], memory: int) -> None:
    """Refuse trials that can never start.

    Raises:
        InputError: a trial takes more than one of the devices has.
    """
    for device in devices:
        try:
            why = judge_fit(memory, nvml.capacity(device).usable)
        except nvml.error as error:
            raise InputError(
                f"gpu {device.number} ({device.name}) does not say how much memory it has: {error}",
                "nvidia-smi must work first; or leave gpu_memory out of the study file",
            ) from None
        if why is not None:
            raise InputError(
                f"gpu {device.number} ({device.name}) {why} (gpu_memory: {format_size(memory)})",
                "choose a larger device with --gpu, or lower gpu_memory in the study file",
            )


def turn_for_slot(nvml: Nvml | None, slot: Slot, memory: int | None, holder: str) -> MemoryTurn | None:
    """The turn of a worker; None without ``gpu_memory``, and for workers without a GPU.

    Raises:
        InputError: a trial can never fit.
    """
    if memory is None or nvml is None or not slot.devices:
        return None
    return MemoryTurn(nvml, slot.devices, memory, holder)
