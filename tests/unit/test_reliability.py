"""What the documentation says about a confirmation's probabilities is what the committed runs gave."""

from pathlib import Path

import numpy as np

from tests.benchmarks.confirmation import read_results, reliability, run_study, tables

DOCS = Path(__file__).parents[2] / "docs" / "deciding.md"


def test_the_tables_of_the_documentation_are_those_of_the_committed_runs() -> None:
    for table in tables(read_results()).split("\n\n"):
        assert table in DOCS.read_text(), "python -m tests.benchmarks.confirmation, and put its tables there"


def test_stated_probabilities_are_the_shares_in_which_they_came_true() -> None:
    outcomes = read_results()
    assert len(outcomes) >= 50
    for span, count, stated, hits in reliability(outcomes):
        error = np.sqrt(max(stated * (1 - stated), 0.01) / count)
        assert abs(stated - hits) < 3 * error, span


def test_confirming_picks_a_better_point_than_as_many_trials_more_of_the_search() -> None:
    gaps = [one.regret["luckiest of a longer search"] - one.regret["confirmed"] for one in read_results()]
    assert np.mean(gaps) > 3 * np.std(gaps, ddof=1) / np.sqrt(len(gaps))


def test_a_study_of_the_committed_runs_repeats_itself() -> None:
    again, kept = run_study(0), read_results()[0]
    assert again.stated == tuple(kept.stated) or np.allclose(again.stated, kept.stated, atol=0.02)
    assert again.regret["confirmed"] == kept.regret["confirmed"]
