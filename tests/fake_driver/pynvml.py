"""A driver without a GPU, for real worker processes: the module pynvml, answering from the file TEST_GPUS names.

The file is JSON: for each UUID what differs from a sound device. Put this folder first on PYTHONPATH.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

NVML_ERROR_UNINITIALIZED, NVML_ERROR_NOT_SUPPORTED, NVML_ERROR_NOT_FOUND, NVML_ERROR_GPU_IS_LOST = 1, 3, 6, 15
NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC = 1, 0
nvmlClocksEventReasonHwThermalSlowdown = 0x40  # noqa: N816 (NVML's name)
nvmlMemory_v2 = 2  # noqa: N816
_SOUND = {"name": "Fake 16GB", "total": 16 * 10**9, "reserved": 0, "used": 0, "ecc": 0, "rows": [0, 0, 0, 0]}


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__("GPU is lost" if value == NVML_ERROR_GPU_IS_LOST else f"error {value}")
        self.value = value


def _devices() -> dict[str, dict[str, Any]]:
    found = json.loads(Path(os.environ["TEST_GPUS"]).read_text())
    return {uuid: _SOUND | changes for uuid, changes in found.items()}


def _device(uuid: str) -> dict[str, Any]:
    device = _devices()[uuid]
    while device.get("hangs"):
        time.sleep(0.05)
        device = _devices()[uuid]
    if device.get("lost"):
        raise NVMLError(NVML_ERROR_GPU_IS_LOST)
    return device


def nvmlInit() -> None:  # noqa: N802
    if not os.environ.get("TEST_GPUS"):
        raise NVMLError(NVML_ERROR_UNINITIALIZED)


def nvmlSystemGetDriverVersion() -> str:  # noqa: N802
    return "570.1"


def nvmlDeviceGetCount() -> int:  # noqa: N802
    return len(_devices())


def nvmlDeviceGetHandleByIndex(index: int) -> str:  # noqa: N802
    return list(_devices())[index]


def nvmlDeviceGetHandleByUUID(uuid: str) -> str:  # noqa: N802
    return uuid


def nvmlDeviceGetUUID(handle: str) -> str:  # noqa: N802
    return handle


def nvmlDeviceGetName(handle: str) -> str:  # noqa: N802
    return str(_devices()[handle]["name"])


def nvmlDeviceGetMemoryInfo(handle: str, version: int | None = None) -> Any:  # noqa: N802
    device = _device(handle)
    reserved = {} if version is None else {"reserved": device["reserved"]}
    return SimpleNamespace(total=device["total"], used=device["used"], **reserved)


def nvmlDeviceGetMigMode(handle: str) -> tuple[int, int]:  # noqa: N802
    raise NVMLError(NVML_ERROR_NOT_SUPPORTED)


def nvmlDeviceGetComputeRunningProcesses(handle: str) -> list[Any]:  # noqa: N802
    _device(handle)
    return []


def nvmlDeviceGetUtilizationRates(handle: str) -> Any:  # noqa: N802
    _device(handle)
    return SimpleNamespace(gpu=50)


def nvmlDeviceGetTotalEccErrors(handle: str, kind: int, counter: int) -> int:  # noqa: N802
    return int(_device(handle)["ecc"])


def nvmlDeviceGetRemappedRows(handle: str) -> tuple[int, ...]:  # noqa: N802
    return tuple(_device(handle)["rows"])


def nvmlDeviceGetCurrentClocksEventReasons(handle: str) -> int:  # noqa: N802
    return nvmlClocksEventReasonHwThermalSlowdown if _device(handle).get("hot") else 0


def nvmlDeviceGetPciInfo(handle: str) -> Any:  # noqa: N802
    return SimpleNamespace(busId="00000000:65:00.0")
