"""The candidates for "best": complete trials or, in a study with replicates, points."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpotool.analysis.results import (
    Replicates,
    TrialResult,
    add_cells,
    complete_trials,
    json_data,
    metric_names,
    read_result,
    read_trials,
)
from hpotool.study.rules.replicates import Measurement, average, point_key, standard_errors

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from hpotool.storage.optuna.window import Values


@dataclass(frozen=True)
class Candidate:
    """A candidate: a complete trial, or all complete trials of a point.

    Attributes:
        trials: in order of their numbers; the first one's number is the candidate's.
        measured: the mean of the trials, which is compared.
    """

    trials: tuple[FrozenTrial, ...]
    measured: Measurement

    def as_result(self, names: tuple[str, ...], *, replicates: bool) -> TrialResult:
        """Return the result to show: the mean under the first trial's number, with its standard error."""
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


@dataclass(frozen=True)
class Confirmed:
    """What replicates of a trial's point measured, and how probable it is to be the best of those confirmed."""

    replicates: int
    mean: Mapping[str, float]
    standard_error: Mapping[str, float | None]
    probability_best: float

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return dict(json_data(vars(self)))


@dataclass(frozen=True)
class BestTrials:
    """The answer to the question for the best trials.

    Attributes:
        trials: best first. With several metrics, the Pareto front in order of the trials' numbers. With
            replicates, the first trial's number and the means.
        complete: the number of complete trials that were compared.
        feasible: the number of those that meet every constraint.
        confirmed: by trial, what was measured again; None if nothing of the study was.
        differs: what was not the same then: code, data or environment by name, with the values of both.
    """

    trials: tuple[TrialResult, ...]
    complete: int
    feasible: int
    confirmed: Mapping[int, Confirmed] | None = None
    differs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def why_none(self) -> str | None:
        """The reason why there is no best trial; ``None`` if there is one."""
        if self.trials:
            return None
        if not self.complete:
            return "no trial is complete yet"
        return (
            "the only complete trial does not meet every constraint"
            if self.complete == 1
            else f"none of the {self.complete} complete trials meets every constraint"
        )

    def as_data(self) -> dict[str, Any]:
        """Return the answer as JSON data: ``{"trials": [{"number", "values", "params", "constraints"}]}``."""
        trials = [{**trial.as_data(), **self._confirmed_data(trial.number)} for trial in self.trials]
        return {"trials": trials, **({} if self.confirmed is None else {"differs": dict(self.differs)})}

    def as_rows(self) -> list[dict[str, Any]]:
        """Return a flat line of a table for each trial, with what was confirmed of it."""
        return [_with_confirmed(trial.as_row(), trial, self.confirmed) for trial in self.trials]

    def _confirmed_data(self, number: int) -> dict[str, Any]:
        if self.confirmed is None:
            return {}
        found = self.confirmed.get(number)
        return {"confirmed": None if found is None else found.as_data()}


def list_candidates(study: Study, *, replicates: bool) -> list[Candidate]:
    """Return the complete trials individually or, with ``replicates``, grouped by point."""
    groups: dict[str | int, list[FrozenTrial]] = defaultdict(list)
    for trial in complete_trials(study):
        groups[point_key(trial.params, trial.distributions) if replicates else trial.number].append(trial)
    return [
        Candidate(tuple(trials), average([_measurement(trial) for trial in trials])) for trials in groups.values()
    ]


def found_trials(
    study: Study,
    candidates: Sequence[Candidate],
    feasible: Sequence[Candidate],
    best: Sequence[Candidate],
    *,
    replicates: bool,
) -> BestTrials:
    """Return the answer: the best results to show, and the number of trials compared."""
    names = metric_names(study)
    return BestTrials(
        tuple(one.as_result(names, replicates=replicates) for one in best),
        sum(len(one.trials) for one in candidates),
        sum(len(one.trials) for one in feasible),
    )


def found_in_values(study: Study, values: Values, places: Sequence[int]) -> BestTrials:
    """Return the answer for a long study, of which only the trials at ``places`` among its values are read."""
    names = metric_names(study)
    numbers = [int(values.numbers[place]) for place in places]
    found = tuple(read_result(trial, names) for trial in read_trials(study, numbers))
    return BestTrials(found, len(values), int(values.is_feasible.sum()))


def _with_confirmed(
    row: dict[str, Any], trial: TrialResult, confirmed: Mapping[int, Confirmed] | None
) -> dict[str, Any]:
    """The row with the confirmed means right behind the values of the search."""
    if confirmed is None:
        return row
    found = confirmed.get(trial.number)
    added: dict[str, Any] = {}
    for name in trial.values:
        added[f"{name}_confirmed"] = None if found is None else found.mean[name]
        added[f"{name}_confirmed_se"] = None if found is None else found.standard_error[name]
    added["seeds"] = None if found is None else found.replicates
    place = 1 + len(trial.values)
    cells = list(row.items())
    whole = {**dict(cells[:place]), **added}
    add_cells(whole, "param", dict(cells[place:]))
    return whole


def _measurement(trial: FrozenTrial) -> Measurement:
    return Measurement(tuple(trial.values), trial.constraints)
