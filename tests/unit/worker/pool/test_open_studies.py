"""For how long a pool's worker leaves a study to others, and what it says of it meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hpotool.storage.fleet.attempts import NoTrial
from hpotool.worker.pool.open_studies import (
    PASSED_OVER_FOR_S,
    SHUT_OUT_FOR_S,
    WAITS_IN_LINE_AFTER_S,
    OpenStudies,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def studies(clock: Clock) -> OpenStudies:
    none: Any = None  # no study is open, so that nobody asks the storage
    return OpenStudies(none, none, clock)


def refused(kind: Any, reason: str) -> NoTrial:
    return NoTrial(kind, reason, 0, 0, 0, None)


def test_a_quarantine_is_asked_about_again_after_a_while(studies: OpenStudies, clock: Clock) -> None:
    studies.pass_over(1, refused("quarantined", "node-1 is in quarantine"))
    assert studies.passed_over() == {1: "node-1 is in quarantine"}
    studies.look_again()
    assert studies.passed_over() == {1: "node-1 is in quarantine"}, "having waited lifts no quarantine"
    clock.now += PASSED_OVER_FOR_S["quarantined"]
    assert studies.passed_over() == {}


def test_devices_are_asked_again_when_they_may_have_room_however_long_that_takes(
    studies: OpenStudies, clock: Clock
) -> None:
    studies.pass_over(1, refused("device", "gpu 0: 10GB are missing"))
    studies.pass_over(2, refused("quarantined", "node-1 is in quarantine"))
    clock.now += 1e9
    assert studies.passed_over() == {1: "gpu 0: 10GB are missing"}
    studies.look_again()
    assert studies.passed_over() == {}


def test_a_study_that_was_shut_out_is_tried_again_after_an_hour(studies: OpenStudies, clock: Clock) -> None:
    studies.shut_out(3, "circuit breaker: 3 of 3 failed")
    clock.now += SHUT_OUT_FOR_S - 1
    assert studies.unfit() == {3: "circuit breaker: 3 of 3 failed"}
    clock.now += 1
    assert studies.unfit() == {}


def test_a_study_that_is_not_open_waits_in_no_line(studies: OpenStudies) -> None:
    assert studies.waits_in_line(1, refused("device", "no room")) is False
    assert studies.waits_in_line(1, refused("quarantined", "node-1")) is False


def test_a_worker_without_studies_has_little_to_look_after(studies: OpenStudies) -> None:
    assert studies.step() == 1.0
    studies.close(lambda: True)


def test_a_study_is_waited_for_after_a_while_in_which_it_was_next(studies: OpenStudies, clock: Clock) -> None:
    queued: Any = SimpleNamespace(is_in_line=True, spec=SimpleNamespace(name="wide"))
    studies._open[1] = queued
    no_room = refused("device", "gpu 0: no room")
    assert studies.waits_in_line(1, no_room) is False
    clock.now += WAITS_IN_LINE_AFTER_S - 1
    studies.note_choice(1, ())  # it is chosen, and finds no room again
    studies.note_choice(2, (1,))  # it is left out because it found no room
    assert studies.waits_in_line(1, no_room) is False
    studies.note_choice(2, ())  # it could have been chosen: others are before it, and its wait begins anew
    clock.now += 1
    assert studies.waits_in_line(1, no_room) is False
    clock.now += WAITS_IN_LINE_AFTER_S
    assert studies.waits_in_line(1, no_room) is True
    studies.found_room(1)
    assert studies.waits_in_line(1, no_room) is False
