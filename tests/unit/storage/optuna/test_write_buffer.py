"""Batches of writes merge like the dicts that they are: the later value wins, and no write is lost."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hpotool.storage.optuna.write_buffer import _KINDS, Batch

Write = tuple[str, int, str, int]
WRITES = st.lists(
    st.tuples(st.sampled_from(_KINDS), st.integers(1, 3), st.sampled_from("abc"), st.integers(0, 99)), max_size=12
)


def batch_of(writes: list[Write]) -> Batch:
    batch = Batch()
    for kind, trial_id, key, value in writes:
        batch.writes[kind][trial_id, key] = (value, None)  # type: ignore[index]
    return batch


def latest(writes: list[Write]) -> dict[tuple[str, int, str], int]:
    return {(kind, trial_id, key): value for kind, trial_id, key, value in writes}


def content(batch: Batch) -> dict[tuple[str, int, Any], Any]:
    return {(kind, *key): value for kind, rows in batch.writes.items() for key, (value, _) in rows.items()}


@given(WRITES, WRITES, WRITES)
def test_what_was_put_back_comes_before_what_was_written_since(
    first: list[Write], second: list[Write], third: list[Write]
) -> None:
    one, two, three = batch_of(first), batch_of(second), batch_of(third)
    assert content(one.followed_by(two)) == latest([*first, *second])
    assert content(one.followed_by(two).followed_by(three)) == content(one.followed_by(two.followed_by(three)))
    assert content(one) == latest(first), "merging changes neither of them"
    assert content(Batch().followed_by(one)) == content(one.followed_by(Batch())) == content(one)


@given(WRITES)
def test_single_writes_together_are_the_batch(writes: list[Write]) -> None:
    batch = batch_of(writes)
    singles = batch.singly()
    assert [len(single) for single in singles] == [1] * len(batch)
    merged = Batch()
    for single in singles:
        assert len(single.statements()) == 1
        assert str(single) in str(batch)
        merged = merged.followed_by(single)
    assert content(merged) == content(batch) == latest(writes)
    assert bool(batch) is bool(writes)


@given(WRITES)
def test_each_kind_is_one_statement_whose_columns_are_the_writes(writes: list[Write]) -> None:
    batch = batch_of(writes)
    statements = batch.statements()
    assert len(statements) == len({kind for kind, *_ in writes})
    rows = [
        row
        for _, columns in statements
        for row in zip(columns["trial_ids"], columns["keys"], columns["values"], columns["extras"], strict=True)  # type: ignore[call-overload]
    ]
    expected = [(trial_id, key, value, None) for (_, trial_id, key), value in latest(writes).items()]
    assert sorted(rows) == sorted(expected)
