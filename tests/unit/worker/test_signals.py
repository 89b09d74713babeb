"""What a worker hears, and what it answers."""

import os
import signal
import threading
from datetime import timedelta

import pytest

from hpotool.worker.signals import Level, Stopping, describe_level, leave_on_signals

GRACE = timedelta(seconds=30)


def hear(*numbers: int) -> tuple[Stopping, list[tuple[Level, str]]]:
    """A `Stopping` after these signals, and what was announced."""
    stopping, announced = Stopping(), []
    stopping.announce = lambda level, name: announced.append((level, name))
    with stopping.on_signals():
        for number in numbers:
            os.kill(os.getpid(), number)
    return stopping, announced


@pytest.mark.parametrize(
    ("numbers", "level", "code"),
    [
        ([], Level.STAY, 0),
        ([signal.SIGINT], Level.DRAIN, 130),
        ([signal.SIGINT] * 2, Level.STOP, 130),
        ([signal.SIGINT] * 3, Level.NOW, 130),
        ([signal.SIGINT] * 9, Level.NOW, 130),
        ([signal.SIGTERM], Level.STOP, 75),
        ([signal.SIGUSR1], Level.STOP, 75),
        ([signal.SIGUSR2, signal.SIGTERM], Level.NOW, 75),
        ([signal.SIGINT, signal.SIGTERM], Level.STOP, 130),
        ([signal.SIGTERM, signal.SIGINT], Level.NOW, 75),
    ],
)
def test_signals_only_ever_ask_for_more(numbers: list[int], level: Level, code: int) -> None:
    stopping, announced = hear(*numbers)
    assert (stopping.level, stopping.exit_code) == (level, code)
    levels = [each for each, _ in announced]
    assert levels == sorted(set(levels)), "each rise is announced once"
    assert (levels[-1] if levels else Level.STAY) == level


def test_what_people_ask_for_through_the_database_is_no_signal() -> None:
    stopping = Stopping()
    stopping.request(Level.STOP, "the study is stopped")
    stopping.request(Level.DRAIN, "the study is draining")
    assert (stopping.level, stopping.exit_code) == (Level.STOP, 0)
    assert stopping.describe_reason() == "asked to leave: the study is stopped"


def test_a_rise_wakes_whoever_waits_and_tells_the_listener() -> None:
    stopping, heard = Stopping(), threading.Event()
    stopping.listener = heard.set
    threading.Timer(0.01, stopping.request, (Level.DRAIN, "test")).start()
    stopping.wait(timedelta(minutes=5))
    assert heard.wait(5)


def test_the_handlers_of_before_are_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    hear()
    assert signal.getsignal(signal.SIGTERM) is before


def _get_a_signal(number: int, said: list[str]) -> None:
    with leave_on_signals(said.append):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_a_worker_that_holds_nothing_leaves_on_the_spot(number: int, code: int) -> None:
    said: list[str] = []
    with pytest.raises(SystemExit) as left:
        _get_a_signal(number, said)
    assert left.value.code == code
    assert said == ["leaving: " + ("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)]


@pytest.mark.parametrize(
    ("level", "name", "trial", "said"),
    [
        (Level.DRAIN, "Ctrl-C", 4, "finishing trial 4, then leaving; Ctrl-C again hands it back now"),
        (
            Level.STOP,
            "Ctrl-C",
            4,
            "handing trial 4 back: it has 30 s to save a checkpoint; Ctrl-C again does not wait for that",
        ),
        (
            Level.STOP,
            "SIGTERM",
            4,
            "handing trial 4 back: it has 30 s to save a checkpoint; a second signal does not wait for that",
        ),
        (Level.NOW, "SIGTERM", 4, "handing trial 4 back now"),
        (Level.DRAIN, "Ctrl-C", None, None),
    ],
)
def test_a_signal_is_answered(level: Level, name: str, trial: int | None, said: str | None) -> None:
    assert describe_level(level, name, trial, GRACE) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.5, "0.5 s"), (5, "5 s"), (90, "90 s"), (600, "10 min"), (1_000_000, "11 d 13 h")]
)
def test_a_grace_is_said_as_people_say_it(seconds: float, said: str) -> None:
    sentence = describe_level(Level.STOP, "SIGTERM", 4, timedelta(seconds=seconds))
    assert sentence is not None
    assert f"it has {said} to save a checkpoint" in sentence
