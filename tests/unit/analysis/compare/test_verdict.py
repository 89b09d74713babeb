from __future__ import annotations

import json
import math
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hpotool.analysis.compare.verdict import Measured, Verdict, cannot_tell, judge, mean_interval


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
    json.dumps(mean_interval([-scale, scale]), allow_nan=False)
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


FINITE = st.floats(-1e6, 1e6)
SEVERAL = st.lists(FINITE, min_size=2, max_size=6)
SIGNS = st.sampled_from([1.0, -1.0])
OPPOSITE = {"better": "worse", "worse": "better", "equal": "equal", "cannot tell": "cannot tell"}


@given(SEVERAL, SEVERAL, SIGNS)
def test_the_other_way_round_the_verdict_is_the_opposite(old: list[float], new: list[float], sign: float) -> None:
    one = judge(measured(*old), measured(*new), sign=sign)
    other = judge(measured(*new), measured(*old), sign=sign)
    turned = judge(measured(*old), measured(*new), sign=-sign)
    assert other.word == OPPOSITE[one.word]
    assert turned.word == OPPOSITE[one.word]
    assert other.difference == -one.difference


@given(SEVERAL, SEVERAL, SIGNS)
def test_better_means_that_the_whole_interval_is(old: list[float], new: list[float], sign: float) -> None:
    found = judge(measured(*old), measured(*new), sign=sign)
    if len(set(old)) == len(set(new)) == 1 and old[0] != new[0]:
        assert found.word == "cannot tell"  # so few equal values do not say how much they vary
        return
    assert found.interval is not None
    assert found.difference is not None
    low, high = found.interval
    assert low <= found.difference <= high
    assert found.is_better == (max(sign * low, sign * high) < 0)
    assert found.sentence.startswith(f"{found.word}: ")


@given(SEVERAL, SEVERAL)
def test_a_higher_confidence_never_makes_a_verdict_of_a_doubt(old: list[float], new: list[float]) -> None:
    words = [
        judge(measured(*old), measured(*new), sign=1.0, confidence=confidence).word
        for confidence in (0.5, 0.9, 0.99, 0.9999)
    ]
    doubts = [word == "cannot tell" for word in words]
    assert doubts == sorted(doubts)


@given(st.lists(FINITE, min_size=3, max_size=6), st.lists(FINITE, min_size=3, max_size=6), st.data())
def test_what_a_point_was_picked_for_says_nothing(old: list[float], new: list[float], data: st.DataObject) -> None:
    lucky = data.draw(FINITE)
    one = judge(measured(*old), measured(*new), sign=1.0)
    other = judge(measured(*old), measured(lucky, *new[1:]), sign=1.0)
    assert (one.word, one.interval) == (other.word, other.interval)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_of_confirmed_values_none_is_left_out(count: int) -> None:
    values = tuple(float(number) for number in range(count))
    assert Measured(values, is_confirmed=True).unbiased == values
    assert Measured(values).unbiased == (values if count <= 2 else values[1:])


LARGEST = 1.7976931348623157e308


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((LARGEST, -LARGEST, 0.0), (1.0, 2.0, 3.0)),
        ((LARGEST,) * 4, (-LARGEST,) * 4),
        ((LARGEST, LARGEST, -LARGEST), (LARGEST, -LARGEST, LARGEST)),
        ((1e200, -1e200, 3.0), (1e200, 1.0, 2.0)),
        ((LARGEST,), (-LARGEST,)),
        ((5e-324, 0.0, 5e-324), (0.0, 5e-324, 0.0)),
    ],
)
@pytest.mark.parametrize("is_deterministic", [True, False])
def test_the_largest_and_smallest_floats_have_a_verdict_too(
    old: tuple[float, ...], new: tuple[float, ...], is_deterministic: bool
) -> None:
    found = judge(measured(*old), measured(*new), sign=1.0, is_deterministic=is_deterministic)
    assert found.sentence.startswith(found.word)
    json.dumps(found.as_data(), allow_nan=False)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=6))
def test_the_interval_of_a_mean_holds_it_or_is_not_told(values: list[float]) -> None:
    found = mean_interval(values)
    if found is not None:
        low, high = found
        assert all(map(math.isfinite, found))
        assert low <= high
        assert low <= sum(value / len(values) for value in values) + 1e-9 * max(map(abs, values))


def test_a_verdict_that_cannot_be_told_has_its_reason_and_no_numbers() -> None:
    found = cannot_tell("the moon was full", 0.9)
    assert (found.word, found.sentence, found.confidence) == ("cannot tell", "cannot tell: the moon was full", 0.9)
    assert not found.is_better
    data = found.as_data()
    assert (data["difference"], data["interval"], data["old"], data["new"]) == (None, None, None, None)


def test_the_data_name_where_the_values_come_from() -> None:
    old, new = Measured((1.0, 2.0), "old", True), Measured((3.0, 4.0), "new")
    data = Verdict("better", "better", -1.0, (-2.0, -0.5), 0.95, old, new).as_data()
    assert data["old"] == {"values": [1.0, 2.0], "study": "old", "confirmed": True}
    assert data["new"] == {"values": [3.0, 4.0], "study": "new", "confirmed": False}
    assert data["interval"] == [-2.0, -0.5]


@pytest.mark.parametrize(
    ("confidence", "said"), [(0.95, "95%"), (0.29, "29%"), (0.995, "99.5%"), (0.999, "99.9%")]
)
def test_a_confidence_below_one_is_never_said_as_certainty(confidence: float, said: str) -> None:
    assert f"] at {said}" in judge(OLD, measured(0.30, 0.31, 0.29), sign=1.0, confidence=confidence).sentence


def test_a_sentence_has_both_means_their_counts_and_the_interval() -> None:
    found = judge(OLD, measured(0.30, 0.31, 0.29, 0.30), sign=1.0, confidence=0.9)
    assert re.fullmatch(
        r"better: 0\.3 \(3 values\) against 0\.505 \(4 values\), "
        r"a difference of -0\.205 \[-0\.\d+, -0\.\d+\] at 90%",
        found.sentence,
    ), found.sentence
