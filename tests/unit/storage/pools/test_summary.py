"""Who used what, summed up."""

from __future__ import annotations

from typing import Any

import pytest

from hpotool.storage.pools.accounts import UsedBy
from hpotool.storage.pools.summary import Kind, UsageLine, sum_up


def used(**changes: Any) -> UsedBy:
    facts: dict[str, Any] = {
        "study": "s", "owner": "ann", "pool": "p", "tags": {"project": "ocr"}, "prices": {"H100": 2.0},
        "outcome": "complete", "slot": "0 (NVIDIA H100)", "seconds": 3600.0, "attempts": 2, "finished": 2,
    }  # fmt: skip
    return UsedBy(**{**facts, **changes})


def test_gpus_multiply_hours_and_a_worker_without_one_uses_none() -> None:
    [line] = sum_up([used(slot="0,1 (NVIDIA H100)"), used(slot="cpu", attempts=1, finished=0)], "owner")
    assert line == UsageLine("ann", 2.0, 2.0, 4.0, 3, 2)
    assert line.as_data("owner") == {
        "owner": "ann",
        "gpu_hours": 2.0,
        "worker_hours": 2.0,
        "cost": 4.0,
        "attempts": 3,
        "finished": 2,
    }


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("owner", ["bob", "ann", None]),
        ("project", ["ocr", None]),
        ("study", ["s"]),
        ("outcome", ["lost", "complete"]),
        ("pool", ["p", None]),
    ],
)
def test_those_that_used_most_come_first_and_what_names_nobody_is_a_line_too(
    kind: Kind, names: list[str | None]
) -> None:
    all_of_it = [
        used(),
        used(owner="bob", outcome="lost", seconds=9000.0),
        used(owner=None, pool=None, tags={}, seconds=60.0),
    ]
    lines = sum_up(all_of_it, kind)
    assert [line.name for line in lines] == names
    assert sum(line.attempts for line in lines) == 6
    assert sum(line.gpu_hours for line in lines) == pytest.approx((3600 + 9000 + 60) / 3600)


def test_each_study_has_its_own_prices() -> None:
    [line] = sum_up([used(), used(study="t", prices={"H100": 5.0}), used(study="u", prices={})], "pool")
    assert line.cost == 7.0
