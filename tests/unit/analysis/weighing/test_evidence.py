from __future__ import annotations

import numpy as np

from hpotool.analysis.weighing.evidence import shuffled_values, weigh
from hpotool.analysis.weighing.kernel_anova import Column
from tests.benchmarks.importance import count_told, simulate
from tests.examples import examples


def test_a_dummy_among_real_parameters_is_told_so_and_the_strongest_is_not() -> None:
    """The small version of ``python -m tests.benchmarks.importance``, which counts 100 studies and more."""
    studies = examples(12)
    counted = count_told(simulate("tpe", seed) for seed in range(studies))
    assert counted["dummy"] <= 1
    assert counted["strong"] > studies / 2


def test_the_same_table_gives_the_same_answer() -> None:
    table = simulate("random", 0)
    first, second = weigh(table), weigh(table)
    assert first.shares.tolist() == second.shares.tolist()
    assert first.low.tolist() == second.low.tolist()
    assert first.random == second.random


def test_an_interval_holds_the_share_and_shares_are_together_one() -> None:
    found = weigh(simulate("random", 1))
    assert abs(found.shares.sum() - 1) < 1e-9
    assert (found.low <= found.shares).all()
    assert (found.shares <= found.high).all()
    assert ((found.low >= 0) & (found.high <= 1)).all()


def test_shuffling_moves_values_only_where_the_parameter_exists() -> None:
    column = Column(np.asarray([np.nan, 0.1, 0.2, np.nan, 0.3]))
    shuffled = shuffled_values(column, np.random.default_rng(0)).values
    assert np.isnan(shuffled).tolist() == [True, False, False, True, False]
    assert sorted(shuffled[~np.isnan(shuffled)]) == [0.1, 0.2, 0.3]
