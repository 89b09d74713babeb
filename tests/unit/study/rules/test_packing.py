"""What may start on a device that several workers share."""

from __future__ import annotations

import random

import pytest

from hpotool.study.rules.packing import FIRST_AFTER_S, Capacity, Request, Standing, judge_fit, judge_start
from tests.examples import examples

GB = 10**9
CARD = Capacity(16 * GB, 0)


def request(memory: int, since: float = 0.0, standing: Standing = "held", holder: str = "w1") -> Request:
    return Request(memory * GB, since, standing, holder)


def start(memory: int, *others: Request, since: float = 100.0, used: int = 0, now: float = 100.0) -> str | None:
    wait = judge_start(memory * GB, since, Capacity(16 * GB, used * GB), others, now)
    return None if wait is None else wait.reason


@pytest.mark.parametrize(
    ("memory", "held", "starts"),
    [(16, [], True), (17, [], False), (6, [10], True), (7, [10], False), (4, [6, 6], True), (5, [6, 6], False)],
)
def test_a_trial_starts_when_its_memory_fits_beside_what_was_promised(
    memory: int, held: list[int], starts: bool
) -> None:
    assert (start(memory, *(request(each) for each in held)) is None) is starts


def test_who_waits_is_told_what_is_promised_to_whom() -> None:
    assert start(10, request(10, holder="gpu1-77 (other)")) == (
        "a trial takes 10GB, and 6GB of 16GB are not promised (10GB to gpu1-77 (other))"
    )


def test_memory_in_use_without_a_promise_is_waited_for_and_holds_nobody_up() -> None:
    wait = judge_start(10 * GB, 0.0, Capacity(16 * GB, 9 * GB), [], 0.0)
    assert wait is not None
    assert wait.standing == "crowded"
    assert wait.reason == "a trial takes 10GB, and 7GB of 16GB are free: programs use more than was promised"
    # The one that waits for it is not first in line, however long it waits.
    crowded = request(10, 0.0, "crowded")
    assert start(6, crowded, used=9, now=10 * FIRST_AFTER_S) is None


def test_small_trials_pass_a_large_one_only_for_a_while() -> None:
    large = request(12, since=0.0, standing="queued", holder="large")
    assert start(6, request(6), large, since=1.0, now=FIRST_AFTER_S - 1) is None
    assert start(6, request(6), large, since=1.0, now=FIRST_AFTER_S) == "large has waited longer, for 12GB of 16GB"
    # It does not wait for itself, nor for those that came later.
    assert judge_start(12 * GB, 0.0, CARD, [request(6, since=1.0, standing="queued")], 200.0) is None


def test_of_several_in_line_the_one_that_came_first_is_named() -> None:
    line = [request(12, 5.0, "queued", "second"), request(15, 2.0, "queued", "first")]
    assert "first has waited longer" in (start(1, *line, since=50.0, now=100.0) or "")


@pytest.mark.parametrize(
    ("memory", "usable", "says"),
    [
        (16 * GB, 16 * GB, None),
        (20 * GB, 16 * GB, "has 16GB for programs, and each trial takes 20GB of it"),
        (10 * GB, 512 * 10**6, "has 512MB for programs, and each trial takes 10GB of it"),
    ],
)
def test_what_can_never_fit_is_said(memory: int, usable: int, says: str | None) -> None:
    assert judge_fit(memory, usable) == says


@pytest.mark.parametrize("seed", range(examples(20)))
def test_whatever_comes_and_goes_no_more_is_promised_than_there_is_and_everybody_has_a_turn(seed: int) -> None:
    """Workers that ask again and again, trials of any length, and a clock that the test moves."""
    rng = random.Random(seed)
    waiting = {f"w{n}": (rng.choice([2, 4, 6, 10, 12, 16]) * GB, float(n)) for n in range(8)}
    held: dict[str, tuple[Request, float]] = {}
    turns = dict.fromkeys(waiting, 0)
    now = 10.0
    while now < 40 * FIRST_AFTER_S:
        now += 1.0
        for name in [name for name, (_, until) in held.items() if until <= now]:
            memory = held.pop(name)[0].memory
            waiting[name] = (memory, now)
        for name in rng.sample(sorted(waiting), len(waiting)):
            memory, since = waiting[name]
            others = [each for each, _ in held.values()]
            others += [Request(m, s, "queued", n) for n, (m, s) in waiting.items() if n != name]
            if judge_start(memory, since, CARD, others, now) is None:
                del waiting[name]
                held[name] = (Request(memory, since, "held", name), now + rng.uniform(5, 100))
                turns[name] += 1
        assert sum(each.memory for each, _ in held.values()) <= CARD.usable
    assert min(turns.values()) > 0, turns
