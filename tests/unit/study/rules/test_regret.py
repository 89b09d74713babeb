"""The looks at which the gain is judged follow from the number of finished trials alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.study.rules.regret import FEWEST_TRIALS, Regret, is_hardly_anything, latest_looks


@pytest.mark.parametrize(
    ("finished", "looks"),
    [(0, ()), (19, ()), (20, (20,)), (24, (20,)), (25, (20, 25)), (64, (55, 60)), (120, (103, 113))],
)
def test_there_are_looks_from_twenty_trials_on(finished: int, looks: tuple[int, ...]) -> None:
    assert latest_looks(finished) == looks


@given(st.integers(0, 5_000))
def test_looks_are_never_beyond_what_has_finished_and_never_far_behind(finished: int) -> None:
    looks = latest_looks(finished)
    assert all(FEWEST_TRIALS <= look <= finished for look in looks)
    assert list(looks) == sorted(set(looks))
    if looks:
        assert finished - looks[-1] < max(5, looks[-1] // 10)


@given(st.integers(0, 500), st.integers(0, 500))
def test_more_trials_never_move_a_look_back(one: int, more: int) -> None:
    before, after = latest_looks(one), latest_looks(one + more)
    assert not before or after[-1] >= before[-1]


def look(at_most: float) -> Regret:
    return Regret(at_most / 3, at_most, 30, 7)


@pytest.mark.parametrize(
    ("looks", "ends"),
    [
        ((), False),
        ((look(0.0),), False),
        ((look(0.01), look(0.01)), True),
        ((look(0.011), look(0.001)), False),
        ((look(0.001), look(0.011)), False),
        ((None, look(0.001)), False),
        ((look(0.001), None), False),
    ],
)
def test_two_looks_in_a_row_must_find_that_hardly_anything_is_left(
    looks: tuple[Regret | None, ...], ends: bool
) -> None:
    assert is_hardly_anything(looks, 0.01) is ends
