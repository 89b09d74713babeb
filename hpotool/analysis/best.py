"""The best trial of a study, or its Pareto front: feasible ones, or the sentence that says why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpotool.analysis.results import TrialResult, metric_names, read_result

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class BestTrials:
    """The answer to "what was best?".

    Attributes:
        trials: the best first. Of several metrics, the Pareto front, in the order of the trials' numbers.
        complete: how many complete trials were compared.
        feasible: how many of those meet every constraint.
    """

    trials: tuple[TrialResult, ...]
    complete: int
    feasible: int

    @property
    def why_none(self) -> str | None:
        """The reason why nothing is best; ``None`` when something is."""
        if self.trials:
            return None
        if not self.complete:
            return "no trial is complete yet"
        return f"none of the {self.complete} complete trials meets every constraint"

    def as_data(self) -> dict[str, Any]:
        """Return the answer as JSON data: ``{"trials": [{"number", "values", "params", "constraints"}]}``."""
        return {"trials": [trial.as_data() for trial in self.trials]}


def find_best(study: Study, count: int = 1) -> BestTrials:
    """Return the ``count`` best feasible trials of one metric, or the whole Pareto front of several.

    Of trials with equal values the one that was started first is better.
    """
    if len(study.directions) > 1:
        from hpotool.analysis.pareto import find_pareto_front

        return find_pareto_front(study)

    complete = complete_trials(study)
    feasible = [trial for trial in complete if is_feasible(trial)]
    sign = direction_signs(study)[0]
    ranked = sorted(feasible, key=lambda trial: (sign * trial.values[0], trial.number))[:count]
    names = metric_names(study)
    return BestTrials(tuple(read_result(trial, names) for trial in ranked), len(complete), len(feasible))


def complete_trials(study: Study) -> list[FrozenTrial]:
    """Return the trials that ended with a value for every metric. They are shared: do not change them."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def is_feasible(trial: FrozenTrial) -> bool:
    """Return whether no constraint of the trial is above zero, as Optuna defines it."""
    return all(value <= 0 for value in trial.constraints.values())


def direction_signs(study: Study) -> list[float]:
    """Return, for each metric, what its values are multiplied with so that lower is better."""
    from optuna.study import StudyDirection

    return [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in study.directions]
