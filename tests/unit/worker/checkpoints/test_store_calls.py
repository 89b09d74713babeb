"""A call to a store ends in time, with an answer or with one kind of error."""

import logging
import threading
from collections.abc import Iterator

import pytest

from hpotool.errors import CheckpointStoreError
from hpotool.worker.checkpoints.store_calls import Patience, StoreCalls

QUICK = Patience(call=0.05, first_pause=0.001, longest_pause=0.001)


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """What a call waits for that hangs, until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_an_answer_is_the_function_s_own() -> None:
    assert StoreCalls("s3://b", Patience()).call(lambda a, b: a - b, 5, b=3) == 2


def test_a_missing_file_stays_one_and_all_else_is_one_error() -> None:
    calls = StoreCalls("s3://b", Patience())
    with pytest.raises(FileNotFoundError):
        calls.call(open, "/none/such")
    with pytest.raises(CheckpointStoreError, match=r"^s3://b: ZeroDivisionError: division by zero$"):
        calls.call(lambda: 1 / 0)
    with pytest.raises(CheckpointStoreError, match=r"^s3://b: SystemExit: 3$") as raised:
        calls.call(exit, 3)
    assert isinstance(raised.value.__cause__, SystemExit)


def test_calls_that_hang_are_left_and_after_four_nothing_more_is_asked(hanging: threading.Event) -> None:
    calls = StoreCalls("s3://b", QUICK)
    for _ in range(4):
        with pytest.raises(CheckpointStoreError, match=r"^s3://b does not answer$"):
            calls.call(hanging.wait)
    with pytest.raises(CheckpointStoreError, match="4 calls hang"):
        calls.call(lambda: "never asked")
    hanging.set()
    for thread in calls._abandoned:
        thread.join()
    assert calls.call(lambda: "answered") == "answered"


def test_work_is_done_again_until_it_succeeds_and_an_outage_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    failures = iter([CheckpointStoreError("away"), CheckpointStoreError("still away")])

    def work() -> str:
        for failure in failures:
            raise failure
        return "done"

    assert StoreCalls("s3://b", QUICK).retry(work, within_s=60) == "done"
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("trouble with the checkpoints: away; trying again for ")
    assert second.startswith("s3://b is back after ")


@pytest.mark.parametrize(("within_s", "is_hurried"), [(0, False), (60, True)])
def test_work_is_given_up_without_time_or_when_somebody_is_in_a_hurry(within_s: float, is_hurried: bool) -> None:
    tries = []

    def work() -> None:
        tries.append(1)
        raise CheckpointStoreError("away")

    with pytest.raises(CheckpointStoreError, match="away"):
        StoreCalls("s3://b", QUICK).retry(work, within_s, lambda: is_hurried)
    assert tries == [1]
