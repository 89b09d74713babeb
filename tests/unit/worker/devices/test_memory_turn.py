"""A worker's turn on one device and on several, with a driver that is a fake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from hpotool.errors import InputError
from hpotool.worker.devices import memory_turn
from hpotool.worker.devices.gate import DeviceGate
from hpotool.worker.devices.memory_turn import MemoryTurn, check_fit, turn_for_slot
from hpotool.worker.devices.promises import list_promises
from hpotool.worker.gpu import Nvml, Slot, choose_slots
from tests.unit.worker.test_gpu import GIB, FakeLibrary


class Card(FakeLibrary):
    """Devices of 80 GiB, of which the driver keeps one for itself and says so as new ones do."""

    nvmlMemory_v2 = 2  # noqa: N815 (NVML's name)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name == "nvmlDeviceGetMemoryInfo":
            return self._memory
        return super().__getattr__(name)

    def _memory(self, handle: str, version: int | None = None) -> Any:
        if self.used.get(handle) == -1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        more = {} if version is None else {"reserved": GIB}
        return SimpleNamespace(total=80 * GIB, used=self.used.get(handle, 0), **more)


@pytest.fixture
def library() -> Card:
    return Card()


def turn(library: FakeLibrary, folder: Path, gib: int, option: str = "0", holder: str = "w") -> MemoryTurn:
    nvml = Nvml(library)
    [slot] = choose_slots(option, nvml, {})
    return MemoryTurn(nvml, slot.devices, gib * GIB, holder, folder, sleep=lambda _: None)


def test_turns_on_one_device_are_taken_while_they_fit(library: Card, tmp_path: Path) -> None:
    first, second, third = (turn(library, tmp_path, gib, holder=f"w{gib}") for gib in (50, 29, 10))
    assert first.take() is None
    assert second.take() is None
    assert third.take() == (
        "gpu 0: a trial takes 10.7GB, and 0B of 84.8GB are not promised (31.1GB to w29, 53.7GB to w50)"
    )
    first.give_back()
    assert third.take() is None
    for each in (second, third):
        each.give_back()


def test_of_several_devices_all_are_promised_or_none(library: Card, tmp_path: Path) -> None:
    other = turn(library, tmp_path, 60, "1", "other")
    both, first = turn(library, tmp_path, 40, "0,1", "both"), turn(library, tmp_path, 79, "0", "first")
    assert other.take() is None
    assert (both.take() or "").startswith("gpu 1: a trial takes 42.9GB")
    assert first.take() is None  # what `both` took there was given back
    first.give_back()
    other.give_back()
    assert both.take() is None
    assert [each.holder for uuid in ("GPU-aaa", "GPU-bbb") for each in list_promises(uuid, tmp_path)] == [
        "both"
    ] * 2
    both.give_back()


def test_parts_of_a_device_are_devices(library: Card, tmp_path: Path) -> None:
    one, other = turn(library, tmp_path, 70, "MIG-c1"), turn(library, tmp_path, 70, "MIG-c2")
    assert one.take() is None
    assert other.take() is None
    one.give_back()
    other.give_back()


def test_memory_that_is_about_to_be_freed_is_waited_for(library: Card, tmp_path: Path) -> None:
    library.used["GPU-aaa"] = 79 * GIB
    pauses: list[float] = []

    def free(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            library.used["GPU-aaa"] = 0

    nvml = Nvml(library)
    [slot] = choose_slots("0", nvml, {})
    patient = MemoryTurn(nvml, slot.devices, GIB, "w", tmp_path, sleep=free)
    assert patient.take() is None
    assert len(pauses) == 2
    patient.give_back()
    library.used["GPU-aaa"] = 79 * GIB
    assert "programs use more than was promised" in (turn(library, tmp_path, 1).take() or "")


def test_a_driver_that_does_not_answer_is_a_reason_to_wait(library: Card, tmp_path: Path) -> None:
    patient = turn(library, tmp_path, 1)
    library.used["GPU-aaa"] = -1
    assert "its driver does not say how much memory is free: GPU is lost" in (patient.take() or "")


@pytest.mark.parametrize("what", ["busy", "gone"])
def test_a_list_that_cannot_be_had_is_a_reason_to_wait(
    library: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    patient = turn(library, tmp_path, 1)
    if what == "busy":
        from hpotool.worker.devices import promises

        monkeypatch.setattr(promises, "_LOCKED_WITHIN_S", 0.0)
        with promises._locked(tmp_path / "GPU-aaa"):
            assert "holds its list" in (patient.take() or "")
        return
    (tmp_path / "GPU-aaa" / "list").unlink()
    (tmp_path / "GPU-aaa").rmdir()
    assert "its promises cannot be read" in (patient.take() or "")


def test_a_trial_that_can_never_fit_is_refused_at_once_with_what_to_change(library: Card, tmp_path: Path) -> None:
    turn(library, tmp_path, 79)
    with pytest.raises(InputError, match=r"gpu 0 \(Device GPU-aaa\) has 84.8GB for programs") as caught:
        turn(library, tmp_path, 80)
    assert "gpu_memory: 80GiB" in caught.value.message
    assert "lower gpu_memory" in (caught.value.hint or "")
    [slot] = choose_slots("0", Nvml(library), {})
    library.used["GPU-aaa"] = -1
    with pytest.raises(InputError, match="does not say how much memory it has: GPU is lost"):
        check_fit(Nvml(library), slot.devices, GIB)


def test_an_old_driver_that_knows_no_reserve_is_taken_at_its_word(tmp_path: Path) -> None:
    turn(FakeLibrary(), tmp_path, 80)


def test_only_a_study_that_asks_for_memory_on_a_worker_with_a_gpu_has_turns(
    library: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPOTOOL_GPU_FOLDER", str(tmp_path / "none"))
    nvml = Nvml(library)
    [slot] = choose_slots("0", nvml, {})
    assert turn_for_slot(nvml, slot, None, "w") is None
    assert turn_for_slot(None, slot, GIB, "w") is None
    assert turn_for_slot(nvml, Slot("cpu"), GIB, "w") is None
    assert not (tmp_path / "none").exists()
    assert turn_for_slot(nvml, slot, GIB, "w") is not None
    assert (tmp_path / "none" / "GPU-aaa").is_dir()
    assert memory_turn._LOOKS_AGAIN_S[-1] < 1


def test_a_gate_holds_a_turn_from_the_question_to_the_end_of_the_trial(library: Card, tmp_path: Path) -> None:
    gate, other = (DeviceGate(turn(library, tmp_path, 50, holder=name)) for name in ("one", "two"))
    assert gate.ask() is None
    assert other.ask() == other.waits
    assert "to one" in (other.waits or "")
    other.leave()  # keeps its place in the line
    standings = {each.holder: each.standing for each in list_promises("GPU-aaa", tmp_path)}
    assert standings == {"one": "held", "two": "queued"}
    gate.leave()
    assert other.ask() is None
    assert other.waits is None
    other.close()
    assert list_promises("GPU-aaa", tmp_path) == []
    assert DeviceGate().ask() is None


def test_only_who_waits_for_promises_to_end_is_in_line(library: Card, tmp_path: Path) -> None:
    """Who waits for programs that were promised nothing holds nobody up, here and through the gate."""
    holder, waiting = turn(library, tmp_path, 79, holder="holder"), turn(library, tmp_path, 10, holder="waiting")
    gate = DeviceGate(turn=waiting)
    assert gate.ask() is None
    assert not gate.is_in_line, "it has its turn"
    gate.leave()
    assert holder.take() is None
    assert "not promised" in (gate.ask() or "")
    assert gate.is_in_line
    holder.give_back()
    library.used["GPU-aaa"] = 75 * GIB
    assert "programs use more than was promised" in (gate.ask() or "")
    assert not gate.is_in_line
    gate.close()
