from __future__ import annotations

import numpy as np
import optuna

from hpotool.analysis.exports.transfer import best_trials, find_points_to_transfer
from hpotool.study.file.reader import read_study_file
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


SPACE = read_study_file(
    "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"
    "search_space: {drop: {float: [0.0, 0.5]}, noise: {float: [0.0, 1.0]}}\n"
).search_space


def best_of(*drops: float) -> optuna.Study:
    source = make_study()
    for place, drop in enumerate(drops):
        add(source, [float(place)], {"drop": drop, "noise": 0.5})
    return source


def test_points_outside_of_the_space_are_counted_and_left_out() -> None:
    found = find_points_to_transfer(best_of(0.1, 0.9, 0.8), make_study(), SPACE, 3)
    assert found.points == [{"drop": 0.1, "noise": 0.5}]
    assert (found.outside, found.known) == (2, 0)


def test_points_that_the_study_has_or_waits_for_are_counted_and_left_out() -> None:
    target = make_study()
    add(target, [9.0], {"drop": 0.1, "noise": 0.5})
    target.enqueue_trial({"drop": 0.2, "noise": 0.5})
    found = find_points_to_transfer(best_of(0.1, 0.2, 0.3), target, SPACE, 3)
    assert found.points == [{"drop": 0.3, "noise": 0.5}]
    assert (found.outside, found.known) == (0, 2)


def test_a_point_that_was_tried_twice_is_queued_once() -> None:
    found = find_points_to_transfer(best_of(0.1, 0.1), make_study(), SPACE, 2)
    assert (len(found.points), found.known) == (1, 1)
