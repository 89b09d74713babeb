from __future__ import annotations

from typing import Any

from hpotool.analysis.compare.differences import add_origins, find_differences, is_same_code, say_other_origin

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


def test_values_of_other_data_or_other_code_are_not_compared() -> None:
    code, data = {"code": "a"}, {"code": "a", "data": "1"}
    assert say_other_origin([code, code]) is None
    assert say_other_origin([data, data]) is None
    assert say_other_origin([code, data]) is None, "most studies name no data"
    assert say_other_origin([data, {**data, "data": "2"}]) == "their data differs"
    assert say_other_origin([code, {"code": "b"}]) == "their code differs"
    assert "not stored" in str(say_other_origin([code, {}]))


def test_data_is_named_without_the_word_version() -> None:
    assert find_differences([None, None], [{"data": "1"}, {"data": "2"}]) == {"data": ["1", "2"]}


def test_what_the_best_points_came_from_is_added_and_not_said_twice() -> None:
    found = {"version of python": ["3.10", "3.11"], "code": ["a", "b"]}
    one = {"python": "3.10", "code train.py": "a", "package torch": "2.1", "cpu": "8 x A"}
    other = {"python": "3.11", "code train.py": "b", "package torch": "2.2", "cpu": "8 x A"}
    assert add_origins(found, [one, other]) == {**found, "package torch": ["2.1", "2.2"]}
    assert add_origins(found, [one, None]) == found, "one of them is not known"


def test_a_key_that_is_a_list_a_text_or_a_number_is_one_difference() -> None:
    documents = [
        {"study": "a", "command": ["train", "--lr"], "duplicates": "skip", "keep": 3, "sampler": {"seed": 1}},
        {"study": "b", "command": ["train"], "duplicates": "run", "keep": 3, "sampler": {"seed": 2}},
    ]
    assert find_differences(documents, [{}, {}]) == {
        "command": ['["train", "--lr"]', '["train"]'],
        "duplicates": ["skip", "run"],
    }


def test_a_nested_mapping_is_told_by_its_keys_and_what_only_one_has_is_none_for_the_other() -> None:
    documents = [{"budget": {"trials": 3, "target": {"loss": 0.1}}}, {"budget": {"trials": 3}}]
    assert find_differences(documents, [{}, {}]) == {"budget.target": ["loss 0.1", None]}
