from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.analysis.costs import attempt_columns
from hpotool.study.rules.budget import total_cost

SLOTS = st.sampled_from(["cpu", "H100 0", "A100 1"])
PRICES = {"H100": 2.5, "cpu": 0.1}


def attempt(
    outcome: str = "complete", slot: str = "cpu", duration_s: float = 3600.0, **more: Any
) -> dict[str, Any]:
    return {"outcome": outcome, "reason": None, "worker": "w", "slot": slot, "duration_s": duration_s} | more


def test_the_last_attempt_says_how_it_ended_and_all_of_them_what_it_took() -> None:
    attempts = [attempt("lost", "cpu"), attempt("error", "H100 0", 7200.0, reason="it raised", worker="v")]
    assert attempt_columns("FAIL", attempts, PRICES) == {
        "outcome": "error", "reason": "it raised", "attempts": 2, "worker": "v", "slot_hours": 3.0,
        "cost": pytest.approx(5.1),
    }  # fmt: skip


@pytest.mark.parametrize(("state", "outcome"), [("COMPLETE", "complete"), ("PRUNED", "pruned"), ("WAITING", None)])
def test_a_trial_without_attempts_is_told_by_its_state(state: str, outcome: str | None) -> None:
    columns = attempt_columns(state, [], PRICES)
    assert columns["outcome"] == outcome
    assert (columns["attempts"], columns["slot_hours"], columns["worker"]) == (0, 0, None)


@given(st.lists(st.tuples(SLOTS, st.floats(0, 1e6)), max_size=6))
def test_hours_and_cost_add_up_over_all_attempts(parts: list[tuple[str, float]]) -> None:
    columns = attempt_columns("RUNNING", [attempt(slot=slot, duration_s=s) for slot, s in parts], PRICES)
    single = [total_cost({slot: s / 3600}, PRICES) for slot, s in parts]
    assert columns["slot_hours"] == pytest.approx(sum(s for _, s in parts) / 3600)
    assert columns["cost"] == pytest.approx(sum(single))
