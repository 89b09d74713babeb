"""What a library with its own ask and tell is told about a problem, and how it takes part as a sampler."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.search.models.joint_space import JointSpace

Evaluate = Callable[[optuna.Trial], object]  # None: the trial failed

_TRIED = 300  # random points that show which parameters there are, and when


@dataclass(frozen=True)
class Declaration:
    """What the user of such a library declares before the first trial.

    Attributes:
        space: every parameter that some trial has.
        conditions: for each conditional parameter its parents, with the values of each for which it exists.
        constraints: the names of the constraints.
        metrics: how many there are, all to be minimised.
        trials: how many there will be.
        workers: how many trials run at once.
    """

    space: Mapping[str, BaseDistribution]
    conditions: Mapping[str, Mapping[str, Sequence[Any]]]
    constraints: Sequence[str]
    metrics: int
    trials: int
    workers: int

    @classmethod
    def of(
        cls, evaluate: Callable[[optuna.Trial], object], metrics: int, trials: int, workers: int
    ) -> Declaration:
        """Try an objective at random points; what they show is what its author would write down."""
        study = optuna.create_study(directions=["minimize"] * metrics, sampler=RandomSampler(seed=0))
        shown = []
        for _ in range(_TRIED):
            trial = study.ask()
            if evaluate(trial) is not None:  # one that failed may not have got as far as its last parameter
                shown.append(study.get_trials(deepcopy=False)[trial.number])
        complete = [
            create_trial(params=one.params, distributions=one.distributions, values=[0.0] * metrics)
            for one in shown
        ]
        joint = JointSpace((), complete)
        names = dict.fromkeys(name for one in shown for name in one.constraints)
        return cls(joint.space, joint._conditions, list(names), metrics, trials, workers)


class LibrarySampler(BaseSampler):
    """A library that proposes whole points and is given what came of them, in the order in which trials end."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._proposed: dict[int, tuple[Any, dict[str, Any]]] = {}

    @abstractmethod
    def prepare(self, declaration: Declaration) -> None:
        """Set the library up; called once, before the first trial."""

    @abstractmethod
    def propose(self) -> tuple[Any, dict[str, Any]]:
        """Return the next point: the library's own handle, and the parameters."""

    @abstractmethod
    def observe(self, handle: Any, values: Sequence[float] | None, constraints: Mapping[str, float]) -> None:
        """Give the library the values of one point; None: the trial failed."""

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Ask the library for a point; return its parameters."""
        handle, params = self.propose()
        self._proposed[trial.number] = handle, params
        return {name: self.declaration.space[name] for name in params}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the point that the library proposed."""
        return self._proposed[trial.number][1]

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Refuse: the library was to propose every parameter."""
        raise AssertionError(f"{type(self).__name__} proposed no value for {param_name}")

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Give the library what came of the trial."""
        handle, _ = self._proposed.pop(trial.number)
        self.observe(handle, values if state == TrialState.COMPLETE else None, trial.constraints)

    declaration: Declaration


def is_counted(one: BaseDistribution) -> bool:
    """Whether a library is given the index of a value in place of the value: a choice, or a step."""
    if isinstance(one, CategoricalDistribution):
        return True
    assert isinstance(one, (FloatDistribution, IntDistribution))
    return one.step not in (None, 1) or (isinstance(one, FloatDistribution) and one.step is not None)


def count_of(one: BaseDistribution) -> int:
    """Return how many values such a parameter has."""
    if isinstance(one, CategoricalDistribution):
        return len(one.choices)
    assert isinstance(one, (FloatDistribution, IntDistribution))
    return round((one.high - one.low) / (one.step or 1)) + 1


def value_of(one: BaseDistribution, proposed: Any) -> Any:
    """Return a parameter's value, from what a library proposed for it; rounding may have left its range."""
    if isinstance(one, CategoricalDistribution):
        return one.choices[int(proposed)]
    assert isinstance(one, (FloatDistribution, IntDistribution))
    kind = float if isinstance(one, FloatDistribution) else int
    value = one.low + (one.step or 1) * int(proposed) if is_counted(one) else proposed
    return min(max(kind(value), one.low), one.high)
