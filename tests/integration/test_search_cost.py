"""The benchmark of a suggestion's cost runs: on Postgres, for one metric and several, with failed trials."""

from __future__ import annotations

import optuna
import pytest

from hpotool.storage.open import open_storage
from tests.benchmarks.search_cost import measure


@pytest.mark.parametrize(("failing", "metrics"), [(0.2, 1), (0.0, 3)])
def test_both_models_and_a_first_suggestion_are_measured(
    study_database_url: str, failing: float, metrics: int
) -> None:
    row = measure(study_database_url, 30, failing, metrics)
    cells = [cell.strip() for cell in row.strip("| ").split("|")]
    assert cells[:3] == ["30", str(metrics), f"{failing:.0%}"]
    assert len(cells) == 6
    assert all(int(cell.removesuffix(" ms")) >= 1 for cell in cells[3:])
    assert optuna.get_all_study_names(open_storage(study_database_url)) == []
