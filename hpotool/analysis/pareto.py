"""The Pareto front: the feasible trials that no other feasible trial beats in every metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpotool.analysis.best import BestTrials, complete_trials, is_feasible
from hpotool.analysis.results import metric_names, read_result

if TYPE_CHECKING:
    from optuna import Study


def find_pareto_front(study: Study) -> BestTrials:
    """Return the front in the order of the trials' numbers. With one metric it is the set of equally best trials.

    Optuna's own routine decides (10,000 trials with two metrics take it some hundredths of a second); it is handed
    the complete trials alone, which ``study.best_trials`` would first copy one by one.
    """
    from optuna.study._multi_objective import _get_pareto_front_trials_by_trials

    complete = complete_trials(study)
    feasible = [trial for trial in complete if is_feasible(trial)]
    front = _get_pareto_front_trials_by_trials(feasible, study.directions)
    names = metric_names(study)
    return BestTrials(tuple(read_result(trial, names) for trial in front), len(complete), len(feasible))
