"""GPUs without a GPU: NVML, which does not exist on a machine without a driver, is a fake here."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from hpotool.errors import InputError
from hpotool.worker.gpu import DeviceMeter, Nvml, choose_slots, visible_devices, wait_until_free

GIB = 1 << 30


class FakeLibrary:
    """Two whole devices and one divided into two MIG parts."""

    NVMLError = pynvml.NVMLError

    def __init__(self, names: tuple[str, ...] = ("GPU-aaa", "GPU-bbb", "GPU-ccc")) -> None:
        self.names = names
        self.parts = {"GPU-ccc": ["MIG-c1", "MIG-c2"]}
        self.used: dict[str, int] = {}
        self.processes: dict[str, list[Any]] = {}
        self.rates = {"GPU-aaa": 80}
        self.has_driver = True

    def nvmlInit(self) -> None: ...  # noqa: N802

    def __getattr__(self, name: str) -> Callable[..., Any]:
        known = {
            "nvmlSystemGetDriverVersion": self._driver,
            "nvmlDeviceGetCount": lambda: len(self.names),
            "nvmlDeviceGetHandleByIndex": lambda index: self.names[index],
            "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
            "nvmlDeviceGetUUID": lambda handle: handle.encode(),
            "nvmlDeviceGetName": lambda handle: f"Device {handle}",
            "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(
                total=80 * GIB, used=self.used.get(handle, 0)
            ),
            "nvmlDeviceGetComputeRunningProcesses": lambda handle: self.processes.get(handle, []),
            "nvmlDeviceGetUtilizationRates": self._rates,
            "nvmlDeviceGetMigMode": self._mig_mode,
            "nvmlDeviceGetMaxMigDeviceCount": lambda handle: 7,
            "nvmlDeviceGetMigDeviceHandleByIndex": self._part,
        }
        if name not in known:
            raise AttributeError(name)
        return known[name]

    def _rates(self, handle: str) -> Any:
        if handle not in self.rates:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return SimpleNamespace(gpu=self.rates[handle])

    def _driver(self) -> bytes:
        if not self.has_driver:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)
        return b"550.54.15"

    def _mig_mode(self, handle: str) -> tuple[int, int]:
        if handle not in self.parts:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return 1, 1

    def _part(self, handle: str, index: int) -> str:
        if index >= len(self.parts[handle]):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return self.parts[handle][index]


@pytest.fixture
def library() -> FakeLibrary:
    return FakeLibrary()


@pytest.mark.parametrize(
    ("option", "visible", "bound"),
    [
        ("0", None, "GPU-aaa"),
        ("0,1", None, "GPU-aaa,GPU-bbb"),
        ("GPU-b", None, "GPU-bbb"),
        ("MIG-c2", None, "MIG-c2"),
        ("2", None, "MIG-c1"),
        ("0", "1,0", "GPU-bbb"),
        ("1", "GPU-bbb,MIG-c1", "MIG-c1"),
        ("none", None, ""),
        ("none", "1", ""),
        (None, "1", "GPU-bbb"),
    ],
)
def test_devices_are_bound_by_uuid(
    library: FakeLibrary, option: str | None, visible: str | None, bound: str
) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    (slot,) = choose_slots(option, Nvml(library), environment)
    assert slot.environment == {"CUDA_VISIBLE_DEVICES": bound}


def test_auto_is_one_slot_per_device_and_none_is_the_cpu(library: FakeLibrary) -> None:
    slots = choose_slots("auto", Nvml(library), {})
    assert [slot.label.partition(" (")[0] for slot in slots] == ["gpu 0", "gpu 1", "gpu 2", "gpu 3"]
    # The name of the device is what a budget's prices go by.
    assert all(slot.devices[0].name in slot.label for slot in slots)
    assert [slot.label for slot in choose_slots(None, Nvml(FakeLibrary(())), {})] == ["cpu"]
    assert visible_devices(Nvml(library), {"CUDA_VISIBLE_DEVICES": ""}) == []


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        ("0,1", ["GPU-aaa", "GPU-bbb"]),
        ("1,0", ["GPU-bbb", "GPU-aaa"]),
        (" 1 , GPU-a ", ["GPU-bbb", "GPU-aaa"]),
        ("MIG-c2,MIG-c1", ["MIG-c2", "MIG-c1"]),
        ("0,-1,1", ["GPU-aaa"]),
        ("0,9,1", ["GPU-aaa"]),
        ("0,,1", ["GPU-aaa"]),
        ("GPU-b,GPU-none,GPU-a", ["GPU-bbb"]),
        ("0,1,", ["GPU-aaa", "GPU-bbb"]),
        ("-1", []),
        ("NoDevFiles", []),
        ("", []),
        ("0,0", []),
        ("0,1,GPU-aaa", []),
    ],
)
def test_what_is_visible_is_what_cuda_makes_of_the_list(
    library: FakeLibrary, visible: str, found: list[str]
) -> None:
    devices = visible_devices(Nvml(library), {"CUDA_VISIBLE_DEVICES": visible})
    assert [device.uuid for device in devices] == found
    assert [device.number for device in devices] == list(range(len(found)))


@pytest.mark.parametrize(
    ("option", "visible", "sentence", "hint"),
    [
        ("0,0", None, "--gpu 0,0 names gpu 0 twice", "--gpu 0"),
        ("1,0,GPU-b", None, "--gpu 1,0,GPU-b names gpu 1 twice", "--gpu 1,0"),
        (
            "auto",
            "1,1",
            "CUDA_VISIBLE_DEVICES=1,1 names gpu 1 twice, for which CUDA uses no GPU",
            "--gpu none",
        ),
        (None, "0,GPU-aaa", "names gpu 0 twice", "name each once"),
    ],
)
def test_a_device_that_is_named_twice_is_refused(
    library: FakeLibrary, option: str | None, visible: str | None, sentence: str, hint: str
) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    with pytest.raises(InputError) as refused:
        choose_slots(option, Nvml(library), environment)
    assert sentence in refused.value.message
    assert hint in (refused.value.hint or "")
    assert choose_slots("none", Nvml(library), environment)[0].label == "cpu"


@pytest.mark.parametrize(
    ("option", "visible", "sentence"),
    [
        ("7", None, "there is no GPU '7' here"),
        ("GPU-", None, "there is no GPU 'GPU-' here"),
        ("0,x", None, "there is no GPU 'x' here"),
        ("1", "0", "there is no GPU '1' here"),
        (None, None, "this machine has 4 GPUs"),
        ("0", "", "--gpu 0: no GPU can be used here"),
    ],
)
def test_a_device_that_is_not_there_is_an_input_error(
    library: FakeLibrary, option: str | None, visible: str | None, sentence: str
) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    with pytest.raises(InputError, match=sentence):
        choose_slots(option, Nvml(library), environment)


def test_without_a_driver_a_gpu_is_refused_at_once_and_the_cpu_is_the_default() -> None:
    class NoDriver(FakeLibrary):
        def nvmlInit(self) -> None:  # noqa: N802
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    nvml = Nvml(NoDriver())
    with pytest.raises(InputError, match=r"no GPU can be used here \(NVML Shared Library Not Found\)"):
        choose_slots("0", nvml, {})
    assert choose_slots(None, nvml, {})[0].label == "cpu"


@pytest.mark.parametrize("asked", ["nvmlDeviceGetHandleByIndex", "nvmlDeviceGetUUID", "nvmlDeviceGetMemoryInfo"])
def test_a_lost_device_costs_the_others_neither_their_numbers_nor_their_workers(asked: str) -> None:
    class OneIsLost(FakeLibrary):
        def __getattr__(self, name: str) -> Callable[..., Any]:
            answer = super().__getattr__(name)

            def ask(handle: Any = None, *more: Any) -> Any:
                if name == asked and handle in (0, "GPU-aaa"):
                    raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
                return answer(*([] if handle is None else [handle]), *more)

            return ask

    nvml = Nvml(OneIsLost())
    assert [slot.devices[0].number for slot in choose_slots("auto", nvml, {})] == [1, 2, 3]
    assert choose_slots("1", nvml, {})[0].devices[0].uuid == "GPU-bbb"
    with pytest.raises(InputError, match="gpu 0 does not answer: GPU is lost") as caught:
        choose_slots("0", nvml, {})
    assert "nvidia-smi" in (caught.value.hint or "")
    for option in (None, "auto"):
        alone = OneIsLost(("GPU-aaa",))
        with pytest.raises(InputError, match="gpu 0 does not answer: GPU is lost"):
            choose_slots(option, Nvml(alone), {})


def test_a_device_in_use_is_skipped_shared_or_waited_for(library: FakeLibrary) -> None:
    nvml = Nvml(library)
    slots = choose_slots("auto", nvml, {})
    library.processes["GPU-aaa"] = [SimpleNamespace(pid=1, usedGpuMemory=GIB)]
    library.used["GPU-bbb"] = 40 * GIB  # by a process that a container hides
    assert [slot.devices[0].number for slot in wait_until_free(slots, "skip", nvml)] == [2, 3]
    assert wait_until_free(slots, "share", nvml) == slots
    with pytest.raises(InputError, match=r"gpu 0 \(.*\) is in use by other processes"):
        wait_until_free(slots[:1], "skip", nvml)

    def somebody_leaves(_seconds: float) -> None:
        library.processes.clear()

    assert wait_until_free(slots[:1], "wait", nvml, wait=somebody_leaves) == slots[:1]


def test_an_attempts_share_of_its_devices_is_measured(library: FakeLibrary) -> None:
    nvml = Nvml(library)
    meter = DeviceMeter(nvml, choose_slots("0,1", nvml, {})[0])
    library.processes["GPU-aaa"] = [
        SimpleNamespace(pid=10, usedGpuMemory=3 * GIB),
        SimpleNamespace(pid=99, usedGpuMemory=50 * GIB),
    ]
    meter.sample([10, 11])
    library.processes["GPU-aaa"] = []
    meter.sample([10, 11])
    assert meter.peak_memory == 3 * GIB
    assert meter.mean_utilization == 80
    meter.reset()
    assert (meter.peak_memory, meter.mean_utilization) == (None, None)


def test_a_driver_says_its_version_or_nothing(library: FakeLibrary) -> None:
    nvml = Nvml(library)
    assert nvml.driver == DeviceMeter(nvml, choose_slots("0", nvml, {})[0]).driver == "550.54.15"
    library.has_driver = False
    assert nvml.driver is None
