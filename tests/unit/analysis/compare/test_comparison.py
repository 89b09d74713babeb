from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from hpotool.analysis.compare.comparison import Comparison, compare
from hpotool.analysis.compare.sides import Side, make_side
from hpotool.errors import InputError
from tests.unit.analysis.confirmation.answers import NamedPoint, confirmed, point
from tests.unit.analysis.studies import add, make_study

Points = Mapping[float, Sequence[float]]


def side(
    points: Points,
    code: str | None = "same",
    direction: str = "minimize",
    replicated: Mapping[NamedPoint, Sequence[float]] | None = None,
) -> Side:
    study = make_study("loss", directions=[direction])
    for drop, values in points.items():
        for value in values:
            add(study, [value], {"drop": drop})
    answer = confirmed(replicated) if replicated else None
    return make_side(study, "loss", {}, versions={"code": code} if code else {}, confirmed=answer)


def verdict(old: Side, new: Side) -> str:
    return compare([old, new]).verdicts[0].word


OLD = {0.1: (0.50, 0.51, 0.49, 0.50), 0.9: (0.8,)}
GOOD = {0.2: (0.30, 0.31, 0.29, 0.30)}


def test_of_the_same_code_the_measurements_of_both_studies_count() -> None:
    assert verdict(side(OLD), side(GOOD)) == "better"
    assert verdict(side(GOOD), side(OLD)) == "worse"


def test_of_other_code_only_the_new_study_can_say_how_good_the_old_point_is() -> None:
    other = side(GOOD, code="other")
    assert "their code differs" in compare([side(OLD), other]).verdicts[0].sentence
    assert verdict(side(OLD), side({**GOOD, 0.1: (0.6, 0.61, 0.6)}, code="other")) == "better"
    assert (
        verdict(side(OLD), side({0.2: (0.30, 0.31, 0.29), 0.1: (0.31, 0.3, 0.31)}, code="other")) == "cannot tell"
    )
    unknown = compare([side(OLD, code=None), side(GOOD, code=None)]).verdicts[0]
    assert "is not stored with both" in unknown.sentence


DISTINCT = {place / 100: (1.0 + place / 7,) for place in range(30, 50)}


def test_one_value_each_is_enough_only_where_equal_points_gave_equal_values() -> None:
    assert verdict(side({0.1: (0.5,)}), side({0.2: (0.4,)})) == "cannot tell"
    assert verdict(side({**DISTINCT, 0.1: (0.5,), 0.9: (0.8, 0.8)}), side({0.2: (0.4,)})) == "better"
    assert verdict(side({**DISTINCT, 0.1: (0.5,)}), side({0.2: (0.4,), 0.1: (0.5,)})) == "better"
    assert verdict(side({**DISTINCT, 0.1: (0.5,), 0.9: (0.8, 0.81)}), side({0.2: (0.4,)})) == "cannot tell"
    assert verdict(side({0.1: (0.5,) * 5}), side({0.2: (0.4,) * 5})) == "better", "often enough for no chance"


def test_a_coarse_metric_that_repeats_itself_once_is_not_taken_for_exact() -> None:
    coarse = {place / 100: (round(0.5 + place % 4 / 20, 2),) for place in range(30, 50)}
    assert verdict(side({**coarse, 0.1: (0.45,), 0.9: (0.8, 0.8)}), side({0.2: (0.4,)})) == "cannot tell"


def test_the_same_point_is_no_better_than_itself() -> None:
    assert verdict(side({0.1: (0.5, 0.51)}), side({0.1: (0.3, 0.31)})) == "equal"


def test_a_study_without_a_result_cannot_be_judged() -> None:
    empty = compare([side(OLD), side({})])
    assert "has no complete trial" in empty.verdicts[0].sentence
    assert not empty.is_better


def test_the_last_study_is_what_may_be_shipped() -> None:
    found: Comparison = compare([side(OLD), side(GOOD), side({0.4: (0.9, 0.91, 0.9)})])
    assert [one.word for one in found.verdicts] == ["better", "worse"]
    assert not found.is_better
    assert len(found.as_data()["verdicts"]) == 2


def test_studies_that_want_the_opposite_are_not_compared() -> None:
    with pytest.raises(InputError, match="minimized in one of the studies and maximized in another"):
        compare([side(OLD), side(GOOD, direction="maximize")])


SEARCHED_OLD = {0.1: (0.50,), 0.9: (0.8,)}
SEARCHED_NEW = {0.2: (0.10,), 0.3: (0.40,)}  # the first was lucky
CONFIRMED_OLD = {point(0, 0.1, 0.50): [0.50, 0.51, 0.49]}
CONFIRMED_NEW = {point(0, 0.2, 0.10): [0.60, 0.61, 0.59], point(1, 0.3, 0.40): [0.41, 0.40, 0.42]}


def test_where_both_are_confirmed_their_replicates_are_compared() -> None:
    old = side(SEARCHED_OLD, replicated=CONFIRMED_OLD)
    found = compare([old, side(SEARCHED_NEW, replicated=CONFIRMED_NEW)])
    assert found.unconfirmed == ()
    [verdict] = found.verdicts
    assert verdict.word == "better"
    assert verdict.new is not None
    assert verdict.new.values == (0.41, 0.40, 0.42), "of the best confirmed point, none left out"
    assert verdict.new.unbiased == verdict.new.values
    data = found.as_data()
    assert [one["best"]["confirmed"] for one in data["studies"]] == [True, True]
    assert data["studies"][1]["best"]["trial"] == 1
    assert data["verdicts"][0]["old"]["confirmed"] is True


def test_a_lucky_best_that_replicates_expose_is_no_longer_better() -> None:
    lucky = {point(0, 0.2, 0.10): [0.60, 0.61, 0.59]}
    old, new = side(SEARCHED_OLD, replicated=CONFIRMED_OLD), side({0.2: (0.10, 0.11, 0.12)}, replicated=lucky)
    assert verdict(old, new) == "worse"
    assert verdict(side(OLD), side({0.2: (0.10, 0.11, 0.12)})) == "better", "by the search alone"


def test_where_one_is_not_confirmed_the_search_is_compared_and_that_is_said() -> None:
    found = compare([side(OLD), side(GOOD, replicated={point(0, 0.2): [0.9, 0.91, 0.9]})])
    assert found.unconfirmed == ("known",)
    assert found.verdicts[0].word == "better"
    assert [one["best"]["confirmed"] for one in found.as_data()["studies"]] == [False, False]


def test_of_other_code_the_old_best_has_to_be_confirmed_in_the_new_study() -> None:
    again = {point(0, 0.1, 0.5, study="old"): [0.9, 0.91, 0.89], **CONFIRMED_NEW}
    old = side(SEARCHED_OLD, replicated=CONFIRMED_OLD)
    found = compare([old, side(SEARCHED_NEW, code="other", replicated=again)]).verdicts[0]
    assert found.word == "better"
    assert found.old is not None
    assert found.old.values == (0.9, 0.91, 0.89)
    unknown = compare([old, side(SEARCHED_NEW, code="other", replicated=CONFIRMED_NEW)]).verdicts[0]
    assert "their code differs" in unknown.sentence


def test_the_old_best_that_the_new_study_confirmed_is_enough() -> None:
    """The documented script: the old study itself was never confirmed."""
    again = {point(0, 0.1, 0.5, study="old"): [0.9, 0.91, 0.89, 0.9], **CONFIRMED_NEW}
    found = compare([side(SEARCHED_OLD, code="other"), side(SEARCHED_NEW, replicated=again)])
    [verdict] = found.verdicts
    assert verdict.word == "better"
    assert verdict.old is not None
    assert (verdict.old.values, verdict.old.is_confirmed) == ((0.9, 0.91, 0.89, 0.9), True)
    assert "seed by seed, as the best of 2" in verdict.sentence
    assert found.unconfirmed == ()


def test_a_study_without_a_result_is_not_called_unconfirmed() -> None:
    assert compare([side(OLD), side({})]).unconfirmed == ("known",)


def test_equal_points_with_other_values_in_the_two_studies_show_that_values_vary() -> None:
    old = side({**DISTINCT, 0.1: (0.5,), 0.7: (0.7,)})
    assert verdict(old, side({0.2: (0.4,), 0.7: (0.8,)})) == "cannot tell"
    assert verdict(old, side({0.2: (0.4,), 0.7: (0.7,)})) == "better"


def test_of_other_code_the_new_study_itself_has_to_repeat_its_values() -> None:
    repeats = {**DISTINCT, 0.1: (0.5,), 0.2: (0.4,), 0.9: (0.8, 0.8)}
    assert verdict(side({0.1: (0.9,)}), side(repeats, code="other")) == "better"
    assert verdict(side({0.1: (0.9, 0.9)}), side({0.1: (0.5,), 0.2: (0.4,)}, code="other")) == "cannot tell"


@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_data_name_every_study_and_judge_each_against_the_first(count: int) -> None:
    data = compare([side(OLD), *[side(GOOD) for _ in range(count - 1)]]).as_data()
    assert data["metric"] == "loss"
    assert len(data["studies"]) == count
    assert [one["verdict"] for one in data["verdicts"]] == ["better"] * (count - 1)
    assert {one["against"] for one in data["verdicts"]} == {"known"}
