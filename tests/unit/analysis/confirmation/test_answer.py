"""The answer in numbers and in a sentence: what was lucky is called so, and nothing surer than it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from hpotool.analysis.confirmation.answer import ConfirmationAnswer, answer
from hpotool.analysis.confirmation.data import answer_data
from hpotool.analysis.confirmation.sentence import luckiest, say_answer, say_probability
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Replicate
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import Measurement

LUCKY = Point("trial 7", {"lr": 0.1}, 7, found={"accuracy": 0.99})
SOLID = Point("trial 3", {"lr": 0.2}, 3, found={"accuracy": 0.95})
BASELINE = Point("baseline", {"lr": 0.5}, is_baseline=True)
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
        "Trial 7 was the best of the search with accuracy 0.99; "
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
    assert say_answer(found) == "Nothing was confirmed: no point has a measurement that meets every constraint."


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
    assert say_answer(found) == ("trial 1 (above 0.99): on the Pareto front. trial 2 (below 0.01): not on it.")


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
