"""What "best" compares: complete trials, or in a study of replicates the points that they tried."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpotool.analysis.results import Replicates, TrialResult, complete_trials, read_result
from hpotool.study.replicates import Measurement, average, point_key, standard_errors

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Candidate:
    """One that may be best: a complete trial, or all complete trials of a point.

    Attributes:
        trials: in the order of their numbers; the first one gives the candidate its number.
        measured: what is compared, the trials' mean.
    """

    trials: tuple[FrozenTrial, ...]
    measured: Measurement

    def as_result(self, names: tuple[str, ...], *, replicates: bool) -> TrialResult:
        """Return what is shown: the mean under the first trial's number, with its standard error."""
        first = self.trials[0]
        if not replicates:
            return read_result(first, names)
        errors = standard_errors([_measurement(trial) for trial in self.trials])
        return TrialResult(
            first.number,
            dict(zip(names, self.measured.values, strict=False)),
            dict(first.params),
            dict(self.measured.violations),
            Replicates(tuple(trial.number for trial in self.trials), dict(zip(names, errors, strict=False))),
        )


def list_candidates(study: Study, *, replicates: bool) -> list[Candidate]:
    """Return the complete trials, each for itself; with ``replicates``, those of one point together."""
    groups: dict[str | int, list[FrozenTrial]] = defaultdict(list)
    for trial in complete_trials(study):
        groups[point_key(trial.params, trial.distributions) if replicates else trial.number].append(trial)
    return [
        Candidate(tuple(trials), average([_measurement(trial) for trial in trials])) for trials in groups.values()
    ]


def _measurement(trial: FrozenTrial) -> Measurement:
    return Measurement(tuple(trial.values), trial.constraints)
