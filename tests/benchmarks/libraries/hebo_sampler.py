"""HEBO (Cowen-Rivers et al. 2022): a Gaussian process with warped inputs and outputs, and three acquisitions.

It proposes batches and does not know running trials: a batch has as many points as there are workers, who take
them one by one, and the next batch is made when it is used up. It has no conditions, so that every trial has every
parameter for it, and it leaves failed trials out. Several metrics are its `GeneralBO`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.general import GeneralBO
from hebo.optimizers.hebo import HEBO
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from tests.benchmarks.libraries.library import Declaration, LibrarySampler, count_of, is_counted, value_of


class HeboSampler(LibrarySampler):
    """HEBO, through its batches."""

    def prepare(self, declaration: Declaration) -> None:
        """Build the optimiser, and seed the global generators that it draws from."""
        self.declaration = declaration
        np.random.seed(self.seed)
        torch.manual_seed(self.seed)
        space = DesignSpace().parse([_parameter(name, one) for name, one in declaration.space.items()])
        several = GeneralBO(space, num_obj=declaration.metrics) if declaration.metrics > 1 else None
        self._optimizer = several or HEBO(space, scramble_seed=self.seed)
        self._batch: list[pd.DataFrame] = []

    def propose(self) -> tuple[Any, dict[str, Any]]:
        """Take the next point of the batch."""
        if not self._batch:
            suggested = self._optimizer.suggest(n_suggestions=self.declaration.workers)
            self._batch = [suggested.iloc[[row]] for row in range(len(suggested))]
        point = self._batch.pop(0)
        return point, {name: value_of(one, point[name].iloc[0]) for name, one in self.declaration.space.items()}

    def observe(self, handle: Any, values: Sequence[float] | None, constraints: Mapping[str, float]) -> None:
        """Give it the values; what is not finite it leaves out."""
        row = [np.nan] * self.declaration.metrics if values is None else list(values)
        self._optimizer.observe(handle, np.asarray([row]))


def _parameter(name: str, one: BaseDistribution) -> dict[str, Any]:
    if isinstance(one, CategoricalDistribution):
        return {"name": name, "type": "cat", "categories": list(range(count_of(one)))}
    if is_counted(one):
        return {"name": name, "type": "int", "lb": 0, "ub": count_of(one) - 1}
    assert isinstance(one, (FloatDistribution, IntDistribution))
    types = ("num", "pow") if isinstance(one, FloatDistribution) else ("int", "pow_int")
    return {"name": name, "type": types[one.log], "lb": one.low, "ub": one.high}
