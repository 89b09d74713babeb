"""GPUs: which there are, which one a worker gets, whether somebody else uses it, what an attempt takes of it.

Devices are bound by UUID: CUDA counts by speed where NVML counts by slot, so "0" means different devices to the
two on a mixed machine. Nothing here touches CUDA; NVML, the driver's management library, is asked instead.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from hpotool.errors import InputError

IfBusy = Literal["wait", "skip", "share"]
_LOOKS_EVERY_S = 5.0
# What a driver holds on an idle device stays far below; where a container hides the processes of others, what
# they hold still shows.
_BUSY_SHARE_OF_MEMORY = 0.1


@dataclass(frozen=True)
class Device:
    """A GPU, or a MIG part of one. ``number`` counts what this worker may see, from 0."""

    number: int
    uuid: str
    name: str
    memory: int  # bytes


@dataclass(frozen=True)
class Slot:
    """What one worker works on: its devices (none for the CPU), a name for people, its attempts' environment."""

    label: str
    devices: tuple[Device, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Nvml:
    """The machine's GPUs as NVML sees them. Without a driver there are none, and ``missing`` says why.

    ``library`` has the functions of the module pynvml; it is replaced where there is no GPU to test with.
    """

    def __init__(self, library: Any = None) -> None:
        library = library or import_module("pynvml")
        self._library = library
        self.error: type[Exception] = library.NVMLError
        self.missing: str | None = None
        try:
            library.nvmlInit()
        except library.NVMLError as error:
            self.missing = str(error)

    def devices(self) -> list[Device]:
        """Every device, MIG parts in place of a device that is divided."""
        if self.missing is not None:
            return []
        library = self._library
        found: list[Device] = []
        for index in range(library.nvmlDeviceGetCount()):
            whole = library.nvmlDeviceGetHandleByIndex(index)
            for handle in self._parts(whole) or [whole]:
                uuid, name = _text(library.nvmlDeviceGetUUID(handle)), _text(library.nvmlDeviceGetName(handle))
                found.append(Device(len(found), uuid, name, library.nvmlDeviceGetMemoryInfo(handle).total))
        return found

    def is_busy(self, device: Device) -> bool:
        """Whether somebody uses the device."""
        handle = self._handle(device)
        memory = self._library.nvmlDeviceGetMemoryInfo(handle)
        return bool(self._processes(handle)) or memory.used > _BUSY_SHARE_OF_MEMORY * memory.total

    def memory_used(self, device: Device, pids: Sequence[int]) -> int:
        """Bytes that ``pids`` hold on the device; all that is in use where processes cannot be told apart."""
        handle = self._handle(device)
        processes = self._processes(handle)
        own = [process.usedGpuMemory or 0 for process in processes if process.pid in pids]
        return sum(own) if own else int(self._library.nvmlDeviceGetMemoryInfo(handle).used)

    def utilization(self, device: Device) -> int | None:
        """Percent of the last moment in which the device computed; None where it does not tell (MIG parts)."""
        try:
            return int(self._library.nvmlDeviceGetUtilizationRates(self._handle(device)).gpu)
        except self._library.NVMLError:
            return None

    def _handle(self, device: Device) -> Any:
        return self._library.nvmlDeviceGetHandleByUUID(device.uuid)

    def _processes(self, handle: Any) -> list[Any]:
        try:
            return list(self._library.nvmlDeviceGetComputeRunningProcesses(handle))
        except self._library.NVMLError:  # not permitted, or not known on this device
            return []

    def _parts(self, handle: Any) -> list[Any]:
        parts: list[Any] = []
        with contextlib.suppress(self._library.NVMLError):  # most devices do not know MIG
            current, _ = self._library.nvmlDeviceGetMigMode(handle)
            for index in range(self._library.nvmlDeviceGetMaxMigDeviceCount(handle) if current else 0):
                with contextlib.suppress(self._library.NVMLError):  # a place without a part
                    parts.append(self._library.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))
        return parts


def visible_devices(nvml: Nvml, environment: Mapping[str, str] = os.environ) -> list[Device]:
    """The devices that this process may use, in CUDA's order where CUDA_VISIBLE_DEVICES gives one."""
    devices = nvml.devices()
    allowed = environment.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return devices
    chosen = [_find(part.strip(), devices) for part in allowed.split(",") if part.strip()]
    return [Device(n, d.uuid, d.name, d.memory) for n, d in enumerate(d for d in chosen if d is not None)]


def choose_slots(option: str | None, nvml: Nvml, environment: Mapping[str, str] = os.environ) -> list[Slot]:
    """The slots that ``--gpu`` asks for: several for ``auto`` (one per device), else exactly one.

    ``none`` is the CPU; nothing is the only device, or the CPU where there is no device; ``0``, ``0,1``,
    ``GPU-…`` and ``MIG-…`` (a beginning of the UUID suffices) are devices, all of them for each trial.

    Raises:
        InputError: there is no such device, no driver, or nothing was said and there are several.
    """
    if option == "none":
        return [Slot("cpu", environment={"CUDA_VISIBLE_DEVICES": ""})]
    devices = visible_devices(nvml, environment)
    if option is None:
        if len(devices) > 1:
            raise InputError(
                f"this machine has {len(devices)} GPUs",
                "say which with --gpu 0, or --gpu auto for one worker on each, or --gpu none",
            )
        return [_slot(devices)] if devices else [Slot("cpu")]
    if not devices:
        why = f" ({nvml.missing})" if nvml.missing else ""
        raise InputError(f"--gpu {option}: no GPU can be used here{why}", "use --gpu none to work on the CPU")
    if option == "auto":
        return [_slot([device]) for device in devices]
    return [_slot([_known(part.strip(), devices) for part in option.split(",")])]


def wait_until_free(slots: Sequence[Slot], if_busy: IfBusy, nvml: Nvml, wait: Any = time.sleep) -> list[Slot]:
    """The slots that can be worked on now: ``share`` all, ``skip`` the free ones, ``wait`` until one is free.

    Raises:
        InputError: ``skip``, and every one is in use.
    """
    if if_busy == "share" or not any(slot.devices for slot in slots):
        return list(slots)
    while True:
        free = [slot for slot in slots if not any(nvml.is_busy(device) for device in slot.devices)]
        if free:
            return free
        if if_busy == "skip":
            named = ", ".join(slot.label for slot in slots)
            raise InputError(f"{named} is in use by others", "use --if-busy wait or --if-busy share")
        wait(_LOOKS_EVERY_S)


class DeviceMeter:
    """What one attempt takes of its devices: sampled while it runs."""

    def __init__(self, nvml: Nvml, slot: Slot) -> None:
        self._nvml = nvml
        self._devices = slot.devices
        self.reset()

    def reset(self) -> None:
        """Begin with a new attempt."""
        self.peak_memory: int | None = None
        self._utilizations: list[int] = []

    @property
    def mean_utilization(self) -> float | None:
        """Percent, over the samples; None without any."""
        return sum(self._utilizations) / len(self._utilizations) if self._utilizations else None

    def sample(self, pids: Sequence[int]) -> None:
        """Look at the devices; ``pids`` are the attempt's processes."""
        if not self._devices:
            return
        try:
            used = sum(self._nvml.memory_used(device, pids) for device in self._devices)
        except self._nvml.error:  # a device that fell off its bus: the attempt will say so itself
            return
        self.peak_memory = max(self.peak_memory or 0, used)
        rates = [rate for device in self._devices if (rate := self._nvml.utilization(device)) is not None]
        if rates:
            self._utilizations.append(round(sum(rates) / len(rates)))


def _slot(devices: Sequence[Device]) -> Slot:
    numbers = ",".join(str(device.number) for device in devices)
    # The name is what prices go by.
    label = f"gpu {numbers} ({', '.join(dict.fromkeys(device.name for device in devices))})"
    return Slot(label, tuple(devices), {"CUDA_VISIBLE_DEVICES": ",".join(device.uuid for device in devices)})


def _known(text: str, devices: Sequence[Device]) -> Device:
    device = _find(text, devices)
    if device is None:
        there = ", ".join(f"{device.number} ({device.name}, {device.uuid})" for device in devices)
        raise InputError(f"there is no GPU {text!r} here", f"there is {there}")
    return device


def _find(text: str, devices: Sequence[Device]) -> Device | None:
    if text.isdecimal():
        return devices[int(text)] if int(text) < len(devices) else None
    matching = [device for device in devices if text and device.uuid.startswith(text)]
    return matching[0] if len(matching) == 1 else None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value  # older drivers' bindings give bytes
