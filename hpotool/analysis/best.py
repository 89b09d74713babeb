"""The best trial of a study, or its Pareto front: feasible ones, or the sentence that says why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpotool.analysis.replicates import Candidate, list_candidates
from hpotool.analysis.results import TrialResult, metric_names

if TYPE_CHECKING:
    from optuna import Study


@dataclass(frozen=True)
class BestTrials:
    """The answer to "what was best?".

    Attributes:
        trials: the best first. Of several metrics, the Pareto front, in the order of the trials' numbers. Of
            replicates, the first one's number with their means.
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


def find_best(study: Study, count: int = 1, *, replicates: bool = False) -> BestTrials:
    """Return the ``count`` best feasible trials of one metric, or the whole Pareto front of several.

    Of trials with equal values the one that was started first is better. With ``replicates``, trials of the same
    point are compared by their mean.
    """
    if len(study.directions) > 1:
        from hpotool.analysis.pareto import find_pareto_front

        return find_pareto_front(study, replicates=replicates)

    candidates = list_candidates(study, replicates=replicates)
    feasible = [one for one in candidates if one.measured.is_feasible]
    sign = direction_signs(study)[0]
    ranked = sorted(feasible, key=lambda one: (sign * one.measured.values[0], one.trials[0].number))[:count]
    return found_trials(study, candidates, feasible, ranked, replicates=replicates)


def found_trials(
    study: Study,
    candidates: Sequence[Candidate],
    feasible: Sequence[Candidate],
    best: Sequence[Candidate],
    *,
    replicates: bool,
) -> BestTrials:
    """Return the answer: the best as they are shown, and how many trials were compared."""
    names = metric_names(study)
    return BestTrials(
        tuple(one.as_result(names, replicates=replicates) for one in best),
        sum(len(one.trials) for one in candidates),
        sum(len(one.trials) for one in feasible),
    )


def direction_signs(study: Study) -> list[float]:
    """Return, for each metric, what its values are multiplied with so that lower is better."""
    from optuna.study import StudyDirection

    return [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in study.directions]
