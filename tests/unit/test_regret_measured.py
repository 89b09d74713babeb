"""What the documentation says of the stated regret is what the committed searches gave."""

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.regret import (
    NAMES,
    Look,
    Search,
    cost,
    end_by_patience,
    end_by_regret,
    read_results,
    search,
    tables,
)

DOCS = Path(__file__).parents[2] / "docs" / "deciding.md"


def test_the_tables_of_the_documentation_are_those_of_the_committed_searches() -> None:
    for table in tables(read_results()).split("\n\n"):
        assert table in DOCS.read_text(), "python -m tests.benchmarks.regret, and put its tables there"


def test_the_truth_is_within_what_is_stated_as_often_as_is_stated() -> None:
    searches = read_results()
    assert len(searches) >= 40
    assert {one.problem for one in searches} == set(NAMES)
    within = [look.left <= look.at_most + 1e-9 for one in searches for look in one.looks]
    assert np.mean(within) >= 0.9
    for name in NAMES:  # of one problem a search that is stuck stays stuck at all of its looks
        own = [look.left <= look.at_most + 1e-9 for one in searches if one.problem == name for look in one.looks]
        assert np.mean(own) >= 0.8, name


def test_a_limit_ends_studies_sooner_than_patience_that_loses_as_little() -> None:
    searches = read_results()
    limit, patience = ([rule(one) for one in searches] for rule in (_by_limit, _by_patience))
    lost = [
        np.mean([one.left[end - 1] for one, end in zip(searches, ends, strict=True)]) for ends in (limit, patience)
    ]
    assert lost[0] <= lost[1] + 0.002
    assert np.mean(limit) <= 0.8 * np.mean(patience)


def _by_limit(one: Search) -> int:
    return end_by_regret(one, 0.01)


def _by_patience(one: Search) -> int:
    return end_by_patience(one, 40)


def made(at_most: list[float], seen: list[float]) -> Search:
    looks = tuple(Look(20 + 5 * place, 0.0, value, 0.0) for place, value in enumerate(at_most))
    return Search("made", 0, looks, tuple(seen), tuple(seen))


@pytest.mark.parametrize(
    ("at_most", "end"), [([0.1, 0.1], 50), ([0.01, 0.1, 0.01], 50), ([0.1, 0.01, 0.02], 30), ([0.01, 0.01], 25)]
)
def test_a_limit_needs_two_looks_in_a_row(at_most: list[float], end: int) -> None:
    assert end_by_regret(made(at_most, [1.0] * 50), 0.02) == end


@pytest.mark.parametrize(
    ("seen", "end"),
    [
        ([5.0, 4.0, 3.0, 2.0], 4),
        ([5.0, 5.0, 5.0, 1.0], 3),
        ([np.inf, np.inf, np.inf, 2.0, 2.0, 2.0, 2.0], 6),
        ([5.0, 5.0, 4.0, 4.0, 4.0, 1.0], 5),
    ],
)
def test_patience_counts_trials_since_the_best_from_the_first_feasible_one_on(seen: list[float], end: int) -> None:
    assert end_by_patience(made([], seen), 2) == end


def test_a_search_of_the_committed_ones_begins_as_it_did() -> None:
    kept = next(one for one in read_results() if (one.problem, one.seed) == ("integers", 0))
    again = search("integers", 0, trials=10)
    assert again.looks == ()
    assert np.allclose(again.left, kept.left[:10], rtol=1e-4)


def test_the_cost_is_measured_of_each_size() -> None:
    lines = list(cost((30, 60)))
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["30", "60"]
    assert all(0 < float(line.split("|")[2]) < 30 for line in lines[2:])
