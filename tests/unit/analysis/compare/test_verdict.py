from __future__ import annotations

import json
import math
import random

import pytest
from scipy import stats

from hpotool.analysis.compare.verdict import Measured, judge, mean_interval


def measured(*values: float) -> Measured:
    return Measured(values, "somewhere")


OLD = measured(0.50, 0.52, 0.51, 0.49, 0.50)


@pytest.mark.parametrize(
    ("new", "sign", "word"),
    [
        ((0.30, 0.31, 0.29, 0.30), 1.0, "better"),
        ((0.30, 0.31, 0.29, 0.30), -1.0, "worse"),
        ((0.70, 0.71, 0.69, 0.70), 1.0, "worse"),
        ((0.30, 0.52, 0.49, 0.51), 1.0, "cannot tell"),  # one lucky value, and three like the old ones
        ((0.10,), 1.0, "cannot tell"),
        ((math.inf, 0.1, 0.1), 1.0, "cannot tell"),
        ((math.nan, 0.1, 0.1), 1.0, "cannot tell"),
    ],
)
def test_a_verdict_needs_more_than_one_lucky_value(new: tuple[float, ...], sign: float, word: str) -> None:
    assert judge(OLD, measured(*new), sign=sign).word == word


def test_the_interval_is_welchs() -> None:
    verdict = judge(measured(9.0, 1.0, 2.0, 4.0), measured(9.0, 5.0, 9.0, 6.0), sign=1.0, confidence=0.9)
    expected = stats.ttest_ind([5.0, 9.0, 6.0], [1.0, 2.0, 4.0], equal_var=False).confidence_interval(0.9)
    assert verdict.interval == pytest.approx((expected.low, expected.high))
    assert verdict.as_data()["difference"] == pytest.approx(13 / 3)


def test_where_nothing_varies_one_value_is_enough() -> None:
    assert judge(measured(0.5), measured(0.4), sign=1.0, is_deterministic=True).word == "better"
    assert judge(measured(0.5), measured(0.6), sign=1.0, is_deterministic=True).word == "worse"
    assert judge(measured(0.5), measured(0.5), sign=1.0, is_deterministic=True).word == "equal"
    assert judge(measured(0.5), measured(0.4), sign=1.0).word == "cannot tell"


def test_few_values_that_are_equal_by_chance_prove_nothing() -> None:
    """Two of two draws of a coarse metric are often equal: that is no certainty."""
    found = judge(measured(0.5, 0.5), measured(0.4, 0.4), sign=1.0)
    assert (found.word, found.difference, found.interval) == ("cannot tell", pytest.approx(-0.1), None)
    assert judge(measured(*[0.5] * 5), measured(*[0.4] * 5), sign=1.0).word == "better"


@pytest.mark.parametrize("scale", [1e-310, 1e200, 1.7e308])
def test_values_of_any_size_are_compared(scale: float) -> None:
    old, new = ([value * scale for value in values] for values in ((0.9, 0.91, 0.92), (0.1, 0.12, 0.11)))
    found = judge(measured(*old), measured(*new), sign=1.0)
    assert found.word == "better"
    json.dumps(found.as_data(), allow_nan=False)
    assert mean_interval([-scale, scale]) is not None
    json.dumps(judge(measured(-scale, scale), measured(1, 2, 3), sign=1.0).as_data(), allow_nan=False)


def test_replicates_of_one_study_are_compared_seed_by_seed() -> None:
    """What a seed does to both points alike hides no difference."""
    seeds, shift = (0, 1, 2, 3), (0.0, 5.0, -3.0, 9.0)
    old = tuple(1.0 + one for one in shift)
    new = tuple(0.9 + one + noise for one, noise in zip(shift, (0.01, -0.01, 0.0, 0.005), strict=True))
    paired = judge(Measured(old, "new", True, seeds), Measured(new, "new", True, seeds), sign=1.0)
    assert paired.word == "better"
    assert "seed by seed" in paired.sentence
    elsewhere = judge(Measured(old, "old", True, seeds), Measured(new, "new", True, seeds), sign=1.0)
    assert elsewhere.word == "cannot tell", "replicates of two studies have other seeds"


@pytest.mark.parametrize(("points", "seeds"), [(1, 3), (5, 5), (10, 3)])
def test_the_best_of_several_confirmed_points_is_seldom_called_better(points: int, seeds: int) -> None:
    """All points are equally good, and the one with the best replicates is compared."""
    rng = random.Random(0)
    wrong = 0
    numbers = tuple(range(seeds))
    for _ in range(300):
        old, *others = ([rng.gauss(0, 1) for _ in numbers] for _ in range(points + 1))
        new = tuple(min(others, key=sum))
        found = judge(
            Measured(tuple(old), "s", True, numbers), Measured(new, "s", True, numbers, points), sign=1.0
        )
        wrong += found.word == "better"
    assert wrong <= 0.05 * 300


def test_points_without_scatter_that_are_equal_are_equal() -> None:
    assert judge(measured(0.5, 0.5), measured(0.5, 0.5), sign=1.0).word == "equal"


def test_the_sentence_for_one_value_says_which_was_measured_once() -> None:
    assert "the new best was measured once" in judge(OLD, measured(0.1), sign=1.0).sentence
    assert (
        "the old best and the new best were each measured once"
        in judge(measured(1), measured(0), sign=1.0).sentence
    )


def test_equal_points_are_seldom_called_better() -> None:
    """Both points are equally good, and each was picked for its luckiest value of ten."""
    rng = random.Random(0)
    wrong = 0
    for _ in range(400):
        old, new = ([min(rng.gauss(0, 1) for _ in range(10)), *(rng.gauss(0, 1) for _ in range(4))] for _ in "ab")
        wrong += judge(measured(*old), measured(*new), sign=1.0).word == "better"
    assert wrong <= 0.05 * 400


def test_a_mean_has_an_interval_from_two_values_on() -> None:
    assert mean_interval([1.0]) is None
    assert mean_interval([1.0, math.inf]) is None
    expected = stats.t.interval(0.95, 2, loc=2.0, scale=stats.sem([1.0, 2.0, 3.0]))
    assert mean_interval([1.0, 2.0, 3.0]) == pytest.approx(expected)
