"""The benchmark of pruners: what it compares, and that the docs say what its runs say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.learning_curves.__main__ import RUNS
from tests.benchmarks.learning_curves.report import differences, overall, read_runs, report
from tests.benchmarks.learning_curves.simulate import Run, simulate
from tests.benchmarks.learning_curves.tables import CurveProblem, load_problems, pack, unpack

DOCS = Path(__file__).parents[3] / "docs" / "search.md"


def test_curves_are_kept_but_for_how_bad_the_worst_are() -> None:
    curves = np.array([[1.0, 0.5], [0.9, 0.123456], [2.0, 1e9], [np.nan, np.inf]])
    kept = unpack(pack(curves))
    assert kept[:2] == pytest.approx(curves[:2], abs=1e-3)
    assert np.isinf(kept[2:, 1]).all()


def test_eight_trainings_are_reported_and_others_are_tuned_on() -> None:
    reported, tuning = load_problems("reported"), load_problems("tuning")
    assert len(reported) >= 8
    assert len(tuning) >= 3
    assert not {problem.name for problem in reported} & {problem.name for problem in tuning}
    for problem in [*reported, *tuning]:
        points = int(np.prod([len(values) for values in problem.grid.values()]))
        assert problem.curves.shape == (points, problem.steps)
        assert points >= 150
        assert 20 <= problem.steps <= 80
        final = problem.curves[:, -1]
        assert final.min() < np.median(final) < np.inf, "there is something to find"


def small() -> CurveProblem:
    levels = np.linspace(0.0, 1.0, 40)
    return CurveProblem("small", "tuning", {"x": range(40)}, levels[:, None] + 0.9 ** np.arange(10))


def test_the_same_study_again_finds_the_same() -> None:
    first, again = (simulate("random", "learned", small(), 4, 3, [5, 10]) for _ in range(2))
    assert replace(first, verdict_ms=0.0) == replace(again, verdict_ms=0.0)


def test_equal_epochs_are_more_trials_where_some_are_pruned() -> None:
    whole, pruned = (simulate("random", pruner, small(), 1, 3, [10, 20]) for pruner in ("none", "learned"))
    assert whole.trials == 20
    assert pruned.trials > 25
    assert list(whole.regret) == list(pruned.regret) == [10, 20]


def test_differences_are_paired_by_problem_and_seed() -> None:
    runs = [
        Run("auto", pruner, problem, 1, seed, {10: regret}, 5, 0.1)
        for pruner, problem, seed, regret in (
            ("none", "a", 0, 0.5),
            ("none", "b", 0, 0.2),
            ("none", "a", 1, 0.3),
            ("learned", "a", 0, 0.4),
            ("learned", "a", 1, 0.1),
            ("learned", "a", 2, 0.0),
        )
    ]
    assert differences(runs, "learned", 1, 10) == pytest.approx([-0.1, -0.2])
    assert "-0.150 ± 0.050" in overall(runs)


def test_the_docs_have_the_tables_of_the_runs() -> None:
    text = DOCS.read_text()
    rows = [line for line in report(read_runs(RUNS)).splitlines() if line.startswith("|") and "---" not in line]
    assert rows
    assert [row for row in rows if row not in text] == []
