"""Studies in memory whose every number is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-5, 1.0, log=True),
    "depth": IntDistribution(1, 20),
    "booster": CategoricalDistribution(["gbtree", "dart", None, 3, 0.5, True]),
    "drop": FloatDistribution(0.0, 1.0),
    "noise": FloatDistribution(0.0, 1.0),
}


def make_study(*metrics: str, directions: Sequence[str] = ("minimize",)) -> optuna.Study:
    study = optuna.create_study(directions=list(directions), study_name="known")
    if metrics:
        study.set_metric_names(list(metrics))
    return study


def add(
    study: optuna.Study,
    values: Sequence[float] | None,
    params: Mapping[str, Any] | None = None,
    state: TrialState = TrialState.COMPLETE,
    constraints: Mapping[str, float] | None = None,
    **attributes: Any,
) -> None:
    """Add a trial as some worker would have left it."""
    params = dict(params or {})
    study.add_trial(
        optuna.trial.create_trial(
            state=state,
            values=values,
            params=params,
            distributions={name: SPACE[name] for name in params},
            constraints=dict(constraints) if constraints else None,
            **attributes,
        )
    )
