from __future__ import annotations

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
