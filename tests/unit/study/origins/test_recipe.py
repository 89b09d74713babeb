from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from hpotool.study.origins.recipe import Recipe, say_other_results

RECIPE = Recipe(
    hpotool="0.1.0",
    study={"study": "s"},
    number=3,
    params={"x": 0.1},
    seed=7,
    reevaluation=None,
    state="COMPLETE",
    outcome="complete",
    values={"loss": 0.1 + 0.2, "size": math.inf},
    reports={"1": 0.5, "10": math.nan},
    code={"files": {"a.py": "1"}, "diff": "a patch"},
    data=None,
    environment=None,
)


def test_a_lock_file_is_read_back_as_it_was_written() -> None:
    read = Recipe.of(json.loads(json.dumps(RECIPE.as_data())))
    assert read.code == {"files": {"a.py": "1"}}, "the patch is a file of its own"
    assert read.values == RECIPE.values
    assert replace(read, code=RECIPE.code, reports=RECIPE.reports) == RECIPE


@pytest.mark.parametrize("mark", [None, {"phase": "final", "point": "trial 3", "replicate": 0}])
def test_a_reevaluation_keeps_its_key_in_the_file(mark: dict[str, Any] | None) -> None:
    recipe = replace(RECIPE, reevaluation=mark)
    data = recipe.as_data()
    assert data["apart"] == mark
    assert "reevaluation" not in data
    assert Recipe.of(data).reevaluation == mark


@pytest.mark.parametrize(
    "data",
    ["a text", [1, 2], None, {}, {"a": 1}, {**RECIPE.as_data(), "format": 2}, {**RECIPE.as_data(), "new": 1}],
)
def test_anything_else_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"lock file|format 2"):
        Recipe.of(data)


def test_the_last_step_is_a_number() -> None:
    assert RECIPE.last_step == 10
    assert replace(RECIPE, reports={}).last_step is None


def test_the_same_results_are_the_same_to_the_last_bit() -> None:
    same = ("complete", dict(RECIPE.values), dict(RECIPE.reports))
    assert say_other_results(RECIPE, *same) == []
    other = say_other_results(RECIPE, "complete", {**RECIPE.values, "loss": 0.3}, dict(RECIPE.reports))
    assert other == ["loss is 0.3, and was 0.30000000000000004"]
    assert say_other_results(RECIPE, "complete", {}, dict(RECIPE.reports))[0].startswith("loss is None")


def test_another_end_and_other_reports_are_said() -> None:
    assert say_other_results(RECIPE, "error", {}, {}) == ["it ended error, and was complete"]
    reports = say_other_results(RECIPE, "complete", dict(RECIPE.values), {"1": 0.5})
    assert reports == ["1 of 2 reports differ, first at step 10: None, was nan"]
