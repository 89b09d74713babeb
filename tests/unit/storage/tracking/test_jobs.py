"""Which trials have arrived, as one number and a few beyond it: the same as the set of all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hpotool.storage.tracking.jobs import Arrived, Job

NUMBERS = st.sets(st.integers(0, 12))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=6))
def test_what_has_arrived_is_what_was_sent_in_any_order_and_again(rounds: list[tuple[set[int], set[int]]]) -> None:
    arrived, sent, refused = Arrived(), set[int](), set[int]()
    for numbers, cannot in rounds:
        arrived = arrived.with_more(numbers, cannot)
        sent |= numbers | cannot
        refused |= cannot
        assert {number for number in range(20) if number in arrived} == sent
        assert arrived.refused == refused
        assert arrived.below not in arrived, "as high as it can be"
        assert all(number > arrived.below for number in arrived.beyond), "each is counted once"
        assert arrived.below + len(arrived.beyond) == len(sent)


def test_a_job_is_named_by_study_name_and_holder() -> None:
    assert Job(3, "notify", "w").parameters == {"study_id": 3, "job": "notify", "holder": "w"}
