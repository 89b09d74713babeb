"""Checks, after one complete trial, whether a pruner's settings match the steps that the objective reports.

A pruner uses the ``step`` of ``trial.report``, and Optuna lets the objective start at 0 or 1, so a whole trial of
N steps ends at N - 1 or at N. Only certain problems are reported: that a pruner can never prune, or that it would
work differently with the right number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hpotool.study.spec import PrunerSpec
from hpotool.study.wording import count_of

_MEDIAN_TOLERANCE = 2  # a max_resource that is wrong by this factor makes its quarter meaningless


def find_step_mismatch(pruner: PrunerSpec, last_step: int | None, reports: int) -> str | None:
    """How the pruner's settings do not match a complete trial, in one sentence; None if they match.

    Args:
        last_step: the highest step that the trial reported; None if it reported nothing
        reports: the number of steps it reported
    """
    if pruner.name == "none":
        return None
    if last_step is None:
        return (
            f"a trial completed without a report, and the pruner {pruner.name} cannot prune such trials; "
            "report a value at each step, or write pruner: none"
        )
    match pruner.name:
        case "hyperband":
            return _hyperband(pruner.arguments, last_step, reports)
        case "asha":
            return _asha(pruner.arguments, last_step)
        case "median":
            return _warm_up(pruner, last_step) or _median(pruner.arguments, last_step, reports)
        case "percentile" | "threshold":
            return _warm_up(pruner, last_step)
        case "patient":
            return _patient(pruner.arguments, last_step, reports)
        case "wilcoxon":
            return _wilcoxon(pruner.arguments, reports)
    return None  # a user's own class


def _steps_of_whole_trial(last_step: int, reports: int) -> int:
    """The number of steps: counted from 0 if there are more reports than steps from 1 on, else from 1."""
    return last_step + 1 if reports > last_step else last_step


def _ended(last_step: int) -> str:
    return f"a complete trial's last report was at step {last_step}"


def _hyperband(arguments: Mapping[str, Any], last_step: int, reports: int) -> str | None:
    """Hyperband: max_resource only determines the number of brackets; bracket s first prunes at step r η^s.

    Li et al. 2018, algorithm 1, as implemented by Optuna: floor(log_η(R / r)) + 1 brackets.
    """
    low, high = arguments.get("min_resource", 1), arguments["max_resource"]
    factor = arguments.get("reduction_factor", 3)
    if last_step < low:
        return f"hyperband first prunes at min_resource {low}, but {_ended(last_step)}; use a smaller one"
    brackets = _brackets(low, high, factor)
    if brackets in {_brackets(low, last_step, factor), _brackets(low, last_step + 1, factor)}:
        return None
    idle = sum(low * factor**bracket > last_step for bracket in range(brackets))
    effect = (
        f"{idle} of its {count_of(brackets, 'bracket')} never prune"
        if idle
        else "it lacks the brackets that prune later"
    )
    right = _steps_of_whole_trial(last_step, reports)
    return f"hyperband's max_resource is {high}, but {_ended(last_step)}: {effect}; write max_resource: {right}"


def _brackets(low: int, high: int, factor: int) -> int:
    return math.floor(math.log(high / low, factor)) + 1


def _asha(arguments: Mapping[str, Any], last_step: int) -> str | None:
    factor, rate = arguments.get("reduction_factor", 4), arguments.get("min_early_stopping_rate", 0)
    # Without a min_resource, Optuna uses a hundredth of the longest complete trial, but at least 1.
    low = arguments.get("min_resource") or max(last_step // 100, 1)
    first = low * factor**rate
    if first <= last_step:
        return None
    fix = "a smaller min_resource or min_early_stopping_rate" if rate else "a smaller min_resource"
    if first == 1:
        fix = "pruner: none, or report more than one step"
    return f"asha first prunes at step {first}, but {_ended(last_step)}: it never prunes; use {fix}"


def _warm_up(pruner: PrunerSpec, last_step: int) -> str | None:
    warm_up = pruner.arguments.get("n_warmup_steps", 0)
    if warm_up <= last_step:
        return None
    return (
        f"{pruner.name} prunes only from n_warmup_steps {warm_up} on, but {_ended(last_step)}: it never prunes; "
        "use a smaller one"
    )


def _median(arguments: Mapping[str, Any], last_step: int, reports: int) -> str | None:
    told = arguments.get("max_resource")
    right = _steps_of_whole_trial(last_step, reports)
    if told is None or told < _MEDIAN_TOLERANCE * right < _MEDIAN_TOLERANCE**2 * told:
        return None
    return (
        f"median does not prune in the first quarter of max_resource {told}, but {_ended(last_step)}; "
        f"write max_resource: {max(right, 1)}"
    )


def _patient(arguments: Mapping[str, Any], last_step: int, reports: int) -> str | None:
    patience = arguments["patience"]
    if reports <= patience + 1:
        return (
            f"patient waits for {count_of(patience, 'step')} without improvement, "
            f"but a complete trial reported {reports}: it never prunes; use a smaller patience"
        )
    wrapped = arguments.get("wrapped")
    if wrapped is None:
        return None
    rest = {key: value for key, value in wrapped.items() if key not in ("name", "metric")}
    return find_step_mismatch(PrunerSpec(wrapped.get("name", "none"), rest), last_step, reports)


def _wilcoxon(arguments: Mapping[str, Any], reports: int) -> str | None:
    fewest = max(2, arguments.get("n_startup_steps", 2))
    if reports >= fewest:
        return None
    return (
        f"wilcoxon compares at least {fewest} steps, but a complete trial reported {reports}: "
        "it never prunes; report more steps, or write pruner: none"
    )
