"""Conditions as people type them: what they hold for, and what is none."""

from __future__ import annotations

import pytest

from hpotool.analysis.conditions import read_conditions
from hpotool.errors import InputError

ROW = {"lr": 0.2, "booster": "dart", "reason": "RuntimeError: CUDA out of memory", "depth": 3, "state": "FAIL"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("lr>0.1", True),
        ("lr > 1e-1 and depth<=3", True),
        ("lr>0.1 and depth<3", False),
        ("booster=DART", True),
        ("booster!=gbtree", True),
        ("state==fail", True),
        ("reason~out of memory", True),
        ("reason~cuda", True),
        ("reason~disk", False),
        ("lr~0.2", True),
        ("depth~4", False),
        ("missing~x", False),
        ("reason ~ 'CUDA' and lr < 1", True),
    ],
)
def test_a_condition_holds_for_a_row(text: str, holds: bool) -> None:
    assert all(one.holds(ROW) for one in read_conditions(text)) is holds


@pytest.mark.parametrize("text", ["", "lr", "lr 0.1", "> 3", "lr>0.1 or depth=3", "reason~"])
def test_what_is_no_comparison_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"is not a comparison like lr>0\.1"):
        read_conditions(text)
