"""The answer in words: what is sure is said, what is not is called so, and names are left as people wrote them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpotool.analysis.confirmation.answer import ConfirmationAnswer, ConfirmedPoint, answer
from hpotool.analysis.confirmation.sentence import luckiest, say_answer, say_mean, say_number
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Replicate
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import Measurement
from hpotool.study.wording import say_probability
from tests.examples import examples
from tests.unit.analysis.confirmation.answers import NamedPoint, confirmed, point

FIRST, SECOND = point(3, 0.1, 0.20), point(5, 0.2, 0.05)
BASELINE = NamedPoint("baseline", {"drop": 0.4}, is_baseline=True)
GOOD, BAD = [0.10, 0.101, 0.099, 0.1, 0.1005], [0.30, 0.301, 0.299, 0.3, 0.3005]


def test_the_name_of_another_study_keeps_its_capitals() -> None:
    foreign = point(3, 0.3, study="CIFAR-ResNet")
    said = say_answer(confirmed({foreign: GOOD, FIRST: BAD}))
    assert said.startswith("Trial 3 of CIFAR-ResNet is the best with probability above 0.99"), said


def test_one_point_alone_is_told_with_its_mean() -> None:
    said = say_answer(confirmed({FIRST: GOOD}))
    assert said.startswith("Trial 3 has loss 0.1001 ± ")
    assert said.endswith("over 5 seeds; no other point was measured to compare it with.")


def test_a_best_that_the_search_thought_best_too_is_not_called_lucky() -> None:
    said = say_answer(confirmed({SECOND: GOOD, FIRST: BAD}))
    assert "looked best in the search" not in said


def test_a_lucky_best_is_named_with_what_it_has_now() -> None:
    said = say_answer(confirmed({SECOND: BAD, FIRST: GOOD}))
    assert "Trial 5 looked best in the search, with loss 0.05; measured again it has 0.3001" in said
    assert "it is not the best." in said


def test_of_undecided_points_each_rival_is_named_with_its_probability() -> None:
    found = confirmed({FIRST: [0.1, 0.3, 0.2], SECOND: [0.12, 0.29, 0.2], point(9, 0.7): [0.9, 0.91, 0.9]})
    said = say_answer(found)
    assert said.startswith("It is not decided: trial ")
    assert re.search(r"others: trial [35] 0\.\d\d", said)
    assert "trial 9" not in said, "which cannot be the best"


def test_a_baseline_that_is_the_best_is_called_so_and_no_difference_is_given() -> None:
    said = say_answer(confirmed({BASELINE: GOOD, FIRST: BAD}))
    assert said.startswith("The baseline is the best")
    assert "Nothing that was confirmed is better than the baseline." in said
    assert "Its difference" not in said


def test_a_difference_to_the_baseline_has_its_sign_error_and_probability() -> None:
    said = say_answer(confirmed({BASELINE: BAD, FIRST: GOOD}))
    assert re.search(
        r"Its difference to the baseline is -0\.2 ± [\d.e-]+; "
        r"it is better than the baseline with probability above",
        said,
    )


def test_a_baseline_that_failed_everywhere_leaves_no_difference_to_tell() -> None:
    assert "difference" not in say_answer(confirmed({BASELINE: [], FIRST: GOOD}))


@pytest.mark.parametrize("values", [[0.1], [0.1, 0.1], [0.1, 0.1, 0.1]])
def test_equal_values_betray_an_objective_without_a_seed_only_where_something_was_repeated(
    values: list[float],
) -> None:
    said = say_answer(confirmed({FIRST: values, SECOND: [0.3] * len(values)}))
    assert ("does not draw on its seed" in said) == (len(values) > 1)


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (0.0, "below 0.01"),
        (0.00499, "below 0.01"),
        (0.005, "0.01"),
        (0.494, "0.49"),
        (0.995, "0.99"),
        (0.9951, "above 0.99"),
        (1.0, "above 0.99"),
    ],
)
def test_a_probability_is_never_0_or_1(probability: float, said: str) -> None:
    assert say_probability(probability) == said


@given(st.floats(0, 1))
def test_any_probability_is_told_within_half_a_hundredth(probability: float) -> None:
    said = say_probability(probability)
    number = float(said.rpartition(" ")[2])
    assert abs(number - probability) <= 0.0101
    assert said not in ("0.00", "1.00")


def confirmed_point(mean: float, error: float | None, measured: int = 3) -> ConfirmedPoint:
    return ConfirmedPoint(FIRST, measured, 0, 0, {"loss": mean}, {"loss": error})


@pytest.mark.parametrize(
    ("mean", "error", "said"),
    [
        (0.123456, 0.0123, "0.1235 ± 0.012"),
        (0.123456, None, "0.1235"),
        (123456.0, 0.0, "1.235e+05 ± 0"),
        (0.0, 1e-9, "0 ± 1e-09"),
        (-1.5, 0.25, "-1.5 ± 0.25"),
    ],
)
def test_a_number_has_its_error_where_there_is_one(mean: float, error: float | None, said: str) -> None:
    assert say_number(confirmed_point(mean, error), "loss") == said
    assert say_mean(confirmed_point(mean, error, 7), "loss") == f"loss {said} over 7 seeds"


def test_the_luckiest_is_the_studys_own_in_both_directions() -> None:
    foreign = point(1, 0.9, -9.0, study="other")
    found = confirmed({FIRST: GOOD, SECOND: BAD, foreign: GOOD})
    lucky = luckiest(found)
    assert lucky is not None
    assert lucky.point == SECOND
    greatest = luckiest(replace(found, metrics={"loss": "maximize"}))
    assert greatest is not None
    assert greatest.point == FIRST


def test_nobody_is_the_luckiest_where_the_search_saw_nothing_or_has_several_metrics() -> None:
    assert luckiest(confirmed({point(1, 0.5): GOOD})) is None
    several = confirmed({FIRST: [(0.1, 1.0)] * 2}, {"loss": "minimize", "size": "minimize"})
    assert luckiest(several) is None


def two(first: tuple[float, float], second: tuple[float, float]) -> ConfirmationAnswer:
    around = [-0.01, 0.0, 0.01, 0.005]
    return confirmed(
        {
            FIRST: [(first[0] + by, first[1] - by) for by in around],
            SECOND: [(second[0] - by, second[1] + by) for by in around],
        },
        {"loss": "minimize", "size": "minimize"},
    )


def test_of_a_front_each_point_is_on_it_off_it_or_undecided() -> None:
    both = say_answer(two((1.0, 5.0), (5.0, 1.0)))
    assert both.endswith(": on the Pareto front.")
    assert both.startswith("Trial 3 (above 0.99), trial 5 (above 0.99)")
    one = say_answer(two((1.0, 1.0), (5.0, 5.0)))
    assert one.startswith("Trial 3 (above 0.99): on the Pareto front.")
    assert "rial 5 (below 0.01): not on it." in one


MAYBE = st.lists(st.none() | st.floats(-1e6, 1e6), max_size=4)


def measured(columns: Sequence[Sequence[float | None]], violations: Sequence[float]) -> ConfirmationAnswer:
    points = [Point(f"trial {n}", {"drop": n / 10}, n, found={"loss": float(n)}) for n in range(len(columns))]
    replicates = [
        Replicate(
            Reevaluation("confirm", one.name, seed),
            seed,
            "FAIL" if value is None else "COMPLETE",
            None if value is None else Measurement((value,), {"c": violation}),
        )
        for one, column, violation in zip(points, columns, violations, strict=True)
        for seed, value in enumerate(column)
    ]
    return answer(Order(tuple(points), 4), replicates, {"loss": "minimize"})


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(MAYBE, st.sampled_from([-1.0, 1.0])), min_size=1, max_size=3))
def test_whatever_was_measured_there_is_something_to_say_and_none_infeasible_is_called_the_best(
    columns: list[tuple[list[float | None], float]],
) -> None:
    found = measured([column for column, _ in columns], [violation for _, violation in columns])
    said = say_answer(found)
    assert said.endswith(".")
    able = [one.point.name for one in found.points if one.mean and one.is_feasible]
    if not able:
        assert said.startswith("Nothing was confirmed")
        return
    best = re.match(r"(?:It is not decided: )?[Tt](rial \d) (?:is the best|has loss|was measured)", said)
    assert best is not None, said
    assert f"t{best[1]}" in able
