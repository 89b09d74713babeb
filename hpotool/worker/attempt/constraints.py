"""What an attempt says about feasibility, as Optuna's constraints: the bounds of the study file, and memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optuna import Trial

from hpotool.study.spec import StudySpec


def set_constraints(
    trial: Trial, spec: StudySpec, values: tuple[float, ...], extra: Mapping[str, Any]
) -> str | None:
    """Hold what the objective reported against the study's constraints; the sentence that says what is missing.

    A constrained number is a metric, something else that the objective returned or reported beside its metrics,
    or an attribute of the trial; in this order.
    """
    metrics = dict(zip((metric.name for metric in spec.metrics), values, strict=True))
    reported = {**trial.user_attrs, **extra, **metrics}
    for constraint in spec.constraints:
        value = reported.get(constraint.name)
        number = _number(value)
        if number is None:
            return f"the objective reported no number for {constraint.name!r}, which the study constrains"
        trial.set_constraint(constraint.name, constraint.violation(number))
    return None


def _number(value: Any) -> float | None:
    """A number that can be compared with a bound: nan cannot, nor what is too large for a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return None if math.isnan(number) else number


def set_out_of_memory(trial: Trial) -> None:
    """Let the sampler learn that these parameters need more memory than there is."""
    trial.set_constraint("memory", 1.0)
