"""Turns an attempt's feasibility into Optuna's constraints: the bounds of the study file, and memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optuna import Trial

from hpotool.study.spec import StudySpec


def set_constraints(
    trial: Trial, spec: StudySpec, values: tuple[float, ...], extra: Mapping[str, Any]
) -> str | None:
    """Check the objective's values against the study's constraints; return a sentence if a value is missing.

    A constrained number is looked up among the metrics, then the other values that the objective returned or
    reported, then the trial's attributes.
    """
    metrics = dict(zip((metric.name for metric in spec.metrics), values, strict=True))
    reported = {**trial.user_attrs, **extra, **metrics}
    for constraint in spec.constraints:
        value = reported.get(constraint.name)
        number = _number(value)
        if number is None:
            return f"the objective reported no number for the constraint {constraint.name!r}"
        trial.set_constraint(constraint.name, constraint.violation(number))
    return None


def _number(value: Any) -> float | None:
    """The value as a number to compare with a bound; None for nan and numbers too large for a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return None if math.isnan(number) else number


def set_out_of_memory(trial: Trial) -> None:
    """Let the sampler learn that these parameters need more memory than is available."""
    trial.set_constraint("memory", 1.0)
