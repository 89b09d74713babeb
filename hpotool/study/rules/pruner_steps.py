"""Whether a pruner's steps are those that the objective reports, as one complete trial shows it.

A pruner compares with the ``step`` of ``trial.report``, and Optuna leaves it to the objective whether the first
one is 0 or 1: a whole trial of N steps ends at N - 1 or at N. Only what is sure is said here: that a pruner never
gets to judge, or that with the right number it would be another pruner.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hpotool.study.spec import PrunerSpec

_MEDIAN_TOLERANCE = 2  # max_resource this many times too large or too small makes its quarter another part


def find_step_mismatch(pruner: PrunerSpec, last_step: int | None, reports: int) -> str | None:
    """What does not fit between the pruner and a complete trial, in one sentence; None: nothing.

    Args:
        last_step: the highest step that the trial reported; None: it reported nothing
        reports: how many steps it reported
    """
    if pruner.name == "none":
        return None
    if last_step is None:
        return (
            f"a trial completed without a report, and the pruner {pruner.name} ends none that reports nothing; "
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
    return None  # a class of the user's own


def _steps_of_whole_trial(last_step: int, reports: int) -> int:
    """Counted from 0 where there are more reports than steps from 1 on, else from 1."""
    return last_step + 1 if reports > last_step else last_step


def _ended(last_step: int) -> str:
    return f"a complete trial's last report was at step {last_step}"


def _hyperband(arguments: Mapping[str, Any], last_step: int, reports: int) -> str | None:
    """All that max_resource decides is how many brackets there are: bracket s first judges at step r η^s.

    Li et al. 2018, algorithm 1, as Optuna reads it: floor(log_η(R / r)) + 1 brackets.
    """
    low, high = arguments.get("min_resource", 1), arguments["max_resource"]
    factor = arguments.get("reduction_factor", 3)
    if last_step < low:
        return f"hyperband first judges at min_resource {low}, and {_ended(last_step)}; write a smaller one"
    brackets = _brackets(low, high, factor)
    if brackets in {_brackets(low, last_step, factor), _brackets(low, last_step + 1, factor)}:
        return None
    idle = sum(low * factor**bracket > last_step for bracket in range(brackets))
    effect = (
        f"{idle} of its {brackets} brackets end no trial early"
        if idle
        else "it lacks the brackets that leave trials alone for longer"
    )
    right = _steps_of_whole_trial(last_step, reports)
    return f"hyperband's max_resource is {high}, and {_ended(last_step)}: {effect}; write max_resource: {right}"


def _brackets(low: int, high: int, factor: int) -> int:
    return math.floor(math.log(high / low, factor)) + 1


def _asha(arguments: Mapping[str, Any], last_step: int) -> str | None:
    factor, rate = arguments.get("reduction_factor", 4), arguments.get("min_early_stopping_rate", 0)
    # Without a min_resource Optuna takes a hundredth of the longest complete trial, and 1 at least.
    low = arguments.get("min_resource") or max(last_step // 100, 1)
    first = low * factor**rate
    if first <= last_step:
        return None
    fix = "a smaller min_resource or min_early_stopping_rate" if rate else "a smaller min_resource"
    if first == 1:
        fix = "pruner: none, or report more than one step"
    return f"asha first judges at step {first}, and {_ended(last_step)}: it ends no trial early; write {fix}"


def _warm_up(pruner: PrunerSpec, last_step: int) -> str | None:
    warm_up = pruner.arguments.get("n_warmup_steps", 0)
    if warm_up <= last_step:
        return None
    return (
        f"{pruner.name} judges from n_warmup_steps {warm_up} on, and {_ended(last_step)}: it ends no trial early; "
        "write a smaller one"
    )


def _median(arguments: Mapping[str, Any], last_step: int, reports: int) -> str | None:
    told = arguments.get("max_resource")
    right = _steps_of_whole_trial(last_step, reports)
    if told is None or told < _MEDIAN_TOLERANCE * right < _MEDIAN_TOLERANCE**2 * told:
        return None
    return (
        f"median leaves a quarter of max_resource {told} alone, and {_ended(last_step)}; "
        f"write max_resource: {max(right, 1)}"
    )


def _patient(arguments: Mapping[str, Any], last_step: int, reports: int) -> str | None:
    patience = arguments["patience"]
    if reports <= patience + 1:
        return (
            f"patient bears {patience} steps without improvement, and a complete trial reported {reports}: "
            "it ends no trial early; write a smaller patience"
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
        f"wilcoxon compares {fewest} steps at least, and a complete trial reported {reports}: "
        "it ends no trial early; report more steps, or write pruner: none"
    )
