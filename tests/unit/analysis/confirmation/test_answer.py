"""The answer in numbers and in a sentence: what was lucky is called so, and nothing surer than it is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

import pytest

from hpotool.analysis.confirmation.answer import ConfirmationAnswer, answer
from hpotool.analysis.confirmation.data import answer_data
from hpotool.analysis.confirmation.sentence import luckiest, say_answer
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Replicate
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import Measurement
from hpotool.study.wording import say_probability

LUCKY = Point("trial 7", {"lr": 0.1}, 7, found={"accuracy": 0.99})
SOLID = Point("trial 3", {"lr": 0.2}, 3, found={"accuracy": 0.95})
BASELINE = Point("baseline", {"lr": 0.5}, is_baseline=True)
NOTHING = "Nothing was confirmed: no point has finite measurements that meet every constraint."
VALUES = {
    "trial 7": [0.901, 0.905, 0.899, 0.903, 0.9],
    "trial 3": [0.941, 0.944, 0.939, 0.942, 0.94],
    "baseline": [0.921, 0.925, 0.92, 0.922, 0.919],
}


def _answer(
    values: Mapping[str, Sequence[float | None]],
    points: Sequence[Point] = (LUCKY, SOLID, BASELINE),
    metrics: Mapping[str, str] | None = None,
    more: Sequence[Replicate] = (),
) -> ConfirmationAnswer:
    replicates = [
        Replicate(
            Reevaluation("confirm", name, seed),
            100 + seed,
            "FAIL" if value is None else "COMPLETE",
            None if value is None else Measurement((value,)),
            "error" if value is None else "complete",
        )
        for name, column in values.items()
        for seed, value in enumerate(column)
    ]
    return answer(Order(tuple(points), 5), [*replicates, *more], metrics or {"accuracy": "maximize"})


def test_a_lucky_best_is_told_apart_from_the_best() -> None:
    found = _answer(VALUES)
    assert [point.point.name for point in found.points] == ["trial 3", "baseline", "trial 7"]
    assert found.state == "decided"
    assert luckiest(found).point == LUCKY
    assert say_answer(found) == (
        "Trial 3 is the best with probability above 0.99: accuracy 0.9412 ± 0.00086 over 5 seeds. "
        "Trial 7 looked best in the search, with accuracy 0.99; "
        "measured again it has 0.9016 ± 0.0011: it is not the best. "
        "Its difference to the baseline is +0.0198 ± 0.00037; "
        "it is better than the baseline with probability above 0.99."
    )


def test_mean_error_and_difference_are_those_of_the_replicates_alone() -> None:
    best = _answer(VALUES).points[0]
    assert best.mean["accuracy"] == pytest.approx(0.9412)
    assert best.standard_error["accuracy"] == pytest.approx(0.00086, abs=1e-5)
    difference = best.difference["accuracy"]
    assert (difference.mean, difference.seeds) == (pytest.approx(0.0198), 5)
    assert difference.standard_error < best.standard_error["accuracy"], "seed by seed it is smaller"
    assert difference.probability_better > 0.99


def test_an_objective_that_is_deaf_to_its_seed_is_found_out() -> None:
    found = _answer({"trial 7": [0.95] * 3, "trial 3": [0.9] * 3}, (LUCKY, SOLID))
    assert say_answer(found).endswith("and this says no more than the search did.")
    assert "seed" not in say_answer(_answer(VALUES)).replace("over 5 seeds", "")


def test_nothing_better_than_the_baseline_is_said() -> None:
    found = _answer({**VALUES, "baseline": [0.97, 0.972, 0.969, 0.971, 0.97]})
    assert say_answer(found).startswith("The baseline is the best with probability above 0.99")
    assert "Nothing that was confirmed is better than the baseline." in say_answer(found)


def test_what_cannot_be_told_apart_is_not() -> None:
    found = _answer({"trial 7": [0.95, 0.9, 0.93], "trial 3": [0.94, 0.92, 0.92]}, (LUCKY, SOLID))
    assert found.state == "undecided"
    assert say_answer(found).startswith("It is not decided: ")


def test_replicates_that_run_leave_the_verdict_open() -> None:
    waiting = Replicate(Reevaluation("confirm", "trial 3", 5), 200, "WAITING")
    found = _answer(VALUES, more=[waiting])
    assert (found.state, found.is_open) == ("open", True)
    assert say_answer(found) == "15 of 16 replicates have ended; no verdict yet."


def test_failures_are_counted_and_not_averaged() -> None:
    found = _answer({**VALUES, "trial 3": [0.941, None, 0.939, None, 0.94]})
    [solid] = [point for point in found.points if point.point == SOLID]
    assert (solid.measured, solid.failed) == (3, 2)
    assert solid.difference["accuracy"].seeds == 3


def test_where_all_failed_nothing_is_confirmed() -> None:
    found = _answer({"trial 7": [None, None], "trial 3": [None, None]}, (LUCKY, SOLID))
    assert found.state == "undecided"
    assert say_answer(found) == NOTHING


def test_of_several_metrics_the_front_is_told() -> None:
    points = (Point("trial 1", {"x": 1}, 1), Point("trial 2", {"x": 2}, 2))
    replicates = [
        Replicate(
            Reevaluation("confirm", name, seed), seed, "COMPLETE", Measurement((a + seed / 50, b - seed / 50))
        )
        for name, a, b in (("trial 1", 1.0, 1.0), ("trial 2", 5.0, 5.0))
        for seed in range(4)
    ]
    found = answer(Order(points, 4), replicates, {"cost": "minimize", "loss": "minimize"})
    assert say_answer(found) == ("Trial 1 (above 0.99): on the Pareto front. Trial 2 (below 0.01): not on it.")


def test_a_point_that_nothing_can_be_compared_with_is_not_called_the_best() -> None:
    alone = say_answer(_answer({"trial 7": [0.9, 0.92]}, (LUCKY,)))
    assert alone == (
        "Trial 7 has accuracy 0.91 ± 0.01 over 2 seeds; no other point was measured to compare it with."
    )
    infinite = {"trial 7": [0.9, 0.92], "trial 3": [0.94, math.inf], "baseline": [None, None]}
    assert say_answer(_answer(infinite)) == (
        "Trial 7 has accuracy 0.91 ± 0.01 over 2 seeds; no other point has finite measurements that meet every "
        "constraint. The baseline has no finite measurement, so nothing is compared with it."
    )


@pytest.mark.parametrize("values", [{"trial 7": [math.inf, 0.9]}, {"trial 7": [math.inf], "trial 3": [-math.inf]}])
def test_infinite_measurements_alone_confirm_nothing(values: Mapping[str, Sequence[float]]) -> None:
    points = tuple(point for point in (LUCKY, SOLID) if point.name in values)
    assert say_answer(_answer(values, points)) == NOTHING


def test_a_lucky_point_that_breaks_a_constraint_is_said_to_do_so() -> None:
    replicates = [
        Replicate(
            Reevaluation("confirm", name, seed),
            100,
            "COMPLETE",
            Measurement((value + seed / 100,), {"load": load}),
        )
        for name, value, load in (("trial 7", 0.99, 1.0), ("trial 3", 0.9, 0.0), ("baseline", 0.95, 2.0))
        for seed in range(3)
    ]
    said = say_answer(answer(Order((LUCKY, SOLID, BASELINE), 3), replicates, {"accuracy": "maximize"}))
    assert "measured again it has 1 ± 0.0058, and breaks a constraint." in said
    assert said.endswith("The baseline breaks a constraint, so nothing is compared with it.")


def test_a_baseline_that_leads_without_being_sure_is_not_called_unbeaten() -> None:
    found = _answer({"trial 3": [0.90, 0.94], "baseline": [0.93, 0.92]}, (SOLID, BASELINE))
    assert say_answer(found).startswith("It is not decided: the baseline is the best with probability")
    assert say_answer(found).endswith("Nothing that was confirmed is clearly better than the baseline.")


def test_of_many_rivals_the_likeliest_are_named() -> None:
    names = [f"trial {number}" for number in range(30)]
    points = tuple(Point(name, {"x": place}, place) for place, name in enumerate(names))
    found = _answer({name: [0.9 + place % 7 / 1000, 0.9] for place, name in enumerate(names)}, points)
    said = say_answer(found)
    assert re.search(r"and \d+ more\.", said)
    assert len(said) < 300


def test_the_name_of_another_study_keeps_its_letters() -> None:
    other = Point("trial 3 of Big-Study", {"lr": 0.2}, 3, "Big-Study")
    assert say_answer(_answer({other.name: [0.9, 0.92]}, (other,))).startswith("Trial 3 of Big-Study has")


@pytest.mark.parametrize("scale", [1e-310, 1.0, 1e200, 1.5e308])
def test_values_of_any_size_are_told_apart_from_the_baseline(scale: float) -> None:
    values = {"trial 3": [0.5, 0.52, 0.51, 0.49], "baseline": [0.9, 0.92, 0.91, 0.89]}
    found = _answer({name: [value * scale for value in own] for name, own in values.items()}, (SOLID, BASELINE))
    probabilities = {one.point.name: one.probability_best for one in found.points}
    assert probabilities["baseline"] > 0.99
    json.dumps(answer_data(found), allow_nan=False)
    assert say_answer(found)


def test_the_data_are_json_and_name_every_point() -> None:
    data = json.loads(json.dumps(answer_data(_answer(VALUES))))
    assert data["state"] == "decided"
    assert data["replicates"] == {"asked": 15, "finished": 15, "running": 0, "waiting": 0, "failed": 0}
    best = data["points"][0]
    assert (best["point"], best["trial"], best["search"]) == ("trial 3", 3, {"accuracy": 0.95})
    assert set(best["difference"]["accuracy"]) == {"mean", "standard_error", "seeds", "probability_better"}


@pytest.mark.parametrize(
    ("probability", "said"), [(1.0, "above 0.99"), (0.0, "below 0.01"), (0.974, "0.97"), (0.5, "0.50")]
)
def test_no_probability_is_called_a_certainty(probability: float, said: str) -> None:
    assert say_probability(probability) == said


def test_one_seed_is_not_called_seeds() -> None:
    said = say_answer(_answer({"trial 7": [0.9], "trial 3": [0.94]}, (LUCKY, SOLID)))
    assert "over 1 seed" in said
    assert "seeds" not in said
