"""The best feasible trials of a study, or its Pareto front, or a sentence that says why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpotool.analysis.candidates import BestTrials, found_in_values, found_trials, list_candidates
from hpotool.analysis.pareto import find_pareto_front
from hpotool.analysis.results import direction_signs, values_of_long

if TYPE_CHECKING:
    from optuna import Study


def find_best(study: Study, count: int = 1, *, replicates: bool = False) -> BestTrials:
    """Return the ``count`` best feasible trials with one metric, or the whole Pareto front with several.

    Among trials with equal values, the one that started first is better. With ``replicates``, trials of the same
    point are compared by their mean.
    """
    if len(study.directions) > 1:
        return find_pareto_front(study, replicates=replicates)

    values = None if replicates else values_of_long(study)
    if values is not None:
        return found_in_values(study, values, values.best(study.directions, count).tolist())

    candidates = list_candidates(study, replicates=replicates)
    feasible = [one for one in candidates if one.measured.is_feasible]
    sign = direction_signs(study)[0]
    ranked = sorted(feasible, key=lambda one: (sign * one.measured.values[0], one.trials[0].number))[:count]
    return found_trials(study, candidates, feasible, ranked, replicates=replicates)
