"""What a pruner held a trial against when it ended it, in words for the one who reads the trial's reason."""

from __future__ import annotations

import math

from optuna.pruners import BasePruner, PatientPruner, ThresholdPruner, WilcoxonPruner

from hpotool.search.pruning.following import Following
from hpotool.study.wording import count_of


def say_verdict(pruner: BasePruner) -> str | None:
    """Say why ``pruner`` has just ended a trial; None of a pruner that is not known here."""
    match pruner:
        case Following():
            return pruner.held_against
        case ThresholdPruner():
            return _say_bounds(pruner._lower, pruner._upper)
        case PatientPruner():
            waited = f"it got no better for {count_of(pruner._patience, 'step')}"
            inner = None if pruner._wrapped_pruner is None else say_verdict(pruner._wrapped_pruner)
            return waited if inner is None else f"{waited}, and {inner}"
        case WilcoxonPruner():
            return f"by Wilcoxon's test it is worse than the best trial (p < {pruner._p_threshold:g})"
    return None


def _say_bounds(lower: float, upper: float) -> str:
    low = "" if math.isinf(lower) else f"at least {lower:g}"
    high = "" if math.isinf(upper) else f"at most {upper:g}"
    return f"the pruner admits {' and '.join(filter(None, (low, high)))}"
