"""GPUs: lists them, selects one for a worker, checks whether it is in use, and measures an attempt's usage.

Devices are assigned by UUID: CUDA numbers them by speed and NVML by slot, so "0" can mean different devices on a
mixed machine. This module uses NVML, the driver's management library, and never CUDA.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal

from hpotool.errors import InputError
from hpotool.study.rules.packing import Capacity

IfBusy = Literal["wait", "skip", "share"]
_LOOKS_EVERY_S = 5.0
# A driver's own usage of an idle device is far below this. If a container hides other processes, their memory is
# still visible.
_BUSY_SHARE_OF_MEMORY = 0.1


@dataclass(frozen=True)
class Device:
    """A GPU, or a MIG part of one. ``number`` is its index among the devices this worker may see, from 0.

    ``trouble``: why it does not answer. It keeps its place, so that the others keep their numbers.
    """

    number: int
    uuid: str
    name: str
    memory: int  # bytes
    trouble: str = ""


@dataclass(frozen=True)
class Slot:
    """The devices of one worker (none for the CPU), with a name for people and its attempts' environment."""

    label: str
    devices: tuple[Device, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Nvml:
    """The machine's GPUs according to NVML. Without a driver there are none, and ``missing`` says why.

    ``library`` has the functions of the module pynvml; tests replace it on machines without a GPU.
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
        """All devices, with MIG parts in place of a divided device."""
        if self.missing is not None:
            return []
        library = self._library
        found: list[Device] = []
        for index in range(library.nvmlDeviceGetCount()):
            try:
                whole = library.nvmlDeviceGetHandleByIndex(index)
            except library.NVMLError as error:  # it has fallen off its bus, and nobody knows its name any more
                found.append(Device(len(found), "", "does not answer", 0, str(error)))
                continue
            for handle in self._parts(whole) or [whole]:
                found.append(self._describe(len(found), handle))
        return found

    def _describe(self, number: int, handle: Any) -> Device:
        library = self._library
        uuid = name = ""
        try:
            uuid, name = _text(library.nvmlDeviceGetUUID(handle)), _text(library.nvmlDeviceGetName(handle))
            return Device(number, uuid, name, library.nvmlDeviceGetMemoryInfo(handle).total)
        except library.NVMLError as error:
            return Device(number, uuid, name or "does not answer", 0, str(error))

    def is_busy(self, device: Device) -> bool:
        """Whether another process uses the device."""
        handle = self._handle(device)
        memory = self._library.nvmlDeviceGetMemoryInfo(handle)
        return bool(self._processes(handle)) or memory.used > _BUSY_SHARE_OF_MEMORY * memory.total

    def memory_used(self, device: Device, pids: Sequence[int]) -> int:
        """Bytes that ``pids`` use on the device; all bytes in use if processes cannot be told apart."""
        handle = self._handle(device)
        processes = self._processes(handle)
        own = [process.usedGpuMemory or 0 for process in processes if process.pid in pids]
        return sum(own) if own else int(self._library.nvmlDeviceGetMemoryInfo(handle).used)

    def capacity(self, device: Device) -> Capacity:
        """The device's memory that programs can use, and the part of it in use, without the driver's own."""
        handle, library = self._handle(device), self._library
        memory = library.nvmlDeviceGetMemoryInfo(handle)
        # Only the second version of this structure tells what the driver keeps for itself; older drivers lack it.
        with contextlib.suppress(AttributeError, library.NVMLError):
            second = library.nvmlDeviceGetMemoryInfo(handle, version=library.nvmlMemory_v2)
            return Capacity(int(second.total - second.reserved), int(second.used))
        return Capacity(int(memory.total), int(memory.used))

    def utilization(self, device: Device) -> int | None:
        """Recent utilization of the device in percent; None if not available (MIG parts)."""
        try:
            return int(self._library.nvmlDeviceGetUtilizationRates(self._handle(device)).gpu)
        except self._library.NVMLError:
            return None

    @property
    def driver(self) -> str | None:
        """The driver's version; None without one."""
        try:
            return None if self.missing else _text(self._library.nvmlSystemGetDriverVersion())
        except self._library.NVMLError:
            return None

    def _handle(self, device: Device) -> Any:
        return self._library.nvmlDeviceGetHandleByUUID(device.uuid)

    def _processes(self, handle: Any) -> list[Any]:
        try:
            return list(self._library.nvmlDeviceGetComputeRunningProcesses(handle))
        except self._library.NVMLError:  # not permitted, or not supported by this device
            return []

    def _parts(self, handle: Any) -> list[Any]:
        parts: list[Any] = []
        with contextlib.suppress(self._library.NVMLError):  # most devices do not support MIG
            current, _ = self._library.nvmlDeviceGetMigMode(handle)
            for index in range(self._library.nvmlDeviceGetMaxMigDeviceCount(handle) if current else 0):
                with contextlib.suppress(self._library.NVMLError):  # an empty MIG slot
                    parts.append(self._library.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))
        return parts


def visible_devices(nvml: Nvml, environment: Mapping[str, str] = os.environ) -> list[Device]:
    """The devices that CUDA lets this process use, in the order of CUDA_VISIBLE_DEVICES if that is set.

    As CUDA reads it, the list ends before the first entry that is no device here (``0,-1,1`` is device 0), and one
    that names a device twice allows none.
    """
    devices = nvml.devices()
    allowed = environment.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return devices
    chosen = _named(allowed, devices)
    return [] if _repeated(chosen) else [replace(device, number=number) for number, device in enumerate(chosen)]


def find_repeated(nvml: Nvml, environment: Mapping[str, str] = os.environ) -> Device | None:
    """The device that CUDA_VISIBLE_DEVICES names twice, so that CUDA allows none at all; None: there is none."""
    return _repeated(_named(environment.get("CUDA_VISIBLE_DEVICES", ""), nvml.devices()))


def choose_slots(option: str | None, nvml: Nvml, environment: Mapping[str, str] = os.environ) -> list[Slot]:
    """The slots for ``--gpu``: one per device for ``auto``, else exactly one.

    ``none`` is the CPU. Without the option, it is the only device, or the CPU if there is none. ``0``, ``0,1``,
    ``GPU-…`` and ``MIG-…`` (the beginning of the UUID is enough) are devices, all of them for each trial.

    Raises:
        InputError: there is no such device or no driver, one is named twice, or the option is missing where there
            are several.
    """
    if option == "none":
        return [Slot("cpu", environment={"CUDA_VISIBLE_DEVICES": ""})]
    twice = find_repeated(nvml, environment)
    if twice is not None:
        raise InputError(
            f"CUDA_VISIBLE_DEVICES={environment['CUDA_VISIBLE_DEVICES']} names gpu {twice.number} twice, "
            "for which CUDA uses no GPU at all",
            "name each once, or use --gpu none to work on the CPU",
        )
    devices = visible_devices(nvml, environment)
    if option is None:
        if len(devices) > 1:
            raise InputError(
                f"this machine has {len(devices)} GPUs",
                "choose with --gpu 0, --gpu auto for one worker on each, or --gpu none",
            )
        return [_slot([_answering(device) for device in devices])] if devices else [Slot("cpu")]
    if not devices:
        why = f" ({nvml.missing})" if nvml.missing else ""
        raise InputError(f"--gpu {option}: no GPU can be used here{why}", "use --gpu none to work on the CPU")
    if option == "auto" and any(not device.trouble for device in devices):
        return [_slot([device]) for device in devices if not device.trouble]
    wanted = ["0"] if option == "auto" else option.split(",")
    chosen = [_answering(_known(part.strip(), devices)) for part in wanted]
    twice = _repeated(chosen)
    if twice is not None:
        once = ",".join(str(number) for number in dict.fromkeys(device.number for device in chosen))
        raise InputError(f"--gpu {option} names gpu {twice.number} twice", f"--gpu {once}")
    return [_slot(chosen)]


def wait_until_free(slots: Sequence[Slot], if_busy: IfBusy, nvml: Nvml, wait: Any = time.sleep) -> list[Slot]:
    """The slots to use now: all (``share``), the free ones (``skip``), or one that becomes free (``wait``).

    Raises:
        InputError: with ``skip``, if every device is in use.
    """
    if if_busy == "share" or not any(slot.devices for slot in slots):
        return list(slots)
    while True:
        free = [slot for slot in slots if not any(nvml.is_busy(device) for device in slot.devices)]
        if free:
            return free
        if if_busy == "skip":
            named = ", ".join(slot.label for slot in slots)
            raise InputError(f"{named} is in use by other processes", "use --if-busy wait or --if-busy share")
        wait(_LOOKS_EVERY_S)


class DeviceMeter:
    """An attempt's usage of its devices, sampled while it runs."""

    def __init__(self, nvml: Nvml, slot: Slot) -> None:
        self._nvml = nvml
        self._devices = slot.devices
        self.reset()

    @property
    def driver(self) -> str | None:
        """The version of the devices' driver."""
        return self._nvml.driver

    def reset(self) -> None:
        """Start measuring a new attempt."""
        self.peak_memory: int | None = None
        self._utilizations: list[int] = []

    @property
    def mean_utilization(self) -> float | None:
        """Mean utilization in percent; None without samples."""
        return sum(self._utilizations) / len(self._utilizations) if self._utilizations else None

    def sample(self, pids: Sequence[int]) -> None:
        """Take a sample; ``pids`` are the attempt's processes."""
        if not self._devices:
            return
        try:
            used = sum(self._nvml.memory_used(device, pids) for device in self._devices)
        except self._nvml.error:  # a device that fell off its bus: the attempt itself will report it
            return
        self.peak_memory = max(self.peak_memory or 0, used)
        rates = [rate for device in self._devices if (rate := self._nvml.utilization(device)) is not None]
        if rates:
            self._utilizations.append(round(sum(rates) / len(rates)))


def _slot(devices: Sequence[Device]) -> Slot:
    numbers = ",".join(str(device.number) for device in devices)
    # Prices are matched against this name.
    label = f"gpu {numbers} ({', '.join(dict.fromkeys(device.name for device in devices))})"
    return Slot(label, tuple(devices), {"CUDA_VISIBLE_DEVICES": ",".join(device.uuid for device in devices)})


def _answering(device: Device) -> Device:
    if device.trouble:
        raise InputError(
            f"gpu {device.number} does not answer: {device.trouble}",
            "nvidia-smi shows it; nvidia-smi --gpu-reset or a restart of the machine may bring it back",
        )
    return device


def _known(text: str, devices: Sequence[Device]) -> Device:
    device = _find(text, devices)
    if device is None:
        there = ", ".join(f"{device.number} ({device.name}, {device.uuid})" for device in devices)
        raise InputError(f"there is no GPU {text!r} here", f"there is {there}")
    return device


def _named(allowed: str, devices: Sequence[Device]) -> list[Device]:
    """The devices that a list names, up to the first entry that is none."""
    found: list[Device] = []
    for part in allowed.split(","):
        device = _find(part.strip(), devices)
        if device is None:
            break
        found.append(device)
    return found


def _repeated(devices: Sequence[Device]) -> Device | None:
    return next((device for place, device in enumerate(devices) if device in devices[:place]), None)


def _find(text: str, devices: Sequence[Device]) -> Device | None:
    if text.isdecimal():
        return devices[int(text)] if int(text) < len(devices) else None
    matching = [device for device in devices if text and device.uuid.startswith(text)]
    return matching[0] if len(matching) == 1 else None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value  # older drivers' bindings give bytes
