from __future__ import annotations

from typing import Any

from hpotool.analysis.compare.differences import find_differences, is_same_code

OLD: dict[str, Any] = {
    "study": "old",
    "objective": {"python": "model:train", "isolation": "fork"},
    "metrics": [{"loss": "minimize"}],
    "search_space": [{"lr": {"float": [1e-5, 1.0], "log": True}}, {"depth": {"int": [1, 9]}}],
    "sampler": {"name": "auto", "seed": 1},
    "budget": {"trials": 40},
    "warm_start": [],
}
NEW: dict[str, Any] = {
    **OLD,
    "study": "new",
    "search_space": [{"lr": {"float": [1e-5, 0.1], "log": True}}, {"width": {"int": [8, 64]}}],
    "sampler": {"name": "auto", "seed": 2},
    "budget": {"trials": 80},
    "warm_start": [{"lr": 0.1}],
}


def test_keys_that_differ_are_named_with_the_value_in_each() -> None:
    assert find_differences([OLD, NEW], [{}, {}]) == {
        "search_space.lr": ["float [1e-05, 1.0], log true", "float [1e-05, 0.1], log true"],
        "search_space.depth": ["int [1, 9]", None],
        "search_space.width": [None, "int [8, 64]"],
        "budget.trials": ["40", "80"],
    }


def test_versions_and_code_differ_where_both_are_known() -> None:
    versions = [{"python": "3.11", "code": "aa", "optuna": "5"}, {"python": "3.12", "code": "bb", "optuna": "5"}]
    assert find_differences([OLD, OLD], versions) == {"version of python": ["3.11", "3.12"], "code": ["aa", "bb"]}
    assert find_differences([OLD, OLD], [{"code": "aa"}, {}]) == {}


def test_a_study_without_settings_is_compared_by_its_versions() -> None:
    assert find_differences([None, NEW], [{}, {}]) == {}
    assert find_differences([None, OLD, NEW], [{}, {}, {}])["budget.trials"] == [None, "40", "80"]


def test_the_same_code_is_said_only_where_it_is_stored_with_each() -> None:
    assert is_same_code([{"code": "a"}, {"code": "a"}]) is True
    assert is_same_code([{"code": "a"}, {"code": "b"}]) is False
    assert is_same_code([{"code": "a"}, {}]) is None
