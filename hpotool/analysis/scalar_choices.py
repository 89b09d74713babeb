"""Makes a study readable for Optuna's plots and importances, which need hashable choices."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from hpotool.study.doors import LARGEST_EXACT

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


def with_scalar_choices(study: Study) -> Study:
    """Return the study itself or, if choices are lists, dicts or huge numbers, a copy with their JSON text."""
    trials = study.get_trials(deepcopy=False)
    if all(_is_scalar(choice) for trial in trials for choice in _choices(trial)):
        return study
    import optuna

    copied = optuna.create_study(directions=study.directions, study_name=study.study_name)
    if study.metric_names:
        copied._storage.set_study_system_attr(copied._study_id, "study:metric_names", study.metric_names)
    for trial in trials:
        copied._storage.create_new_trial(copied._study_id, _with_texts(trial))
    return copied


def _choices(trial: FrozenTrial) -> list[Any]:
    return [choice for space in trial.distributions.values() for choice in getattr(space, "choices", ())]


def _is_scalar(choice: Any) -> bool:
    if isinstance(choice, int):
        return abs(choice) <= LARGEST_EXACT
    return choice is None or isinstance(choice, (str, float))


def _with_texts(trial: FrozenTrial) -> FrozenTrial:
    from optuna.distributions import CategoricalDistribution

    copied = copy.deepcopy(trial)
    for name, space in trial.distributions.items():
        if isinstance(space, CategoricalDistribution):
            index = int(space.to_internal_repr(trial.params[name]))
            texts = CategoricalDistribution([one if _is_scalar(one) else json.dumps(one) for one in space.choices])
            copied._distributions[name] = texts
            copied._params[name] = texts.choices[index]
    return copied
