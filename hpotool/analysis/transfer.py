"""The best points and trials of one study, for another one to begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpotool.analysis.best import find_best
from hpotool.study.space import canonical_point, transfer_point
from hpotool.study.spec import ParameterSpec

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Transfer:
    """What can be tried, best first; how many were left out as outside the space, and as known already."""

    points: list[dict[str, Any]]
    outside: int
    known: int


def best_trials(source: Study, count: int, *, replicates: bool = False) -> list[FrozenTrial]:
    """Return the ``count`` best feasible trials, best first; with ``replicates``, those of the best points."""
    numbers = [
        number
        for best in find_best(source, count, replicates=replicates).trials[:count]
        for number in (best.replicates.trials if best.replicates else [best.number])
    ]
    by_number = {trial.number: trial for trial in source.get_trials(deepcopy=False)}
    return [by_number[number] for number in numbers]


def find_points_to_transfer(
    source: Study, target: Study, space: Sequence[ParameterSpec], count: int, *, replicates: bool = False
) -> Transfer:
    """Return the ``count`` best feasible points of ``source`` that ``target`` can try and does not have yet.

    Asked again, nothing is queued twice. Without a known ``space`` the points are taken as they are.
    """
    distributions = {parameter.name: parameter.distribution for parameter in space}
    seen: list[Mapping[str, Any]] = [
        canonical_point(distributions, trial.system_attrs.get("fixed_params") or trial.params)
        for trial in target.get_trials(deepcopy=False)
    ]
    points: list[dict[str, Any]] = []
    outside = known = 0
    for best in find_best(source, count, replicates=replicates).trials[:count]:
        point = transfer_point(space, best.params) if space else dict(best.params)
        if point is None:
            outside += 1
        elif point in seen:
            known += 1
        else:
            seen.append(point)
            points.append(point)
    return Transfer(points, outside, known)
