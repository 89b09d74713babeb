"""Pages never wait for a scheduler, and never ask it more than is needed."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from hpotool.launch.job import Job
from hpotool.storage.control.launches import Launch
from hpotool.web import schedulers
from hpotool.web.schedulers import Schedulers
from hpotool.web.views.launches import say_answer

PENDING = Job("7_0", "pending", "Resources", "")


def launch(name: str) -> Launch:
    return Launch(name, "slurm", 2, {}, ("7",), "ann", 5.0, is_stopped=False)


def wait_for_answer(asked: Schedulers, name: str) -> schedulers.Answer:
    until = time.monotonic() + 30
    while (found := asked.look([launch(name)])[name]).at is None:
        assert time.monotonic() < until
    return found


def test_a_quick_answer_is_on_the_first_page() -> None:
    asked = Schedulers(lambda launch: [PENDING])
    found = wait_for_answer(asked, "a")
    assert found.jobs == [PENDING]
    assert say_answer(found).startswith("asked 0.")


def test_however_many_look_a_launch_is_asked_once_while_its_answer_is_fresh() -> None:
    times: Counter[str] = Counter()

    def ask(one: Launch) -> list[Job]:
        times[one.launch_id] += 1
        return []

    asked = Schedulers(ask)
    for _ in range(20):
        asked.look([launch("a"), launch("b")])
    assert times == {"a": 1, "b": 1}


def test_an_old_answer_is_shown_while_the_next_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedulers, "FRESH_S", 0.0)
    go_on = threading.Event()
    answers = iter([[PENDING], "squeue did not end"])
    begun = threading.Event()

    def ask(one: Launch) -> list[Job] | str:
        answer = next(answers, "squeue did not end")
        if isinstance(answer, str):
            begun.set()
            assert go_on.wait(30)
        return answer

    asked = Schedulers(ask)
    assert wait_for_answer(asked, "a").jobs == [PENDING]
    began = time.monotonic()
    found = asked.look([launch("a")])["a"]
    assert time.monotonic() - began < 10, "it hangs for nobody"
    assert found.jobs == [PENDING]
    assert begun.wait(30)
    assert asked.look([launch("a")])["a"].asking_s is not None
    go_on.set()
    until = time.monotonic() + 30
    while asked.look([launch("a")])["a"].jobs == [PENDING]:
        assert time.monotonic() < until


def test_a_scheduler_that_hangs_keeps_no_other_from_answering_and_no_page() -> None:
    never = threading.Event()

    def ask(one: Launch) -> list[Job]:
        if one.launch_id == "stuck":
            never.wait(60)
        return [PENDING]

    asked = Schedulers(ask)
    found = asked.look([launch("stuck"), launch("a")])
    assert found["stuck"].at is None
    assert say_answer(found["stuck"]).startswith("asked, and no answer for ")
    assert wait_for_answer(asked, "a").jobs == [PENDING]
    never.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_answer_that_hpotool_does_not_understand_is_said() -> None:
    def ask(one: Launch) -> list[Job]:
        if one.launch_id == "good":
            return [PENDING]
        raise ValueError(one.launch_id)

    asked = Schedulers(ask)
    for name in "abcdefghij":  # more than threads at once
        found = wait_for_answer(asked, name)
        assert isinstance(found.jobs, str)
        assert "does not understand" in found.jobs
    assert wait_for_answer(asked, "good").jobs == [PENDING]
