"""Handles a point that was tried before: it gets the existing result, or becomes a replicate."""

from __future__ import annotations

from optuna import Study, Trial
from optuna.trial import FrozenTrial, TrialState

from hpotool.study.branch import Branch
from hpotool.study.outcome import Outcome
from hpotool.study.rules.replicates import REPLICATE_OF, point_key
from hpotool.study.space import suggest_search_space
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt.running_attempt import AttemptResult
from hpotool.worker.process.protocol import REPORTS_ATTRIBUTE

SAME_POINT = "the same point as trial"  # how the reason begins
_MEASURED = ("constraints", REPORTS_ATTRIBUTE)  # the system attributes that contain measurements


def resolve_duplicate(spec: StudySpec, study: Study, trial: Trial) -> AttemptResult | None:
    """The existing result for ``trial``; None: it has to run (as a replicate, which is recorded on it).

    Of several earlier trials with exactly its parameters, the first counts.
    """
    if spec.duplicates == "allow" or not spec.search_space:
        return None
    point = find_point(spec, trial)
    if point is None:
        return None
    if not spec.has_replicates:
        same = _first(study, point, TrialState.COMPLETE, TrialState.PRUNED)
        return None if same is None else _copy_result(same, trial)
    same = _first(study, point, TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    if same is not None and same.number < trial.number:
        trial.set_user_attr(REPLICATE_OF, same.number)
    return None


def find_point(spec: StudySpec, trial: Trial) -> str | None:
    """The key that all trials with this trial's parameters share.

    None for a branch, which trains further than the trial from which it got its parameters; and if the parameters
    cannot be suggested: the attempt itself will raise the same error, and report it.
    """
    if Branch.of(trial._cached_frozen_trial.system_attrs):
        return None
    try:
        return point_key(suggest_search_space(spec.search_space, trial), trial.distributions)
    except ValueError:
        return None


def _first(study: Study, point: str, *states: TrialState) -> FrozenTrial | None:
    trials = study.get_trials(deepcopy=False, states=states)
    return next((trial for trial in trials if point_key(trial.params, trial.distributions) == point), None)


def copy_measurements(earlier: FrozenTrial, trial: Trial) -> None:
    """Copy everything but the values from the earlier trial, so that copying cannot make the trial feasible."""
    for key, value in earlier.user_attrs.items():
        trial.set_user_attr(key, value)
    storage, trial_id = trial.storage, trial._trial_id
    for step, value in earlier.intermediate_values.items():
        storage.set_trial_intermediate_value(trial_id, step, value)
    for key, value in earlier.system_attrs.items():
        if key.startswith(_MEASURED):
            storage.set_trial_system_attr(trial_id, key, value)


def _copy_result(earlier: FrozenTrial, trial: Trial) -> AttemptResult:
    copy_measurements(earlier, trial)
    outcome = Outcome.COMPLETE if earlier.state == TrialState.COMPLETE else Outcome.PRUNED
    values = tuple(earlier.values) if outcome is Outcome.COMPLETE else None
    reason = f"{SAME_POINT} {earlier.number}; not run again"
    return AttemptResult(outcome, reason, values)
