"""Takes over the result of an equal trial of another study, where the study file says `reuse: true`.

Equal means: the same objective, code, data, point and seed. What cannot be known (code that is not found, missing
data) is never equal. Only trials of the search are asked for: confirming and final trainings always run.
"""

from __future__ import annotations

from contextlib import suppress

from optuna import Trial
from optuna.trial import FrozenTrial

from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.fleet.attempts import Attempt
from hpotool.storage.fleet.reuse import REUSED, Candidate, find_reusable
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.study.file.differences import differences_in_measuring
from hpotool.study.file.reader import read_study_data
from hpotool.study.outcome import Outcome
from hpotool.study.rules.replicates import point_key
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt.duplicates import SAME_POINT, copy_measurements, find_point
from hpotool.worker.attempt.running_attempt import AttemptResult


def reuse_result(spec: StudySpec, storage: WorkerStorage, attempt: Attempt, trial: Trial) -> AttemptResult | None:
    """The result of an equal trial of another study; None: it has to run."""
    seed = spec.sampler.seed
    if not spec.reuse or seed is None or not storage.origin.is_known:
        return None
    point = find_point(spec, trial)
    if point is None:
        return None
    with suppress(DatabaseUnreachableError), storage.connection.no_wait():
        for one in find_reusable(storage.run, attempt.study_id, seed, attempt.root_number, storage.origin):
            if _is_equal(one, spec, point):
                return _take_over(one, trial)
    return None


def _is_equal(one: Candidate, spec: StudySpec, point: str) -> bool:
    if point_key(one.trial.params, one.trial.distributions) != point or one.reason.startswith(SAME_POINT):
        return False  # the result of a repeated point has the seed of the first
    source = read_study_data(one.spec)
    return source.holdout == spec.holdout and not differences_in_measuring(source, spec)


def _take_over(one: Candidate, trial: Trial) -> AttemptResult:
    earlier: FrozenTrial = one.trial
    copy_measurements(earlier, trial)
    origin = one.origin
    trial.storage.set_trial_system_attr(trial._trial_id, REUSED, origin)
    reason = f"the same as trial {origin['trial']} of study {origin['study']!r}; not run again"
    return AttemptResult(Outcome.COMPLETE, reason, tuple(earlier.values))
