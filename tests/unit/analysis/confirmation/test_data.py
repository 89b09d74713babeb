"""An answer as data: the counts add up, and it is strict JSON whatever was measured."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.analysis.confirmation.answer import answer
from hpotool.analysis.confirmation.data import answer_data
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Replicate
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import Measurement
from tests.unit.analysis.confirmation.answers import confirmed, point

STATES = st.sampled_from(["COMPLETE", "RUNNING", "WAITING", "FAIL", "PRUNED"])


@given(st.lists(st.tuples(st.sampled_from(["trial 1", "trial 2"]), STATES), max_size=8))
def test_every_replicate_is_counted_once(replicates: list[tuple[str, str]]) -> None:
    made = [
        Replicate(
            Reevaluation("confirm", name, seed), seed, state, Measurement((1.0,)) if state == "COMPLETE" else None
        )
        for seed, (name, state) in enumerate(replicates)
    ]
    points = (Point("trial 1", {"x": 1}, 1), Point("trial 2", {"x": 2}, 2))
    data = answer_data(answer(Order(points, 3), made, {"loss": "minimize"}))
    states = Counter(state for _, state in replicates)
    counts = data["replicates"]
    assert counts.pop("asked") == len(replicates)
    assert sum(counts.values()) == len(replicates)
    assert counts["failed"] == states["FAIL"] + states["PRUNED"]
    assert (data["state"] == "open") == bool(states["RUNNING"] + states["WAITING"])
    for one in data["points"]:
        own = Counter(state for name, state in replicates if name == one["point"])
        assert one["replicates"]["measured"] == own["COMPLETE"]
        assert one["replicates"]["open"] == own["RUNNING"] + own["WAITING"]
        assert len(one["replicates"]["trials"]) == own.total()


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1.7e308, -1.7e308, 5e-324])
def test_it_is_strict_json_whatever_was_measured(value: float) -> None:
    baseline = point(1, 0.3)
    measured = confirmed({point(0, 0.1, value): [value, -value, 1.0], baseline: [1.0, value, 2.0]})
    data = json.loads(json.dumps(answer_data(measured), allow_nan=False))
    assert {one["point"] for one in data["points"]} == {"trial 0", "trial 1"}


def test_a_row_has_what_was_measured_between_the_name_and_what_the_search_saw() -> None:
    [row] = [one.as_row() for one in confirmed({point(7, 0.1, 0.05): [0.2, 0.4]}).points]
    assert list(row) == ["point", "p_best", "loss", "loss_se", "n", "loss_search"]
    assert (row["point"], row["n"], row["loss"], row["loss_search"]) == ("trial 7", 2, pytest.approx(0.3), 0.05)
