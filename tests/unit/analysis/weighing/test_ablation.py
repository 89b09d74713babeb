from __future__ import annotations

import random

import pytest

from hpotool.analysis.weighing.ablation import find_ablation
from hpotool.analysis.weighing.table import Table, make_table
from tests.unit.analysis.studies import add, make_study


def table_of_boosters() -> Table:
    study = make_study()
    rng = random.Random(0)
    values = []
    for number in range(60):
        params = {"booster": "dart" if number % 2 else "gbtree", "lr": rng.uniform(1e-5, 1), "noise": rng.random()}
        if number % 2:
            params["drop"] = rng.random()
        values.append(1.0 - 0.5 * (number % 2) + 0.2 * params["noise"])  # type: ignore[operator]
        add(study, [values[-1]], params)
    return make_table(study.trials, values, ["booster", "lr", "noise", "drop"])


START = {"booster": "gbtree", "lr": 0.1, "noise": 0.9}


def test_the_change_that_helps_most_comes_first() -> None:
    path = find_ablation(
        table_of_boosters(), START, {"booster": "dart", "drop": 0.5, "lr": 0.1, "noise": 0.1}, sign=1.0
    )
    assert [change.parameters for change in path] == [(), ("booster", "drop"), ("noise",)]
    assert path[0].expected > path[1].expected > path[2].expected
    assert path[1].expected == pytest.approx(0.68, abs=0.12)


def test_of_a_metric_that_is_maximized_the_highest_comes_first() -> None:
    best = {"booster": "dart", "drop": 0.5, "lr": 0.1, "noise": 0.1}
    path = find_ablation(table_of_boosters(), START, best, sign=-1.0)
    assert path[1].parameters == ("noise",)


def test_a_point_is_no_way_from_itself() -> None:
    path = find_ablation(table_of_boosters(), START, START, sign=1.0)
    assert [change.parameters for change in path] == [()]
