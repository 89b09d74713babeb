from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from hpotool.analysis.compare.comparison import Comparison, compare
from hpotool.analysis.compare.sides import Side, make_side
from hpotool.errors import InputError
from tests.unit.analysis.studies import add, make_study

Points = Mapping[float, Sequence[float]]


def side(points: Points, code: str | None = "same", direction: str = "minimize") -> Side:
    study = make_study("loss", directions=[direction])
    for drop, values in points.items():
        for value in values:
            add(study, [value], {"drop": drop})
    return make_side(study, "loss", {}, versions={"code": code} if code else {})


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


def test_one_value_each_is_enough_only_where_equal_points_gave_equal_values() -> None:
    assert verdict(side({0.1: (0.5,)}), side({0.2: (0.4,)})) == "cannot tell"
    assert verdict(side({0.1: (0.5,), 0.9: (0.8, 0.8)}), side({0.2: (0.4,)})) == "better"
    assert verdict(side({0.1: (0.5,)}), side({0.2: (0.4,), 0.1: (0.5,)})) == "better"
    assert verdict(side({0.1: (0.5,), 0.9: (0.8, 0.81)}), side({0.2: (0.4,)})) == "cannot tell"


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
