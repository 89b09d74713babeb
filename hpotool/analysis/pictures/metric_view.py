"""Presents one metric of a study as a study by itself, so that Optuna's plots know which direction is better.

With a ``target``, they draw no best line and assume that lower is better; with a study of one metric, they do not.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

from hpotool.analysis.scalar_choices import with_scalar_choices

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


_HIGHEST_DRAWN = 1e150  # beyond this, the length of an axis is no longer a number


def metric_view(study: Study, index: int) -> Study:
    """Return the study with only its ``index``-th metric and the same numbers; itself if it has no other metric.

    A trial whose value cannot be shown on an axis, like infinity, is included as failed.
    """
    study = with_scalar_choices(study)
    if len(study.directions) == 1 and all(_is_drawn(trial, 0) for trial in study.get_trials(deepcopy=False)):
        return study
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(
        optuna.logging.WARNING
    )  # the log message about a created study does not concern the user
    view = optuna.create_study(direction=study.directions[index], study_name=study.study_name)
    optuna.logging.set_verbosity(verbosity)
    for trial in study.get_trials(deepcopy=False):
        view._storage.create_new_trial(view._study_id, _with_one_value(trial, index))
    return view


def _with_one_value(trial: FrozenTrial, index: int) -> FrozenTrial:
    from optuna.trial import TrialState

    single = copy.copy(trial)
    if _is_drawn(trial, index):
        single._values = None if trial.values is None else [trial.values[index]]
    else:
        single._values, single.state = None, TrialState.FAIL
    return single


def _is_drawn(trial: FrozenTrial, index: int) -> bool:
    return trial.values is None or abs(trial.values[index]) < _HIGHEST_DRAWN


def last_reports(study: Study) -> dict[int, float]:
    """Return the last value reported by each pruned trial, by number; only finite ones."""
    from optuna.trial import TrialState

    last: dict[int, float] = {}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)):
        reports = trial.intermediate_values
        if reports and math.isfinite(reports[max(reports)]):
            last[trial.number] = reports[max(reports)]
    return last
