from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from hpotool.doctor.gpus import GPUS, Gpus
from hpotool.study.rules.packing import Capacity
from hpotool.worker.devices.health import Health
from hpotool.worker.devices.promises import Promise, device_folder
from hpotool.worker.gpu import Nvml
from tests.unit.worker.test_gpu import GIB, FakeLibrary

TORCH = """
version = type("", (), {{"cuda": {cuda!r}}})
cuda = type("", (), {{"is_available": staticmethod(lambda: {available})}})
"""


class NoDriver(FakeLibrary):
    def nvmlInit(self) -> None:  # noqa: N802
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)


def test_a_machine_without_a_gpu_is_well(tmp_path: Path) -> None:
    found = GPUS.examine(Gpus(Nvml(NoDriver()), tmp_path, {}))
    assert {each.finding.verdict for each in found} == {"ok"}


def test_a_gpu_whose_driver_does_not_answer_is_broken(tmp_path: Path) -> None:
    (tmp_path / "nvidia0").touch()
    found = GPUS.look("driver", Gpus(Nvml(NoDriver()), tmp_path, {}))
    assert found.verdict == "broken"
    assert "nvidia-smi" in found.remedy


def test_devices_that_are_not_there_are_broken(tmp_path: Path) -> None:
    nvml = Nvml(FakeLibrary())
    assert GPUS.look("visible devices", Gpus(nvml, tmp_path, {"CUDA_VISIBLE_DEVICES": "0,9"})).verdict == "broken"
    assert GPUS.look("visible devices", Gpus(nvml, tmp_path, {"CUDA_VISIBLE_DEVICES": "0,1"})).verdict == "ok"
    assert GPUS.look("visible devices", Gpus(nvml, tmp_path, {"CUDA_VISIBLE_DEVICES": ""})).verdict == "ok"
    assert GPUS.look("visible devices", Gpus(nvml, tmp_path, {"CUDA_VISIBLE_DEVICES": "-1"})).verdict == "ok"
    cut = GPUS.look("visible devices", Gpus(nvml, tmp_path, {"CUDA_VISIBLE_DEVICES": "9,0"}))
    assert "has 2 entries, and CUDA uses 0 of them" in cut.says
    twice = GPUS.look("visible devices", Gpus(nvml, tmp_path, {"CUDA_VISIBLE_DEVICES": "1,1"}))
    assert "names gpu 1 twice, for which CUDA uses no GPU at all" in twice.says


def test_a_device_that_is_lost_is_broken_and_the_other_checks_go_on(tmp_path: Path) -> None:
    class Lost(FakeLibrary):
        def __getattr__(self, name: str) -> Any:
            def fail(index: int) -> str:
                if index == 0:
                    raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
                return self.names[index]

            return fail if name == "nvmlDeviceGetHandleByIndex" else super().__getattr__(name)

    gpus = Gpus(Nvml(Lost()), tmp_path, {})
    found = GPUS.look("driver", gpus)
    assert (found.verdict, found.says) == ("broken", "gpu 0 does not answer: GPU is lost")
    assert "--gpu-reset" in found.remedy
    assert GPUS.look("busy devices", gpus).verdict == "ok"


@pytest.mark.parametrize(
    ("health", "verdict", "words"),
    [
        (Health(uncorrected=0), "ok", "No device has errors"),
        (Health(uncorrected=2), "broken", "gpu 1 (Device GPU-bbb): uncorrected memory errors (ECC): 2"),
        (Health(xids=(79,)), "broken", "fallen off the bus (XID 79)"),
        (Health(is_hot=True), "warning", "too hot"),
        (Health(error="no answer within 20 s"), "broken", "no answer within 20 s"),
    ],
)
def test_errors_of_a_device_are_found(tmp_path: Path, health: Health, verdict: str, words: str) -> None:
    def ask(uuids: Sequence[str], _since_s: float) -> Mapping[str, Health]:
        return {uuid: health if uuid == "GPU-bbb" else Health() for uuid in uuids}

    found = GPUS.look("health", Gpus(Nvml(FakeLibrary()), tmp_path, {}, ask))
    assert found.verdict == verdict
    assert words in found.says
    assert bool(found.remedy) == (verdict != "ok")


def test_without_a_driver_nobody_is_asked_about_health(tmp_path: Path) -> None:
    def ask(_uuids: Sequence[str], _since_s: float) -> Mapping[str, Health]:
        raise AssertionError

    assert GPUS.look("health", Gpus(Nvml(NoDriver()), tmp_path, {}, ask)).verdict == "ok"


def test_promised_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPOTOOL_GPU_FOLDER", str(tmp_path))
    gpus = Gpus(Nvml(FakeLibrary()), tmp_path, {})
    assert GPUS.look("promised memory", gpus).says == "No memory is promised to trials"
    promise = Promise(device_folder("GPU-bbb"), 10**10, "gpu7-1-ab (s)")
    promise.ask(Capacity(2 * 10**10, 0))
    assert GPUS.look("promised memory", gpus).says == "gpu 1: 10GB to gpu7-1-ab (s)"
    promise.give_back()


def test_devices_in_use_are_named(tmp_path: Path) -> None:
    library = FakeLibrary()
    library.used["GPU-bbb"] = 40 * GIB
    library.processes["GPU-bbb"] = [SimpleNamespace(pid=1, usedGpuMemory=40 * GIB)]
    found = GPUS.look("busy devices", Gpus(Nvml(library), tmp_path, {}))
    assert (found.verdict, found.says) == ("warning", "gpu 1 in use by others")


@pytest.mark.parametrize(
    ("cuda", "available", "verdict", "words"),
    [
        (None, False, "broken", "built without CUDA"),
        ("12.4", False, "broken", "the driver does not take it"),
        ("12.4", True, "ok", "torch with CUDA 12.4"),
    ],
)
def test_a_torch_that_would_train_on_the_cpu_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: str | None, available: bool, verdict: str, words: str
) -> None:
    (tmp_path / "torch.py").write_text(TORCH.format(cuda=cuda, available=available))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    found = GPUS.look("framework", Gpus(Nvml(FakeLibrary()), tmp_path, {"PYTHONPATH": str(tmp_path)}))
    assert found.verdict == verdict
    assert words in found.says
