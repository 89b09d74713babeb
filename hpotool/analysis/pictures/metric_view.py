"""One metric of a study as a study of its own: what Optuna's plots need to know which direction is better.

Given a ``target`` they draw no best line and take low for good; given a study of one metric they do neither.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

from hpotool.analysis.scalar_choices import with_scalar_choices

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


_HIGHEST_DRAWN = 1e150  # beyond it, the length of an axis is no number any more


def metric_view(study: Study, index: int) -> Study:
    """Return the study with its ``index``-th metric only, each trial under its number; itself where that is all.

    A trial whose value no axis can show, like infinity, is there as a failed one.
    """
    study = with_scalar_choices(study)
    if len(study.directions) == 1 and all(_is_drawn(trial, 0) for trial in study.get_trials(deepcopy=False)):
        return study
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # that a study is created is no news of the reader's
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
    """Return the last value that each pruned trial reported, by its number; only finite ones."""
    from optuna.trial import TrialState

    last: dict[int, float] = {}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)):
        reports = trial.intermediate_values
        if reports and math.isfinite(reports[max(reports)]):
            last[trial.number] = reports[max(reports)]
    return last
