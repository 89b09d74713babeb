"""SMAC3 (Lindauer et al. 2022): a random forest and expected improvement, with the defaults of its facade for
hyperparameters.

It proposes no point twice, but its model does not know the running trials. Several metrics are joined by its
ParEGO. A trial that failed counts as bad as the worst one so far.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ConfigSpace import (
    AndConjunction,
    CategoricalHyperparameter,
    ConfigurationSpace,
    InCondition,
    UniformFloatHyperparameter,
    UniformIntegerHyperparameter,
)
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from smac import HyperparameterOptimizationFacade, Scenario
from smac.multi_objective import ParEGO
from smac.runhistory import StatusType, TrialInfo, TrialValue

from tests.benchmarks.libraries.library import Declaration, LibrarySampler, count_of, is_counted, value_of


class SmacSampler(LibrarySampler):
    """SMAC3's facade for hyperparameters, through its ask and tell."""

    def prepare(self, declaration: Declaration) -> None:
        """Build the facade. SMAC3 keeps files, of which it needs none later."""
        self.declaration = declaration
        self._worst: list[float] | None = None
        self._failed_before: list[TrialInfo] = []
        logging.getLogger("smac").setLevel(logging.ERROR)
        names = [f"metric{i}" for i in range(declaration.metrics)]
        with tempfile.TemporaryDirectory() as folder:
            scenario = Scenario(
                configuration_space(declaration),
                deterministic=True,
                n_trials=declaration.trials,
                objectives=[f"metric{i}" for i in range(declaration.metrics)]
                if declaration.metrics > 1
                else "cost",
                output_directory=Path(folder),
                seed=self.seed,
            )
            joined = ParEGO(scenario) if len(names) > 1 else None
            self._facade = HyperparameterOptimizationFacade(
                scenario, multi_objective_algorithm=joined, overwrite=True, logging_level=False
            )

    def propose(self) -> tuple[Any, dict[str, Any]]:
        """Ask for a trial."""
        info = self._facade.ask()
        space = self.declaration.space
        return info, {name: value_of(space[name], value) for name, value in dict(info.config).items()}

    def observe(self, handle: Any, values: Sequence[float] | None, constraints: Mapping[str, float]) -> None:
        """Tell the costs. Trials that fail before there is any cost are told after the first."""
        if values is None:
            self._failed_before.append(handle)
        else:
            self._worst = [max(pair) for pair in zip(values, self._worst or values, strict=True)]
            self._tell(handle, list(values), StatusType.SUCCESS)
        if self._worst is None:
            return
        for failed in self._failed_before:
            self._tell(failed, self._worst, StatusType.CRASHED)
        self._failed_before = []

    def _tell(self, info: TrialInfo, costs: list[float], status: StatusType) -> None:
        cost = costs if self.declaration.metrics > 1 else costs[0]
        self._facade.tell(info, TrialValue(cost=cost, status=status), save=False)


def configuration_space(declaration: Declaration) -> ConfigurationSpace:
    """Return the space in SMAC3's words, with its conditions."""
    space = ConfigurationSpace()
    space.add([_hyperparameter(name, one) for name, one in declaration.space.items()])
    for name, parents in declaration.conditions.items():
        met = []
        for parent, values in parents.items():
            proposed = [_proposed(declaration.space[parent], value) for value in values]
            met.append(InCondition(space[name], space[parent], proposed))
        space.add(met[0] if len(met) == 1 else AndConjunction(*met))
    return space


def _hyperparameter(name: str, one: BaseDistribution) -> Any:
    if isinstance(one, CategoricalDistribution):
        return CategoricalHyperparameter(name, list(range(count_of(one))))
    if is_counted(one):
        return UniformIntegerHyperparameter(name, 0, count_of(one) - 1)
    assert isinstance(one, (FloatDistribution, IntDistribution))
    kind = UniformFloatHyperparameter if isinstance(one, FloatDistribution) else UniformIntegerHyperparameter
    return kind(name, one.low, one.high, log=one.log)


def _proposed(one: BaseDistribution, value: Any) -> Any:
    """Return a value as the hyperparameter has it."""
    if isinstance(one, CategoricalDistribution):
        return int(one.to_internal_repr(value))
    assert isinstance(one, (FloatDistribution, IntDistribution))
    return round((value - one.low) / (one.step or 1)) if is_counted(one) else value
