"""What is read of a device's health, and what follows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from hpotool.study.outcome import Outcome
from hpotool.worker.devices.health import Health, find_xids, judge_health, read_health, same_bus
from tests.unit.worker.test_gpu import FakeLibrary


class Sick(FakeLibrary):
    """A driver that knows of errors; ``facts`` are what each question is answered with."""

    NVML_ERROR_GPU_IS_LOST = pynvml.NVML_ERROR_GPU_IS_LOST
    NVML_MEMORY_ERROR_TYPE_UNCORRECTED = pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
    NVML_VOLATILE_ECC = pynvml.NVML_VOLATILE_ECC

    def __init__(self, **facts: Any) -> None:
        super().__init__()
        self.facts = {"nvmlDeviceGetPciInfo": SimpleNamespace(busId=b"00000000:65:00.0"), **facts}
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self.__dict__.get("facts", {}):
            return super().__getattr__(name)
        fact = self.facts[name]

        def answer(handle: str, *_: Any) -> Any:
            self.asked.append(handle)
            if isinstance(fact, int) and name == "nvmlDeviceGetHandleByUUID":
                raise pynvml.NVMLError(fact)
            return fact

        return answer


SOUND = {
    "nvmlDeviceGetTotalEccErrors": 0,
    "nvmlDeviceGetRemappedRows": (1, 0, 0, 0),
    "nvmlDeviceGetCurrentClocksEventReasons": 0x4,
}


@pytest.mark.parametrize(
    ("facts", "xids", "health"),
    [
        (SOUND, [], Health(uncorrected=0)),
        ({}, [], Health()),  # a device without ECC, or a driver that is old: it cannot tell
        ({"nvmlDeviceGetTotalEccErrors": 2}, [], Health(uncorrected=2)),
        ({"nvmlDeviceGetRemappedRows": (0, 1, 1, 0)}, [], Health(repair="pending")),
        ({"nvmlDeviceGetRemappedRows": (0, 1, 1, 1)}, [], Health(repair="failed")),
        ({"nvmlDeviceGetCurrentClocksEventReasons": 0x44}, [], Health(is_hot=True)),
        ({"nvmlDeviceGetCurrentClocksThrottleReasons": 0x40}, [], Health(is_hot=True)),
        (SOUND, [("0000:65:00", 79), ("0000:66:00", 48)], Health(uncorrected=0, xids=(79,))),
        ({"nvmlDeviceGetHandleByUUID": 15}, [], Health(error="GPU is lost", is_lost=True)),
        ({"nvmlDeviceGetHandleByUUID": 999}, [], Health(error="Unknown Error")),
    ],
)
def test_what_is_read_of_a_device(facts: dict[str, Any], xids: list[tuple[str, int]], health: Health) -> None:
    assert read_health(Sick(**facts), "GPU-aaa", xids) == health


def test_of_a_part_the_whole_device_is_asked() -> None:
    library = Sick(nvmlDeviceGetDeviceHandleFromMigDeviceHandle="GPU-ccc", nvmlDeviceGetTotalEccErrors=1)
    assert read_health(library, "MIG-c1").uncorrected == 1
    assert set(library.asked) == {"MIG-c1", "GPU-ccc"}


@pytest.mark.parametrize(
    ("health", "kind", "words"),
    [
        (Health(), None, ""),
        (Health(uncorrected=0), None, ""),
        (Health(error="GPU is lost", is_lost=True), "lost", "GPU is lost"),
        (Health(xids=(48, 79)), "lost", "XID 79"),
        (Health(xids=(48,)), "errors", "an uncorrected memory error (XID 48 in the kernel's log)"),
        (Health(uncorrected=3), "errors", "uncorrected memory errors (ECC): 3"),
        (Health(repair="pending"), "errors", "uncorrected memory errors"),
        (Health(uncorrected=3, repair="failed"), "errors", "could not be repaired"),
        (Health(is_hot=True), "hot", "too hot"),
        (Health(is_hot=True, uncorrected=1), "errors", "ECC"),
        (Health(error="no answer within 20 s"), "silent", "its driver says: no answer within 20 s"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(health: Health, kind: str | None, words: str) -> None:
    trouble = judge_health(health)
    assert (None if trouble is None else trouble.kind) == kind
    if trouble is not None:
        assert words in trouble.says
        assert trouble.remedy


@pytest.mark.parametrize(
    ("health", "explained"),
    [
        (Health(uncorrected=1), {"error", "crash", "oom", "timeout", "stalled"}),
        (Health(error="x"), {"error", "crash", "oom", "timeout", "stalled"}),
        (Health(is_hot=True), {"timeout", "stalled"}),
    ],
)
def test_a_broken_device_explains_failures_and_heat_only_slowness(health: Health, explained: set[str]) -> None:
    trouble = judge_health(health)
    assert trouble is not None
    assert {outcome.value for outcome in Outcome if trouble.explains(outcome)} == explained


LOG = """\
6,1,1000000,-;NVRM: loading NVIDIA UNIX x86_64 Kernel Module
3,2,2000000,-;NVRM: Xid (PCI:0000:65:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.
3,3,3000000,-;NVRM: Xid (PCI:0000:65:00): 31, pid=77, name=python, Ch 00000008, MMU Fault
 SUBSYSTEM=pci
3,4,4000000,-;NVRM: Xid (PCI:0000:b3:00): 48, pid=78, DBE (double bit error)
nonsense;NVRM: Xid (PCI:0000:b3:00): 48
"""


def test_the_devices_own_errors_are_found_in_the_kernels_log(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_text(LOG)
    assert find_xids(0.0, log) == [("0000:65:00", 79), ("0000:b3:00", 48)]
    assert find_xids(2.5, log) == [("0000:b3:00", 48)]
    assert find_xids(0.0, tmp_path / "not there") == []
    assert find_xids(0.0, tmp_path) == []


def test_one_bus_has_several_spellings() -> None:
    assert same_bus("0000:65:00", b"00000000:65:00.0")
    assert same_bus("0000:B3:00", "00000000:b3:00.0")
    assert not same_bus("0000:65:00", "00000001:65:00.0")
