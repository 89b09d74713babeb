"""Errors of GPUs: what a driver and the kernel's log say of a device, and what that means for trials.

The facts are read in a process of its own (`hpotool.worker.devices.probe`), because a driver in trouble may never
answer. Which errors call for a reset is NVIDIA's word: the catalogue of XIDs, and its guide to memory errors.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hpotool.study.outcome import Outcome
from hpotool.study.rules.quarantine import FAILURES

KERNEL_LOG = Path("/dev/kmsg")
_RECORD = 8192  # the longest record that the kernel writes
_XID = re.compile(r"NVRM: Xid \(PCI:([0-9A-Fa-f:.]+)\): (\d+)")
# Errors of the device. Those of programs (13, 31, 43, 45 and others) say nothing about it.
_XIDS = {
    48: "an uncorrected memory error",
    62: "its controller halted",
    64: "its memory could not be repaired",
    74: "an NVLink error",
    79: "it has fallen off the bus",
    94: "a contained memory error",
    95: "an uncontained memory error",
    119: "its system processor does not answer",
    120: "its system processor failed",
    140: "an unrecovered memory error",
}
_RESET = "reset it (nvidia-smi --gpu-reset) or restart the machine"

# ``lost``: it will not run anything. ``errors``: it may return wrong results. ``hot``: it is slowed down, and will
# recover. ``silent``: its driver does not answer.
Kind = Literal["lost", "errors", "hot", "silent"]


@dataclass(frozen=True)
class Health:
    """What is known of a device. None: it cannot tell.

    Attributes:
        error: why the driver does not say anything about it.
        uncorrected: uncorrected memory errors since the driver was loaded or the device was reset.
        repair: what is to be repaired in its memory: ``pending`` with the next reset, or ``failed``.
        is_hot: the hardware slows it down because of its temperature.
        xids: the device's own errors in the kernel's log.
    """

    error: str | None = None
    is_lost: bool = False
    uncorrected: int | None = None
    repair: Literal["pending", "failed"] | None = None
    is_hot: bool = False
    xids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Trouble:
    """Why a device is left alone, and what to do."""

    kind: Kind
    says: str
    remedy: str

    def explains(self, outcome: Outcome) -> bool:
        """Whether an attempt that ended so may have ended because of it. Heat slows down, and breaks nothing."""
        return outcome in ({Outcome.TIMEOUT, Outcome.STALLED} if self.kind == "hot" else FAILURES)


def judge_health(health: Health) -> Trouble | None:
    """What is wrong with the device; None: nothing."""
    if health.is_lost or 79 in health.xids:
        return Trouble("lost", health.error or "it has fallen off the bus (XID 79)", _RESET)
    if health.error is not None:
        return Trouble("silent", f"its driver says: {health.error}", "nvidia-smi must work first")
    if health.xids:
        last = health.xids[-1]
        says = f"{_XIDS.get(last, 'an error')} (XID {last} in the kernel's log)"
        return Trouble("errors", says, f"{_RESET}, then start this worker again")  # the log keeps it
    if health.repair == "failed":
        return Trouble("errors", "its memory could not be repaired", "have the device replaced")
    if health.uncorrected or health.repair == "pending":
        return Trouble(
            "errors", f"uncorrected memory errors (ECC): {health.uncorrected or 'to be repaired'}", _RESET
        )
    if health.is_hot:
        return Trouble(
            "hot", "its hardware slows it down: it is too hot", "check its fans and the room; it recovers"
        )
    return None


def read_health(library: Any, uuid: str, xids: Sequence[tuple[str, int]] = ()) -> Health:
    """Ask the driver through ``library`` (the module pynvml). May take for ever; ``xids`` are of all devices."""
    try:
        handle = library.nvmlDeviceGetHandleByUUID(uuid)
        with contextlib.suppress(library.NVMLError, AttributeError):  # of a MIG part, its whole device has errors
            handle = library.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
        library.nvmlDeviceGetMemoryInfo(handle)
    except library.NVMLError as error:
        return Health(error=str(error), is_lost=getattr(error, "value", None) == library.NVML_ERROR_GPU_IS_LOST)
    bus = _answer(library, lambda: library.nvmlDeviceGetPciInfo(handle).busId)
    rows = _answer(library, lambda: library.nvmlDeviceGetRemappedRows(handle)) or (0, 0, 0, 0)
    own = [number for place, number in xids if bus and same_bus(place, bus)]
    return Health(
        uncorrected=_answer(library, lambda: _uncorrected(library, handle)),
        repair="failed" if rows[3] else "pending" if rows[2] else None,
        is_hot=bool((_answer(library, lambda: _clock_reasons(library, handle)) or 0) & _hot_mask(library)),
        xids=tuple(own),
    )


def find_xids(since_s: float, log: Path = KERNEL_LOG) -> list[tuple[str, int]]:
    """The devices' own errors in the kernel's log since a time of the monotonic clock: bus and XID, oldest first.

    Empty where this account may not read the log.
    """
    found = []
    with contextlib.suppress(OSError):
        for record in _records(log):
            head, _, text = record.partition(";")
            fields = head.split(",")
            match = _XID.search(text)
            if match is None or len(fields) < 3 or not fields[2].isdecimal():
                continue
            if int(match[2]) in _XIDS and int(fields[2]) / 1e6 >= since_s:
                found.append((match[1], int(match[2])))
    return found


def same_bus(one: str, other: str | bytes) -> bool:
    """Whether two addresses on the PCI bus are the same: ``0000:65:00`` is ``00000000:65:00.0``."""
    text = other.decode() if isinstance(other, bytes) else other
    return _bus(one) == _bus(text)


def health_from_data(data: Mapping[str, Any]) -> Health:
    """The facts as the probe prints them."""
    return Health(**{**data, "xids": tuple(data.get("xids", ()))})


def _bus(address: str) -> tuple[str, ...]:
    domain, bus, slot = address.lower().partition(".")[0].split(":")
    return domain[-4:], bus, slot


def _records(log: Path) -> Iterator[str]:
    """One record for each read, as the kernel gives them; of a plain file, its lines."""
    file = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while True:
            try:
                record = os.read(file, _RECORD)
            except BlockingIOError:
                return
            except BrokenPipeError:  # the kernel has overwritten the next record; the one after it comes
                continue
            if not record:
                return
            yield from record.decode(errors="replace").splitlines()
    finally:
        os.close(file)


def _answer(library: Any, ask: Any) -> Any:
    """What the driver says; None where this device or driver knows no such thing."""
    try:
        return ask()
    except (library.NVMLError, AttributeError):
        return None


def _uncorrected(library: Any, handle: Any) -> int:
    kind, counter = library.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, library.NVML_VOLATILE_ECC
    return int(library.nvmlDeviceGetTotalEccErrors(handle, kind, counter))


def _clock_reasons(library: Any, handle: Any) -> int:
    ask = getattr(library, "nvmlDeviceGetCurrentClocksEventReasons", None)
    return int((ask or library.nvmlDeviceGetCurrentClocksThrottleReasons)(handle))


def _hot_mask(library: Any) -> int:
    names = ("nvmlClocksEventReasonHwThermalSlowdown", "nvmlClocksThrottleReasonHwThermalSlowdown")
    return next((int(mask) for name in names if (mask := getattr(library, name, None)) is not None), 0x40)
