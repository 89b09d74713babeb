"""``duplicates: skip``: a point that has a result already takes it over, and is not run again."""

from __future__ import annotations

from optuna import Study, Trial
from optuna.trial import TrialState

from hpotool.study.outcome import Outcome
from hpotool.study.space import suggest_search_space
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt import AttemptResult


def find_earlier_result(spec: StudySpec, study: Study, trial: Trial) -> AttemptResult | None:
    """The result of the first finished trial with exactly the parameters of ``trial``; None: it has to run."""
    if spec.duplicates != "skip":
        return None
    try:
        point = suggest_search_space(spec.search_space, trial)
    except ValueError:  # the attempt will meet it too, and says what it means
        return None
    for earlier in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
        if earlier.params == point:
            outcome = Outcome.COMPLETE if earlier.state == TrialState.COMPLETE else Outcome.PRUNED
            values = tuple(earlier.values) if outcome is Outcome.COMPLETE else None
            return AttemptResult(outcome, f"the same point as trial {earlier.number}; not run again", values)
    return None
