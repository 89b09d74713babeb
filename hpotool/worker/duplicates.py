"""What becomes of a point that was tried before: it takes over the result there is, or is a replicate."""

from __future__ import annotations

from optuna import Study, Trial
from optuna.trial import FrozenTrial, TrialState

from hpotool.study.branch import Branch
from hpotool.study.outcome import Outcome
from hpotool.study.replicates import REPLICATE_OF, point_key
from hpotool.study.space import suggest_search_space
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt import AttemptResult


def settle_duplicate(spec: StudySpec, study: Study, trial: Trial) -> AttemptResult | None:
    """The result that ``trial`` takes over; None: it has to run, and where it is a replicate that is noted at it.

    Of several earlier trials with exactly its parameters the first one counts. A branch is no duplicate: it goes
    further than the trial that it has its parameters from.
    """
    if spec.duplicates == "allow" or not spec.search_space:
        return None
    if Branch.of(trial._cached_frozen_trial.system_attrs):
        return None
    try:
        point = point_key(suggest_search_space(spec.search_space, trial), trial.distributions)
    except ValueError:  # the attempt will meet it too, and says what it means
        return None
    if not spec.has_replicates:
        same = _first(study, point, TrialState.COMPLETE, TrialState.PRUNED)
        return None if same is None else _taken_over(same)
    same = _first(study, point, TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    if same is not None and same.number < trial.number:
        trial.set_user_attr(REPLICATE_OF, same.number)
    return None


def _first(study: Study, point: str, *states: TrialState) -> FrozenTrial | None:
    trials = study.get_trials(deepcopy=False, states=states)
    return next((trial for trial in trials if point_key(trial.params, trial.distributions) == point), None)


def _taken_over(earlier: FrozenTrial) -> AttemptResult:
    outcome = Outcome.COMPLETE if earlier.state == TrialState.COMPLETE else Outcome.PRUNED
    values = tuple(earlier.values) if outcome is Outcome.COMPLETE else None
    return AttemptResult(outcome, f"the same point as trial {earlier.number}; not run again", values)
