"""More replicates are asked for where it is in doubt which point is the best, and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Replicate, judge, next_round
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import Measurement

NAMES = ("trial 1", "trial 2", "trial 3")
POINTS = tuple(Point(name, {"x": index}, trial=index) for index, name in enumerate(NAMES))
CLOSE = {"trial 1": [1.0, 1.3, 0.9], "trial 2": [1.1, 1.0, 1.2], "trial 3": [9.0, 9.3, 9.1]}
CLEAR = {"trial 1": [1.0, 1.1, 0.9], "trial 2": [5.1, 5.0, 5.2], "trial 3": [9.0, 9.3, 9.1]}


def _replicates(values: Mapping[str, Sequence[float]], state: str = "COMPLETE") -> list[Replicate]:
    return [
        Replicate(
            Reevaluation("confirm", name, seed), 0, state, Measurement((value,)) if state == "COMPLETE" else None
        )
        for name, column in values.items()
        for seed, value in enumerate(column)
    ]


def _order(confidence: float | None = 0.95, most: int | None = 100) -> Order:
    return Order(POINTS, 3, confidence, most)


def test_only_the_points_in_doubt_are_measured_again() -> None:
    more = next_round(_order(), _replicates(CLOSE), [1.0])
    assert Counter(reevaluation.point for reevaluation in more) == {"trial 1": 2, "trial 2": 2}
    assert {reevaluation.replicate for reevaluation in more} == {3, 4}
    assert [reevaluation.replicate for reevaluation in more] == [3, 3, 4, 4], "seed by seed"


def test_a_sure_answer_asks_for_nothing() -> None:
    assert next_round(_order(), _replicates(CLEAR), [1.0]) == []


def test_what_no_seed_changes_is_not_measured_for_ever() -> None:
    equal = {name: [1.0, 1.0, 1.0, 1.0] for name in NAMES}
    assert next_round(_order(), _replicates(equal), [1.0]) == []
    few = {name: [1.0, 1.0] for name in NAMES}
    assert next_round(_order(), _replicates(few), [1.0]), "two equal values may be chance"
    assert next_round(_order(), _replicates({**equal, "trial 2": [1.0, 1.0, 1.0, 1.1]}), [1.0])


def test_without_a_confidence_nobody_asks_for_more() -> None:
    assert next_round(_order(None, None), _replicates(CLOSE), [1.0]) == []


def test_while_replicates_are_open_there_is_nothing_to_decide() -> None:
    waiting = _replicates({"trial 2": [0.0]}, "WAITING")
    assert next_round(_order(), [*_replicates(CLOSE), *waiting], [1.0]) == []


def test_the_limit_is_kept_and_what_would_decide_nothing_is_not_begun() -> None:
    assert len(next_round(_order(most=12), _replicates(CLOSE), [1.0])) == 3
    assert next_round(_order(most=10), _replicates(CLOSE), [1.0]) == [], "one more of two points in doubt"
    assert next_round(_order(most=9), _replicates(CLOSE), [1.0]) == []


def test_failed_replicates_count_as_asked_for_and_say_nothing() -> None:
    failed = [Replicate(Reevaluation("confirm", "trial 3", seed), 0, "FAIL") for seed in range(3)]
    known = _replicates({name: CLOSE[name] for name in NAMES[:2]})
    judgement = judge(_order(), [*known, *failed], [1.0])
    assert judgement.names == NAMES[:2]
    assert judgement.probability("trial 3") == 0
    assert {reevaluation.point for reevaluation in next_round(_order(), [*known, *failed], [1.0])} == set(
        NAMES[:2]
    )


def test_when_everything_failed_there_is_no_verdict_and_no_further_round() -> None:
    failed = _replicates(CLOSE, "FAIL")
    assert judge(_order(), failed, [1.0]).names == ()
    assert next_round(_order(), failed, [1.0]) == []


def test_a_point_that_breaks_a_constraint_on_average_cannot_be_the_best() -> None:
    replicates = [
        Replicate(
            Reevaluation("confirm", name, seed),
            0,
            "COMPLETE",
            Measurement((value,), {"load": 1.0 if name == NAMES[0] else 0}),
        )
        for name, column in CLEAR.items()
        for seed, value in enumerate(column)
    ]
    assert judge(_order(), replicates, [1.0]).names == NAMES[1:]


def test_infinite_measurements_leave_a_point_out() -> None:
    judgement = judge(_order(), _replicates({**CLEAR, "trial 1": [1.0, float("inf"), 1.0]}), [1.0])
    assert judgement.names == NAMES[1:]


def test_of_several_metrics_each_point_is_on_the_front_or_not() -> None:
    values = {"trial 1": (1.0, 5.0), "trial 2": (5.0, 1.0), "trial 3": (9.0, 9.0)}
    replicates = [
        Replicate(Reevaluation("confirm", name, seed), 0, "COMPLETE", Measurement((a + seed / 9, b - seed / 9)))
        for name, (a, b) in values.items()
        for seed in range(3)
    ]
    assert next_round(_order(), replicates, [1.0, 1.0]) == []
    assert [round(p) for p in judge(_order(), replicates, [1.0, 1.0]).best] == [1, 1, 0]


def test_one_point_is_probably_better_than_another_in_the_metric_that_is_asked_for() -> None:
    found = judge(_order(), _replicates(CLEAR), [1.0])
    assert found.probability_better("trial 1", "trial 3", 0, 1.0) == pytest.approx(1.0, abs=0.01)
    assert found.probability_better("trial 3", "trial 1", 0, 1.0) == pytest.approx(0.0, abs=0.01)
    assert found.probability_better("trial 1", "trial 3", 0, -1.0) == pytest.approx(0.0, abs=0.01), "maximized"
    assert found.probability_better("trial 1", "trial 1", 0, 1.0) == 0.5, "as good as itself"
    assert found.probability_better("trial 1", "trial 9", 0, 1.0) is None, "not measured"
    for one, other in (("trial 1", "trial 2"), ("trial 2", "trial 3")):
        there, back = (found.probability_better(*pair, 0, 1.0) for pair in ((one, other), (other, one)))
        assert there is not None
        assert back == pytest.approx(1 - there)
    assert found.probability("trial 9") == 0.0


@pytest.mark.parametrize(
    ("state", "outcome", "is_open", "is_cancelled"),
    [
        ("RUNNING", None, True, False),
        ("WAITING", None, True, False),
        ("COMPLETE", "complete", False, False),
        ("FAIL", "error", False, False),
        ("FAIL", "cancelled", False, True),
        ("FAIL", None, False, True),  # cancelled before it had begun
    ],
)
def test_a_replicate_that_somebody_ended_is_told_from_one_that_failed(
    state: str, outcome: str | None, is_open: bool, is_cancelled: bool
) -> None:
    replicate = Replicate(Reevaluation("confirm", "trial 1", 0), 0, state, outcome=outcome)
    assert (replicate.is_open, replicate.is_cancelled) == (is_open, is_cancelled)
