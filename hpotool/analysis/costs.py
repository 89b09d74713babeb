"""Summarizes a trial's attempts: how it ended, the number of attempts, and their cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from hpotool.analysis.trials import outcome_of_state
from hpotool.study.rules.budget import total_cost


def attempt_columns(
    state: str, attempts: Sequence[Mapping[str, Any]], prices: Mapping[str, float]
) -> dict[str, Any]:
    """Return the table columns for a trial in ``state``: ``outcome``, ``reason``, ``attempts``, ``worker``,
    ``slot_hours`` and ``cost``. The first two are the last attempt's; hours and cost are summed over all attempts.
    """
    hours: dict[str, float] = defaultdict(float)
    for attempt in attempts:
        hours[attempt["slot"]] += attempt["duration_s"] / 3600
    last = attempts[-1] if attempts else {"outcome": outcome_of_state(state), "reason": None, "worker": None}
    return {
        "outcome": last["outcome"],
        "reason": last["reason"],
        "attempts": len(attempts),
        "worker": last["worker"],
        "slot_hours": sum(hours.values()),
        "cost": total_cost(hours, prices),
    }
