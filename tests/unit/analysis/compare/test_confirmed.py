"""What was confirmed, as a side of a comparison sees it."""

from __future__ import annotations

from hpotool.analysis.compare.confirmed import find_replicated
from hpotool.study.rules.replicates import point_key
from tests.unit.analysis.confirmation.answers import NamedPoint, confirmed, point
from tests.unit.analysis.studies import SPACE

LUCKY, SOLID = point(3, 0.1, 0.01), point(5, 0.2, 0.05)
MEASURED = {LUCKY: [0.30, 0.31, 0.32], SOLID: [0.10, 0.11, 0.12]}


def test_the_best_is_the_one_that_replicates_call_so() -> None:
    found = find_replicated(confirmed(MEASURED), "loss", 1.0, SPACE)
    assert found is not None
    assert (found.number, found.params, found.seen) == (5, {"drop": 0.2}, 0.05)
    assert found.points[found.best] == (0.10, 0.11, 0.12)
    assert set(found.points) == {point_key({"drop": drop}, SPACE) for drop in (0.1, 0.2)}


def test_the_points_of_other_studies_and_the_baseline_are_measured_but_not_its_own() -> None:
    other = point(9, 0.3, 0.2, study="old")
    baseline = NamedPoint("baseline", {"drop": 0.4}, is_baseline=True)
    answer = confirmed({**MEASURED, other: [0.01, 0.02, 0.03], baseline: [0.02, 0.03, 0.04]})
    found = find_replicated(answer, "loss", 1.0, SPACE)
    assert found is not None
    assert found.number == 5
    assert len(found.points) == 4


def test_one_replicate_is_not_enough_and_neither_is_a_broken_constraint_or_infinity() -> None:
    assert find_replicated(confirmed({SOLID: [0.1]}), "loss", 1.0, SPACE) is None
    assert find_replicated(confirmed({SOLID: []}), "loss", 1.0, SPACE) is None
    assert find_replicated(confirmed(MEASURED, violation=1.0), "loss", 1.0, SPACE) is None
    assert find_replicated(confirmed({SOLID: [0.1, float("inf")]}), "loss", 1.0, SPACE) is None


def test_of_several_metrics_the_mean_of_the_chosen_one_decides() -> None:
    small = {LUCKY: [(0.3, 1.0), (0.3, 1.1)], SOLID: [(0.1, 9.0), (0.1, 9.1)]}
    answer = confirmed(small, {"loss": "minimize", "size": "minimize"})
    by_loss, by_size = (find_replicated(answer, name, 1.0, SPACE) for name in ("loss", "size"))
    assert by_loss is not None
    assert by_size is not None
    assert (by_loss.number, by_size.number) == (5, 3)
    assert by_size.points[by_size.best] == (1.0, 1.1)
