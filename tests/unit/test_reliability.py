"""What the documentation says about a confirmation's probabilities is what the committed runs gave."""

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import confirmation_noise
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


def test_few_seeds_and_other_noise_are_documented_as_they_were_measured() -> None:
    assert confirmation_noise.table(confirmation_noise.read_results()) in DOCS.read_text(), (
        "python -m tests.benchmarks.confirmation_noise, and put its table there"
    )


@pytest.mark.parametrize("noise", confirmation_noise.NOISES)
@pytest.mark.parametrize("seeds", confirmation_noise.SEEDS)
def test_with_few_seeds_and_other_noise_nothing_surer_is_stated_than_is_true(noise: str, seeds: int) -> None:
    outcomes = confirmation_noise.read_results()
    own = [one for one in outcomes if (one.noise, one.seeds) == (noise, seeds)]
    assert len(own) >= 50
    for chosen in (own, confirmation_noise.sure(own)):
        stated, hits, count = confirmation_noise.likeliest(chosen)
        assert hits > stated - 3 * np.sqrt(max(stated * (1 - stated), 0.01) / count)
    again = confirmation_noise.run_study(noise, seeds, 0)
    assert np.allclose(again.stated, own[0].stated, atol=0.02)
    assert again.best == own[0].best
