"""Selects the best points and trials of a study as a start for another one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpotool.analysis.best import find_best
from hpotool.search.models.gaussian_process import squared_distances
from hpotool.search.models.joint_space import JointSpace
from hpotool.study.space import canonical_point, transfer_point
from hpotool.study.spec import ParameterSpec

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

_ONE_IN = 10  # fraction of the complete trials to consider, if that is more than requested


@dataclass(frozen=True)
class Transfer:
    """The points to try, best first; and the numbers left out as outside the space, and as already known."""

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
    """Return ``count`` of the best feasible points of ``source`` that ``target`` can try and does not have yet.

    These are the best point and those of the best tenth that are farthest from each other, because the best points
    of a study are nearly the same, and need not be the best here. Repeating this queues nothing twice. If
    ``space`` is unknown, the points are used unchanged.
    """
    distributions = {parameter.name: parameter.distribution for parameter in space}
    seen: list[Mapping[str, Any]] = [
        canonical_point(distributions, trial.system_attrs.get("fixed_params") or trial.params)
        for trial in target.get_trials(deepcopy=False)
    ]
    points: list[dict[str, Any]] = []
    outside = known = 0
    for params in _spread_over_best(source, count, replicates=replicates):
        point = transfer_point(space, params) if space else dict(params)
        if point is None:
            outside += 1
        elif point in seen:
            known += 1
        else:
            seen.append(point)
            points.append(point)
    return Transfer(points, outside, known)


def _spread_over_best(source: Study, count: int, *, replicates: bool) -> list[Mapping[str, Any]]:
    """Return the parameters of the best trial, then of trials that are each farthest from those before."""
    by_number = {trial.number: trial for trial in source.get_trials(deepcopy=False)}
    found = find_best(source, max(len(by_number), 1), replicates=replicates).trials
    best = found[: max(count, math.ceil(len(found) / _ONE_IN))]
    if not best:
        return []
    trials = [by_number[one.number] for one in best]
    joint = JointSpace((), trials)
    cube = joint.cube(joint.space)
    points = cube.fill(cube.encode([trial.params for trial in trials]))
    nearest = np.full(len(trials), np.inf)
    chosen = [0]
    while len(chosen) < min(count, len(trials)):
        to_last = squared_distances(points, points[chosen[-1:]], cube.is_choice).sum(axis=0)[:, 0]
        nearest = np.minimum(nearest, to_last)
        nearest[chosen] = -1.0
        chosen.append(int(np.argmax(nearest)))
    return [best[place].params for place in sorted(chosen)]
