"""Samplers with finitely many points: the study is done when every point has run, wherever it ran.

`WholeGrid` chooses a trial's point only from the stored trials with smaller numbers: the first point, in the
seed's order, that none of them has. So workers that claim at the same moment never choose the same point, and
queued, copied or retried points are not run twice. `WholeTree` is Optuna's brute force over the objective's
suggestions; there, workers that start at the same moment may choose the same point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from optuna import Study
from optuna.samplers import BruteForceSampler, GridSampler
from optuna.samplers._brute_force import _TreeNode
from optuna.trial import FrozenTrial, TrialState

_OPEN = (TrialState.RUNNING, TrialState.WAITING)
_WHOLE = (TrialState.COMPLETE, TrialState.PRUNED)


class EveryPoint(Protocol):
    """A sampler that knows when it has nothing left to propose."""

    def count_points_left(self, trials: Sequence[FrozenTrial]) -> int | None:
        """The number of points that no trial has started; None: at least one."""


def has_open_trials(trials: Sequence[FrozenTrial]) -> bool:
    """Whether there is still a point to run."""
    return any(trial.state in _OPEN for trial in trials)


class WholeGrid(GridSampler):
    """Optuna's grid, in Optuna's order, with each point once."""

    def __init__(self, search_space: Mapping[str, Sequence[Any]], seed: int | None = None) -> None:
        super().__init__(search_space, seed)
        self._indices = {self._key(point): index for index, point in enumerate(self._all_grids)}

    def count_points_left(self, trials: Sequence[FrozenTrial]) -> int:
        """The number of points that no trial has started."""
        return len(self._all_grids) - len({index for index in self._assign(trials).values() if index is not None})

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Record the trial's point, as Optuna does. A queued point may be outside the grid."""
        others = study._storage.get_all_trials(study._study_id, deepcopy=False)
        trials = [other for other in others if other.number < trial.number]
        index = self._assign([*trials, trial])[trial.number]
        if index is None:
            index = int(self._rng.rng.randint(len(self._all_grids)))
        for key, value in (("search_space", self._search_space), ("grid_id", index)):
            study._storage.set_trial_system_attr(trial._trial_id, key, value)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Do nothing: one worker cannot know alone that the others have finished theirs."""

    def _assign(self, trials: Sequence[FrozenTrial]) -> dict[int, int | None]:
        """The point of each trial, by number; None: outside the grid, or it never got one."""
        assigned: dict[int, int | None] = {}
        taken: set[int] = set()
        first_free = 0
        for trial in sorted(trials, key=lambda each: each.number):
            root = assigned.get(trial.system_attrs.get("failed_trial", -1))
            known = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
            index: int | None = None
            if root is not None:
                index = root
            elif known:
                index = self._find(known, taken)
            elif trial.state != TrialState.FAIL:
                while first_free in taken:
                    first_free += 1
                index = first_free if first_free < len(self._all_grids) else None
            assigned[trial.number] = index
            if index is not None:
                taken.add(index)
        return assigned

    def _find(self, known: Mapping[str, Any], taken: set[int]) -> int | None:
        """The point with these values; if several match because some values are unknown, one that is unused."""
        if all(name in known for name in self._param_names):
            return self._indices.get(self._key([known[name] for name in self._param_names]))
        wanted = [(at, _canonical(known[name])) for at, name in enumerate(self._param_names) if name in known]
        matching = (
            index
            for index, point in enumerate(self._all_grids)
            if index not in taken and all(_canonical(point[at]) == value for at, value in wanted)
        )
        return next(matching, None)

    @staticmethod
    def _key(point: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(map(_canonical, point))


def _canonical(value: Any) -> Any:
    """A key that is equal for equal values: true and 1 differ, and rounding absorbs floats' arithmetic errors."""
    return (type(value).__name__, value) if isinstance(value, (bool, str)) or value is None else f"{value:.12g}"


class WholeTree(BruteForceSampler):
    """Optuna's brute force, but a trial that died before it got its parameters does not count as a point."""

    def count_points_left(self, trials: Sequence[FrozenTrial]) -> int | None:
        """0 if every known branch was followed to its end, or is being followed; else None."""
        started = [trial for trial in trials if trial.state != TrialState.WAITING]
        if any(trial.state == TrialState.COMPLETE and not trial.params for trial in started):
            return 0  # the objective suggests nothing
        tree = _TreeNode()
        self._populate_tree(tree, started, {})
        return None if tree.is_any_expandable(exclude_running=True) else 0

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Do nothing: one worker cannot know alone that the others have finished theirs."""

    @staticmethod
    def _populate_tree(tree: _TreeNode, trials: list[FrozenTrial], params: dict[str, Any]) -> None:
        # A failed trial may have ended before its last suggestion. Add first the trials known to be complete, and
        # of the others only those that no complete trial continues.
        whole = [trial for trial in trials if trial.state in _WHOLE]
        rest = [trial for trial in trials if trial.params and trial.state not in _WHOLE]
        BruteForceSampler._populate_tree(tree, whole, params)
        for trial in sorted(rest, key=lambda each: -len(each.params)):
            if not _ends_inside(tree, trial, params):
                BruteForceSampler._populate_tree(tree, [trial], params)


def _ends_inside(tree: _TreeNode, trial: FrozenTrial, params: Mapping[str, Any]) -> bool:
    """Whether a trial ended at a point from which others continued."""
    node = tree
    for name, distribution in trial.distributions.items():
        if name in params:
            continue
        if node.children is None or node.param_name != name:
            return False
        child = node.children.get(distribution.to_internal_repr(trial.params[name]))
        if not isinstance(child, _TreeNode):  # it does not exist, or no trial has been there
            return False
        node = child
    return node.children is not None
