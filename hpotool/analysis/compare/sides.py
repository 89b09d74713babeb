"""One study as `compare` sees it: its best point with all its measurements, its cost, settings and code."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpotool.analysis.compare.confirmed import Replicated, find_replicated
from hpotool.analysis.compare.verdict import Measured, mean_interval
from hpotool.analysis.confirmation.answer import ConfirmationAnswer
from hpotool.analysis.confirmation.origins import OtherOrigin, differs_data
from hpotool.analysis.costs import attempt_columns
from hpotool.analysis.results import complete_trials, direction_signs, json_data, metric_index
from hpotool.analysis.trials import Attempts
from hpotool.study.origins.differences import Flat
from hpotool.study.rules.replicates import point_key

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Cost:
    """What a study took.

    Attributes:
        hours: of slots, all attempts together; ``lost_hours`` are of those that ended without a result.
        cost: by the prices of the study's budget; 0 without prices.
        failures: trials that ended as FAIL.
    """

    trials: int
    complete: int
    failures: int
    hours: float
    lost_hours: float
    cost: float


@dataclass(frozen=True)
class Side:
    """One study.

    Attributes:
        points: the values of the metric of each point that was measured, by its key.
        best: the key of the best feasible point; None where there is none.
        params: of that point; ``number`` is its first trial.
        replicated: what was confirmed, if anything was.
        is_confirmed: the points are those that were confirmed, with the values of their replicates.
        again: what stands for ``versions`` and ``origin`` where its points are those that were confirmed.
    """

    name: str
    metric: str
    sign: float
    points: Mapping[str, tuple[float, ...]]
    best: str | None
    params: Mapping[str, Any]
    number: int | None
    cost: Cost
    document: Mapping[str, Any] | None
    versions: Mapping[str, str]
    origin: Flat | None = None
    replicated: Replicated | None = None
    is_confirmed: bool = False
    again: tuple[Mapping[str, str], Flat | None] | None = None

    def as_confirmed(self) -> Side | None:
        """Return the study by what was confirmed; None where nothing was."""
        found = self.replicated
        if found is None:
            return None
        return replace(
            self,
            points=found.points,
            best=found.best,
            params=found.params,
            number=found.number,
            versions=self.versions if self.again is None else self.again[0],
            origin=self.origin if self.again is None else self.again[1],
            is_confirmed=True,
        )

    @property
    def replicates_differ(self) -> tuple[OtherOrigin, ...]:
        """Where the replicates came from something else than the search's trials, or than each other."""
        return self.replicated.origins.differs if self.replicated and self.is_confirmed else ()

    def measured(self, key: str | None) -> Measured | None:
        """Return what this study knows of a point."""
        values = self.points.get(key) if key is not None else None
        if not values:
            return None
        found = self.replicated if self.is_confirmed else None
        if found is None or key is None:
            return Measured(values, self.name, self.is_confirmed)
        picked_from = found.picked_from if key == self.best else 1
        return Measured(values, self.name, True, found.seeds[key], picked_from)

    @property
    def is_varying(self) -> bool:
        """Whether a point that was measured more than once gave different values."""
        return any(len(set(values)) > 1 for values in self.points.values())

    def as_data(self) -> dict[str, Any]:
        """Return the study as JSON data."""
        best = self.measured(self.best)
        interval = mean_interval(best.values) if best else None
        return {
            "study": self.name,
            "best": None
            if best is None
            else {
                "trial": self.number,
                "params": json_data(self.params),
                "values": json_data(best.values),
                "mean": json_data(mean(best.values)),
                "interval": json_data(interval),
                "confirmed": self.is_confirmed,
                **({"differs": differs_data(self.replicates_differ)} if self.is_confirmed else {}),
            },
            "trials": self.cost.trials,
            "complete": self.cost.complete,
            "failures": self.cost.failures,
            "hours": self.cost.hours,
            "lost_hours": self.cost.lost_hours,
            "cost": self.cost.cost,
        }


def make_side(
    study: Study,
    metric: str,
    attempts: Attempts,
    document: Mapping[str, Any] | None = None,
    versions: Mapping[str, str] | None = None,
    prices: Mapping[str, float] | None = None,
    confirmed: ConfirmationAnswer | None = None,
) -> Side:
    """Return the study as a side of a comparison by one metric.

    Raises:
        NotFoundError: the study has no such metric.
    """
    index = metric_index(study, metric)
    sign = direction_signs(study)[index]
    groups: dict[str, list[FrozenTrial]] = defaultdict(list)
    for trial in complete_trials(study):
        groups[point_key(trial.params, trial.distributions)].append(trial)
    points = {key: tuple(trial.values[index] for trial in trials) for key, trials in groups.items()}
    feasible = [
        key
        for key, trials in groups.items()
        if all(map(_is_feasible, trials)) and not math.isnan(mean(points[key]))
    ]
    best = min(feasible, key=lambda key: sign * mean(points[key]), default=None)
    first = groups[best][0] if best is not None else None
    return Side(
        study.study_name,
        metric,
        sign,
        points,
        best,
        dict(first.params) if first else {},
        first.number if first else None,
        _cost(study, attempts, prices or {}),
        document,
        versions or {},
        replicated=_replicated(study, metric, sign, confirmed),
    )


def _replicated(study: Study, metric: str, sign: float, confirmed: ConfirmationAnswer | None) -> Replicated | None:
    if confirmed is None:
        return None
    distributions = {name: one for trial in complete_trials(study) for name, one in trial.distributions.items()}
    return find_replicated(confirmed, metric, sign, distributions)


def mean(values: Sequence[float]) -> float:
    """Return the mean; NaN of both infinities."""
    return statistics.mean(values)  # exact before it is rounded: equal values have no other mean


def _is_feasible(trial: FrozenTrial) -> bool:
    return all(violation <= 0 for violation in trial.constraints.values())


def _cost(study: Study, attempts: Attempts, prices: Mapping[str, float]) -> Cost:
    trials = study.get_trials(deepcopy=False)
    columns = [attempt_columns(trial.state.name, attempts.get(trial.number, ()), prices) for trial in trials]
    lost = sum(
        attempt["duration_s"] / 3600
        for own in attempts.values()
        for attempt in own
        if attempt["outcome"] not in (None, "complete", "pruned")
    )
    states = [trial.state.name for trial in trials]
    return Cost(
        len(trials),
        states.count("COMPLETE"),
        states.count("FAIL"),
        sum(column["slot_hours"] for column in columns),
        lost,
        sum(column["cost"] for column in columns),
    )
