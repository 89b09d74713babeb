import math
import random

import pytest
from scipy.stats import spearmanr

from hpotool.study.rules.early_ranks import EarlyRanks, compare_pairs, compare_ranks, rank_correlation


def curves(count: int, weight: float, first: int = 0, steps: int = 40) -> list[tuple[dict[int, float], float]]:
    """Trials whose early values are ``weight`` times the final one, and else by chance."""
    rng = random.Random(0)
    found = []
    for _ in range(count):
        final, chance = rng.random(), rng.random()
        early = weight * final + (1 - abs(weight)) * chance
        found.append(({first + step: early if step < 30 else final for step in range(steps)}, final))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_the_correlation_is_spearmans_ties_included(seed: int) -> None:
    rng = random.Random(seed)
    one, other = ([float(rng.randrange(6)) for _ in range(12)] for _ in range(2))
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)


def test_without_an_order_there_is_no_correlation() -> None:
    assert math.isnan(rank_correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))
    assert compare_ranks([({0: 1.0}, 2.0)] * 20) is None


@pytest.mark.parametrize(("weight", "is_risk"), [(1.0, False), (0.7, False), (0.0, True), (-1.0, True)])
@pytest.mark.parametrize("first", [0, 1, 500])
def test_only_ranks_that_foretell_nothing_are_a_risk(weight: float, is_risk: bool, first: int) -> None:
    found = compare_ranks(curves(40, weight, first))
    assert found is not None
    assert found.is_risk is is_risk
    assert found.early == f"at step {first + 9} of {first + 39}"


def test_ten_trials_are_needed() -> None:
    assert compare_ranks(curves(9, -1.0)) is None
    assert compare_ranks(curves(10, -1.0)) is not None


def test_a_low_correlation_of_few_trials_is_not_sure() -> None:
    assert not EarlyRanks("early", 0.2, 10).is_risk
    assert EarlyRanks("early", 0.2, 50).is_risk
    assert not EarlyRanks("early", 0.5, 100_000).is_risk
    assert EarlyRanks("early", -1.0, 10).is_risk


def test_what_can_be_told_is_told_with_its_number() -> None:
    safe, risky, open_ = (EarlyRanks("at step 9 of 39", one, 40) for one in (0.8, 0.1, 0.5))
    assert [(one.is_safe, one.is_risk) for one in (safe, risky, open_)] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert safe.summary == (
        "ranks at step 9 of 39 correlate with final ranks by 0.80 "
        "(40 complete trials, 90 % sure of 0.71 or more): ending trials by them is safe"
    )
    assert risky.summary.endswith("ending trials by them may end the best ones")
    assert open_.summary.endswith("more trials will tell whether ending trials by them is safe")


@pytest.mark.parametrize("correlation", [-1.0, 0.0, 0.6, 1.0])
def test_the_interval_holds_the_correlation_and_narrows(correlation: float) -> None:
    few, many = EarlyRanks("early", correlation, 12), EarlyRanks("early", correlation, 200)
    assert few.at_least <= many.at_least <= max(correlation, -0.999)
    assert min(correlation, 0.999) <= many.at_most <= few.at_most
    data = many.as_data()
    assert (data["correlation"], data["trials"], data["sentence"]) == (correlation, 200, many.summary)


def test_what_has_no_value_is_left_out() -> None:
    known = curves(12, 1.0)
    unknown = [({}, 1.0), ({0: 1.0}, math.nan), ({0: math.nan, 39: 1.0}, 1.0), ({30: 1.0, 39: 1.0}, 1.0)]
    found = compare_ranks([*known, *unknown])
    assert found is not None
    assert found.trials == 12


def test_pairs_are_compared_alike() -> None:
    pairs = [(float(place), -float(place)) for place in range(12)]
    found = compare_pairs("in the first tier", [*pairs, (math.inf, 1.0)])
    assert found is not None
    assert found.sentence("tiers") == (
        "ranks in the first tier hardly predict final ones (rank correlation -1.00, 12 trials): "
        "tiers may end the best trials early"
    )


def test_values_that_are_not_finite_are_left_out_of_a_comparison() -> None:
    pairs = [(float(value), float(value)) for value in range(10)]
    assert compare_pairs("early", [*pairs, (math.inf, 1.0), (1.0, math.nan)]) == EarlyRanks("early", 1.0, 10)
    assert compare_pairs("early", [*pairs[:9], (math.inf, 1.0)]) is None, "nine are left"
    assert compare_pairs("early", [(1.0, float(value)) for value in range(10)]) is None, "all are alike early"
