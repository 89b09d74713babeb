"""Which points are worth confirming: the best of the search, or those that are named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hpotool.analysis.confirmation.answer import ConfirmationAnswer
from hpotool.analysis.confirmation.ranking import find_confirmed_best
from hpotool.analysis.results import TrialResult, complete_trials, metric_names, read_result
from hpotool.errors import InputError, NotFoundError, paste
from hpotool.study.confirmation.order import Point

if TYPE_CHECKING:
    from optuna import Study


def best_points(
    study: Study,
    count: int,
    *,
    replicates: bool,
    origin: str | None = None,
    confirmed: ConfirmationAnswer | None = None,
) -> list[Point]:
    """The ``count`` best points of a study, each once; of several metrics, spread over the Pareto front.

    ``origin``: the name of the study, where it is another one than the one that confirms; its points that were
    ``confirmed`` there come first, as in its `best`.

    Raises:
        NotFoundError: no trial is complete, or none meets every constraint.
    """
    found = find_confirmed_best(study, confirmed, len(complete_trials(study)) or 1, replicates=replicates)
    if not found.trials:
        raise NotFoundError(
            f"study {study.study_name!r}: {found.why_none}", paste("status", "--study", study.study_name)
        )
    points = {point.key: point for point in reversed([_point(trial, origin) for trial in found.trials])}
    ranked = list(reversed(points.values()))
    return ranked[:count] if len(study.directions) == 1 else _spread(ranked, count, metric_names(study)[0])


def named_points(study: Study, numbers: Sequence[int], origin: str | None = None) -> list[Point]:
    """The points of these trials.

    Raises:
        NotFoundError: there is no such trial.
        InputError: it has no parameters yet.
    """
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    names = metric_names(study)
    points = []
    for number in numbers:
        if number not in trials:
            raise NotFoundError(
                f"the search of study {study.study_name!r} has no trial {number}",
                paste("trials", "--study", study.study_name),
            )
        if not trials[number].params:
            raise InputError(f"trial {number} has no parameters yet", "wait until it has begun")
        point = _point(read_result(trials[number], names), origin)
        is_complete = trials[number].state.name == "COMPLETE"  # a pruned one has the value of its last step
        points.append(point if is_complete else replace(point, found={}))
    return points


def _point(trial: TrialResult, origin: str | None) -> Point:
    name = f"trial {trial.number}" if origin is None else f"trial {trial.number} of {origin}"
    found = {metric: value for metric, value in trial.values.items() if math.isfinite(value)}
    return Point(name, trial.params, trial.number, origin, found)


def _spread(points: list[Point], count: int, metric: str) -> list[Point]:
    """So many of a front, at equal distances along its first metric, both ends among them."""
    if len(points) <= count:
        return points
    ordered = sorted(points, key=lambda point: (point.found or {}).get(metric, math.inf))
    steps = (len(ordered) - 1) / max(1, count - 1)
    return [ordered[round(place * steps)] for place in range(count)]
