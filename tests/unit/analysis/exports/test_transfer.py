from __future__ import annotations

import numpy as np
import optuna

from hpotool.analysis.exports.transfer import best_trials, find_points_to_transfer
from tests.unit.analysis.studies import add, make_study


def two_basins() -> optuna.Study:
    """A hundred trials; the best fifth is nearly one point, the next one another."""
    source = make_study()
    for n in range(100):
        basin = 0.2 if n < 10 else 0.9
        params = {"drop": basin + 1e-4 * n, "noise": basin} if n < 20 else {"drop": 0.5, "noise": n / 100}
        add(source, [float(n)], params)
    return source


def test_the_points_are_the_best_one_and_others_of_the_best_tenth_far_from_it() -> None:
    source = make_study()
    for n in range(100):
        near = n % 2 == 0
        add(
            source,
            [float(n)],
            {"drop": 0.2 + 1e-4 * n if near else n / 100, "noise": 0.2 if near else 1 - n / 100},
        )
    points = find_points_to_transfer(source, make_study(), (), 3).points
    assert points[0] == {"drop": 0.2, "noise": 0.2}
    assert all(point["drop"] < 0.21 for point in points)  # nothing behind the best tenth
    assert sum(np.isclose(point["noise"], 0.2) for point in points) == 1


def test_all_of_the_best_are_taken_where_there_are_no_more() -> None:
    source = two_basins()
    assert len(find_points_to_transfer(source, make_study(), (), 30).points) == 30
    found = find_points_to_transfer(source, make_study(), (), 5)
    assert len(found.points) == 5
    assert found.points[0]["drop"] == 0.2


def test_a_study_without_a_complete_trial_has_no_points() -> None:
    assert find_points_to_transfer(make_study(), make_study(), (), 5).points == []


def test_the_best_trials_are_whole_and_with_replicates_all_of_the_best_points() -> None:
    study = make_study()
    for value, lr in ((0.0, 0.1), (9.0, 0.1), (1.0, 0.2), (2.0, 0.2)):
        add(study, [value], {"lr": lr})
    assert [trial.number for trial in best_trials(study, 2)] == [0, 2]
    assert [trial.number for trial in best_trials(study, 1, replicates=True)] == [2, 3]
    assert best_trials(make_study(), 3) == []
