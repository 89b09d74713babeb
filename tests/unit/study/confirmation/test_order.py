"""What is ordered once is part of every later order, under one name."""

import json

from hpotool.study.confirmation.order import Order, Point
from hpotool.study.phase import Reevaluation

ONE, TWO = Point("trial 1", {"x": 0.5}, trial=1), Point("trial 2", {"x": 0.7, "kind": "a"}, trial=2)
BASELINE = Point("baseline", {"x": 0.1}, is_baseline=True)


def test_replicates_come_seed_by_seed() -> None:
    assert Order((ONE, TWO), seeds=2).replicates() == [
        Reevaluation("confirm", "trial 1", 0),
        Reevaluation("confirm", "trial 2", 0),
        Reevaluation("confirm", "trial 1", 1),
        Reevaluation("confirm", "trial 2", 1),
    ]


def test_an_order_reads_back_from_json() -> None:
    order = Order((ONE, BASELINE), 3, 0.95, 40)
    assert Order.from_data(json.loads(json.dumps(order.to_data()))) == order


def test_a_later_order_includes_the_earlier_one() -> None:
    both = Order((TWO,), seeds=5).including(Order((ONE, BASELINE), seeds=3, confidence=0.9, most=9))
    assert [point.name for point in both.points] == ["trial 1", "baseline", "trial 2"]
    assert both.points[1].is_baseline


def test_of_two_confidences_the_newer_one_counts_and_an_order_without_one_leaves_the_earlier() -> None:
    earlier = Order((ONE, BASELINE), seeds=3, confidence=0.9, most=9)
    newer = Order((TWO,), seeds=5, confidence=0.99, most=40).including(earlier)
    assert (newer.seeds, newer.confidence, newer.most) == (5, 0.99, 40)
    more = Order((TWO,), seeds=5).including(earlier)
    assert (more.seeds, more.confidence, more.most) == (5, 0.9, 14), "its five replicates take nothing away"
    assert Order((ONE,), seeds=3).including(earlier).most == 9


def test_replicates_of_chosen_points_bear_the_names_of_the_order() -> None:
    order = Order((Point("trial 9", {"x": 0.5}, trial=9),), seeds=3).including(Order((ONE, TWO), seeds=2))
    assert order.replicates([Point("trial 9", {"x": 0.5})]) == [
        Reevaluation("confirm", "trial 1", k) for k in range(3)
    ]


def test_equal_parameters_are_one_point_and_keep_its_name() -> None:
    again = Point("trial 9", {"x": 0.5}, trial=9)
    order = Order((again,), seeds=2).including(Order((ONE,), seeds=2))
    assert [point.name for point in order.points] == ["trial 1"]


def test_a_trial_that_is_the_baseline_is_one_point_from_the_first_order_on() -> None:
    trial = Point("trial 3", {"x": 0.1}, trial=3, found={"loss": 0.5})
    order = Order((BASELINE, trial), seeds=2).including(None)
    assert order.points == (Point("baseline", {"x": 0.1}, 3, None, {"loss": 0.5}, is_baseline=True),)
    assert len(order.replicates()) == 2, "it is not measured twice as often"
    assert Order(order.points, 2).including(order).points == order.points


def test_the_best_of_another_study_that_was_found_here_too_keeps_its_own_name() -> None:
    other = Point("trial 8 of old", {"x": 0.5}, 8, "old", {"loss": 0.2})
    assert Order((ONE, other), seeds=2).including(None).points == (ONE,)
    assert Order((ONE,), seeds=2).including(Order((other,), seeds=2)).points == (other,)


def test_of_two_baselines_the_newer_one_counts_and_both_keep_their_replicates() -> None:
    newer = Point("baseline", {"x": 0.2}, is_baseline=True)
    order = Order((newer,), seeds=2).including(Order((BASELINE,), seeds=2))
    assert [(point.name, point.is_baseline, point.params["x"]) for point in order.points] == [
        ("baseline", False, 0.1),
        ("baseline (2)", True, 0.2),
    ]
