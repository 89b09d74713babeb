"""One space for all parameters of a study, including those that only some trials have.

The study file declares parameters and their conditions. For parameters that the objective suggests, conditions are
learned from the trials: a parameter is assumed to depend on the choices or small integers that separate the trials
that have it from those that do not. A trial that failed may lack a parameter for another reason: it ended before
the objective suggested it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial

from hpotool.search.models.unit_cube import Array, Flags, UnitCube
from hpotool.study.spec import NO_DEFAULT, ParameterSpec

_MOST_COLUMNS = 60  # the cost of a model grows with them; the rarest are sampled independently
_FEWEST_TRIALS = 3  # a parameter that fewer trials have is not modelled
_MOST_VALUES = 32  # the most values of an integer on which other parameters may depend


class JointSpace:
    """The parameters of a study as one unit cube; ``declared`` are those in the study file."""

    def __init__(self, declared: Sequence[ParameterSpec], trials: Sequence[FrozenTrial]) -> None:
        self._declared = declared
        self._defaults = {one.name: one.default for one in declared if one.default is not NO_DEFAULT}
        spoken_of = {one.name: one.distribution for one in declared}
        learned = _distributions_of(trials, spoken_of)
        self.space = {name: one for name, one in (spoken_of | learned).items() if not one.single()}
        conditions = {one.name: one.when for one in declared if one.when and one.name in self.space}
        self._conditions = _open_conditions(conditions, spoken_of) | _learn_conditions(self.space, learned, trials)
        measured = [trial for trial in trials if _is_measured(trial)]
        # A parameter that measured trials lack without a known condition may be absent for a reason nobody knows.
        self._explained = {
            name
            for name in self.space
            if name in self._conditions or (measured and all(name in trial.params for trial in measured))
        }

    def cube(self, space: Mapping[str, BaseDistribution]) -> UnitCube:
        """Return the columns of some of the parameters."""
        conditions = {
            name: {parent: values for parent, values in parents.items() if parent in space}
            for name, parents in self._conditions.items()
            if name in space
        }
        return UnitCube(space, conditions)

    def params_of(self, trials: Sequence[FrozenTrial]) -> list[Mapping[str, Any]]:
        """Return the trials' parameters; a parameter that was added later has its effective earlier value."""
        if not self._defaults:
            return [trial.params for trial in trials]
        always = {name: value for name, value in self._defaults.items() if name not in self._conditions}
        return [{**always, **trial.params} for trial in trials]

    def complete(self, points: Array, donors: Array, cube: UnitCube) -> Array:
        """Return the points of trials that ended early, with values for the parameters that they did not reach.

        Each takes them from one of ``donors``, the points of other trials, so that the known parameters alone tell
        the two kinds apart. A parameter that a condition excludes stays absent.
        """
        missing = np.isnan(points) & [name in self._explained for name in cube.space]
        if not missing.any() or not len(donors):
            return points
        lent = donors[np.arange(len(points)) * len(donors) // len(points)]
        repaired = cube.repair(np.where(missing, lent, points), np.random.RandomState(0))
        completed: Array = np.where(missing, repaired, points)
        return completed


def _open_conditions(
    conditions: Mapping[str, Mapping[str, tuple[Any, ...]]], spoken_of: Mapping[str, BaseDistribution]
) -> dict[str, Mapping[str, Sequence[Any]]]:
    """Return the conditions that some point does not meet; a parent with a single value has no column."""
    return {
        name: {parent: values for parent, values in parents.items() if not spoken_of[parent].single()}
        for name, parents in conditions.items()
    }


def _distributions_of(
    trials: Sequence[FrozenTrial], without: Mapping[str, BaseDistribution]
) -> dict[str, BaseDistribution]:
    """Return each parameter's distribution in the latest trial that has it. A parameter that changed from a number
    to a choice, or whose choices differ between trials, cannot be modelled."""
    counts = Counter[str]()
    latest: dict[str, BaseDistribution] = {}
    changing = set[str]()
    for trial in trials:
        for name, distribution in trial.distributions.items():
            if name in without:
                continue
            counts[name] += 1
            before = latest.get(name, distribution)
            is_choice = isinstance(distribution, CategoricalDistribution)
            if type(before) is not type(distribution) or (is_choice and before != distribution):
                changing.add(name)
            latest[name] = distribution
    enough = min(_FEWEST_TRIALS, len(trials))
    common = [name for name, count in counts.most_common(_MOST_COLUMNS) if count >= enough]
    return {name: latest[name] for name in common if name not in changing}


def _learn_conditions(
    space: Mapping[str, BaseDistribution], names: Iterable[str], trials: Sequence[FrozenTrial]
) -> dict[str, Mapping[str, Sequence[Any]]]:
    """Return the conditions that separate the trials that have one of ``names`` from those that do not.

    A trial without a value may have ended before it suggested the parameter, so what it lacks says nothing: one
    failure would otherwise take the other parameters from all points with its choice, and the search from them.
    """
    is_measured = np.asarray([_is_measured(trial) for trial in trials], dtype=bool)
    has = {name: np.asarray([name in trial.params for trial in trials], dtype=bool) for name in space}
    under_conditions = [name for name in names if name in space and not has[name].all()]
    if not under_conditions:
        return {}
    parents = {
        name: UnitCube({name: distribution}).encode([trial.params for trial in trials])[:, 0]
        for name, distribution in space.items()
        if _may_be_parent(distribution)
    }

    def explain(name: str, rows: Flags) -> Mapping[str, Sequence[Any]] | None:
        known = {
            parent: (values[rows], space[parent])
            for parent, values in parents.items()
            if _is_older(has[parent][rows], has[name][rows], parent, name)
        }
        return _tightest(has[name][rows], known)

    found = {}
    for name in under_conditions:
        allowed = explain(name, has[name] | is_measured)
        if allowed:
            found[name] = allowed
    return found


def _is_measured(trial: FrozenTrial) -> bool:
    """Whether a trial ended with a value, which it can have only once it has all its parameters."""
    return trial.values is not None


def _may_be_parent(distribution: BaseDistribution) -> bool:
    if isinstance(distribution, IntDistribution):
        return not distribution.log and (distribution.high - distribution.low) // distribution.step < _MOST_VALUES
    return isinstance(distribution, CategoricalDistribution)


def _is_older(parent_has: Flags, has: Flags, parent: str, name: str) -> bool:
    """Whether a parameter may depend on the other: every trial with it has the other, but not vice versa."""
    return parent != name and bool(parent_has[has].all()) and bool((parent_has & ~has).any())


def _tightest(
    has: Flags, parents: Mapping[str, tuple[Array, BaseDistribution]]
) -> Mapping[str, Sequence[Any]] | None:
    """Return the fewest parents that explain which trials have a parameter, with the values for which it exists;
    None if there are none."""
    values = {name: _values_with(has, column, distribution) for name, (column, distribution) in parents.items()}
    left = ~has
    chosen: dict[str, Sequence[Any]] = {}
    while left.any():
        excluded = {name: left & ~np.isin(column, list(values[name])) for name, (column, _) in parents.items()}
        best = max(excluded, key=lambda name: int(excluded[name].sum()), default=None)
        if best is None or not excluded[best].any():
            return None
        distribution = parents[best][1]
        cube = UnitCube({best: distribution})
        chosen[best] = [cube.decode(np.asarray([value]))[best] for value in sorted(values[best])]
        left = left & ~excluded[best]
    return chosen


def _values_with(has: Flags, column: Array, distribution: BaseDistribution) -> set[float]:
    """Return the parent's coordinates where a parameter was seen; between two integers, assume it exists."""
    seen = {
        float(value) for value in column[has] if value >= 0
    }  # values below are choices that were removed from the space
    if not isinstance(distribution, IntDistribution):
        return seen
    without = column[~has & ~np.isnan(column)]
    lowest, highest = min(seen, default=0.0), max(seen, default=0.0)
    if not seen or ((without > lowest) & (without < highest)).any():
        return seen
    steps = range(distribution.low, distribution.high + 1, distribution.step)
    grid = UnitCube({"parent": distribution}).encode([{"parent": step} for step in steps])[:, 0]
    above, below = not (without > highest).any(), not (without < lowest).any()
    kept = (grid >= (0.0 if below and not above else lowest)) & (grid <= (1.0 if above and not below else highest))
    return {float(value) for value in grid[kept]}
