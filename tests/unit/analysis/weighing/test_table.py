from __future__ import annotations

import math

import numpy as np
import pytest

from hpotool.analysis.weighing.table import MOST_TRIALS, make_table
from tests.unit.analysis.studies import add, make_study


def test_each_parameter_is_a_column_over_its_own_scale() -> None:
    study = make_study()
    for lr, booster in ((1e-5, "gbtree"), (1.0, "dart"), (10**-2.5, None)):
        add(study, [lr], {"lr": lr, "booster": booster})
    table = make_table(study.trials, [0.0, 1.0, 2.0], ["lr", "booster"])
    assert table.names == ("booster", "lr")
    assert [column.choices for column in table.columns] == [6, 0]
    assert table.columns[1].values == pytest.approx([0.0, 1.0, 0.5])
    assert table.columns[0].values.tolist() == [0.0, 1.0, 2.0]


def test_a_conditional_parameter_is_absent_where_it_does_not_exist() -> None:
    study = make_study()
    add(study, [0.0], {"drop": 0.5})
    add(study, [1.0], {"noise": 0.5})
    drop, noise = make_table(study.trials, [0.0, 1.0], ["drop", "noise"]).columns
    assert np.isnan(drop.values).tolist() == [False, True]
    assert np.isnan(noise.values).tolist() == [True, False]


def test_one_absurd_value_does_not_hide_the_others() -> None:
    study = make_study()
    for number in range(20):
        add(study, [0.0], {"drop": number / 20})
    values = [float(number) for number in range(19)] + [1.7e308]
    table = make_table(study.trials, values, ["drop"])
    assert np.isfinite(table.targets).all()
    usual = make_table(study.trials, [*values[:19], 1e4], ["drop"])
    assert np.std(usual.targets[:19]) > 0.3


@pytest.mark.parametrize("value", [0.0, 1e300, -5.0])
def test_equal_targets_are_all_zero(value: float) -> None:
    study = make_study()
    for number in range(4):
        add(study, [value], {"drop": number / 4})
    table = make_table(study.trials, [value] * 4, ["drop"])
    assert table.targets == pytest.approx([0.0] * 4)
    assert math.isfinite(table.scale)


def test_of_many_trials_some_are_drawn_evenly() -> None:
    study = make_study()
    for number in range(500):
        add(study, [0.0], {"drop": number / 500})
    table = make_table(study.trials, list(range(500)), ["drop"])
    assert len(table) == MOST_TRIALS
    assert table.columns[0].values[[0, -1]] == pytest.approx([0.0, 499 / 500])
