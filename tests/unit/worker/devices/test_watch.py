"""A worker's watch over its devices, with answers that the test gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from hpotool.errors import DatabaseUnreachableError
from hpotool.study.outcome import Outcome
from hpotool.worker.attempt.running_attempt import AttemptResult
from hpotool.worker.devices.gate import DeviceGate
from hpotool.worker.devices.health import Health
from hpotool.worker.devices.watch import DeviceWatch
from hpotool.worker.gpu import Device

DEVICES = (Device(0, "GPU-a", "Card", 1), Device(1, "GPU-b", "Card", 1))
ECC = Health(uncorrected=1)
LEFT = (
    "gpu 1 is left alone: uncorrected memory errors (ECC): 1; "
    "reset it (nvidia-smi --gpu-reset) or restart the machine"
)


class Watched:
    def __init__(self, devices: Sequence[Device] = DEVICES) -> None:
        self.health: dict[str, Health] = {}
        self.asked: list[float] = []
        self.stopped: list[str] = []
        self.noted: list[tuple[bool, str]] = []
        self.is_away = False
        self.now = 7.0
        self.watch = DeviceWatch(devices, self.stopped.append, self.note, self.ask, clock=lambda: self.now)

    def ask(self, uuids: Sequence[str], since_s: float) -> Mapping[str, Health]:
        self.asked.append(since_s)
        return {uuid: self.health.get(uuid, Health(uncorrected=0)) for uuid in uuids}

    def step_when_due(self) -> None:
        self.now += 60.0
        self.watch.step()

    def note(self, is_in_trouble: bool, sentence: str) -> None:
        if self.is_away:
            raise DatabaseUnreachableError("away")
        self.noted.append((is_in_trouble, sentence))


def test_a_device_with_errors_is_left_alone_until_it_is_well() -> None:
    watched = Watched()
    gate = DeviceGate(watch=watched.watch)
    assert gate.ask() is None
    assert gate.ask() is None
    assert watched.asked == [7.0], "asked once before the first trial, for errors from the start on"
    watched.health["GPU-b"] = ECC
    watched.step_when_due()
    assert gate.ask() == gate.waits == LEFT
    watched.health.clear()
    watched.step_when_due()
    assert (gate.ask(), gate.waits) == (None, None)


def test_a_change_is_stored_once_and_an_outage_only_delays_that() -> None:
    watched = Watched()
    watched.watch.step()
    watched.health["GPU-b"] = ECC
    watched.is_away = True
    watched.step_when_due()
    watched.is_away = False
    for _ in range(3):
        watched.watch.step()
    watched.health.clear()
    for _ in range(3):
        watched.step_when_due()
    assert watched.noted == [(True, LEFT), (False, f"well again, after: {LEFT}")]


def test_the_driver_is_asked_each_minute_and_more_often_in_trouble_and_a_change_is_stored_at_once() -> None:
    watched = Watched()
    for _ in range(61):
        watched.now += watched.watch.step()
    assert len(watched.asked) == 3
    watched.health["GPU-b"] = ECC
    watched.watch.forgive(AttemptResult(Outcome.CRASH))
    watched.watch.step()
    assert len(watched.noted) == 1, "although nobody is asked now"
    before = len(watched.asked)
    for _ in range(61):
        watched.now += watched.watch.step()
    assert 10 <= len(watched.asked) - before <= 13


def test_an_attempt_on_a_lost_device_is_stopped_and_on_others_not() -> None:
    watched = Watched()
    watched.health["GPU-a"] = ECC
    watched.step_when_due()
    assert watched.stopped == []
    watched.health["GPU-a"] = Health(error="GPU is lost", is_lost=True)
    watched.step_when_due()
    assert watched.stopped == [watched.watch.says]


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.CRASH, Outcome.OOM, Outcome.TIMEOUT, Outcome.STALLED])
def test_what_failed_on_a_device_with_errors_is_handed_back(outcome: Outcome) -> None:
    watched = Watched()
    watched.health["GPU-b"] = ECC
    forgiven = watched.watch.forgive(AttemptResult(outcome, "CUDA error", output_tail="the last lines"))
    assert forgiven.outcome is Outcome.PREEMPTED
    assert forgiven.reason == f"{LEFT} (it had ended: {outcome.value}: CUDA error)"
    assert forgiven.output_tail == "the last lines"


@pytest.mark.parametrize(
    "result",
    [
        AttemptResult(Outcome.COMPLETE, values=(1.0,)),
        AttemptResult(Outcome.PRUNED),
        AttemptResult(Outcome.OOM, is_infeasible=True),
        AttemptResult(Outcome.NAN, "nan"),
        AttemptResult(Outcome.CANCELLED, "by ann"),
        AttemptResult(Outcome.PREEMPTED, "SIGTERM"),
    ],
)
def test_what_has_a_result_or_another_reason_stays_and_asks_nothing(result: AttemptResult) -> None:
    watched = Watched()
    watched.health["GPU-b"] = ECC
    assert watched.watch.forgive(result) is result
    assert watched.asked == []


def test_a_failure_on_a_sound_or_a_hot_device_is_the_trials_own() -> None:
    watched = Watched()
    failed = AttemptResult(Outcome.ERROR, "ValueError")
    assert watched.watch.forgive(failed) is failed
    watched.health["GPU-a"] = Health(is_hot=True)
    assert watched.watch.forgive(failed) is failed
    assert watched.watch.forgive(AttemptResult(Outcome.STALLED, "slow")).outcome is Outcome.PREEMPTED
    alone = Watched(())
    assert alone.watch.forgive(failed) is failed
    assert alone.asked == []
