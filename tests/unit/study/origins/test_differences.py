from __future__ import annotations

import pytest

from hpotool.study.origins.differences import find_different, flatten, say_other_code, say_other_data

HASH = "0123456789abcdef0123"
OTHER = "fedcba9876543210"
COMMITTED = {"files": {"a.py": "1"}, "commit": "c1", "tree": "t1", "changes": None}


def test_what_is_not_the_same_in_all_is_found_and_what_is_unknown_is_not_compared() -> None:
    found = find_different([{"a": "1", "b": "2"}, None, {"a": "1", "b": "3", "c": "4"}])
    assert found == {"b": ["2", None, "3"], "c": [None, None, "4"]}
    assert find_different([None, {"a": "1"}]) == {}


def test_the_whole_code_is_named_where_the_objectives_own_is_the_same() -> None:
    one, helper, both = ({"code a.py": own, "other files of code": whole} for own, whole in ("11", "12", "22"))
    assert list(find_different([one, helper])) == ["other files of code"]
    assert list(find_different([one, both])) == ["code a.py"]


def test_each_kind_is_flat_text() -> None:
    assert flatten("code", {**COMMITTED, "changes": "d1"}) == {
        "code a.py": "1",
        "commit": "c1",
        "uncommitted changes": "d1",
    }
    assert flatten("code", {"files": {}}) == {}
    assert flatten("code", {"files": {"a.py": "1"}, "tree": HASH}) == {
        "code a.py": "1",
        "other files of code": HASH[:12],
    }
    assert flatten("data", {"x": {"hash": HASH}, "y": {"trouble": "it is not there"}}) == {
        "data x": HASH[:16],
        "data y": "it is not there",
    }
    environment = {"python": "3.11", "packages": {"numpy": "2"}, "gpus": ["H100", "H100"], "driver": "550"}
    assert flatten("environment", environment) == {
        "python": "3.11",
        "driver": "550",
        "gpus": "H100, H100",
        "package numpy": "2",
    }


@pytest.mark.parametrize(
    ("was", "now", "sentence"),
    [
        ({"hash": HASH}, {"hash": OTHER}, f"d has another content: {OTHER[:12]}, and was {HASH[:12]}"),
        ({"hash": HASH}, {"trouble": "it is not there"}, "d: it is not there"),
        ({"trouble": "it is not there"}, {"hash": HASH}, "d is here, and could not be read there"),
        (
            {"hash": HASH, "files": {"a": "1", "b": "1"}},
            {"hash": OTHER, "files": {"a": "2", "c": "1"}},
            f"d has another content (a differs; b is missing; c is new): {OTHER[:12]}, and was {HASH[:12]}",
        ),
    ],
)
def test_other_data_is_said(was: dict[str, object], now: dict[str, object], sentence: str) -> None:
    assert say_other_data({"d": was}, {"d": now}) == [sentence]
    assert say_other_data({"d": was}, {"d": was}) == []
    assert say_other_data({}, {"d": now}) == [], "the study did not name it"


def test_of_many_files_a_few_are_named() -> None:
    was = {"hash": HASH, "files": {str(i): "1" for i in range(50)}}
    now = {"hash": OTHER, "files": {str(i): "2" for i in range(50)}}
    [said] = say_other_data({"d": was}, {"d": now})
    assert said.count("differs") == 5
    assert "and 45 more" in said


def test_other_code_is_said_once_by_what_is_nearest() -> None:
    assert say_other_code(COMMITTED, COMMITTED) == []
    assert say_other_code(COMMITTED, {**COMMITTED, "commit": "c2"}) == [], "the same tree"
    changed = {**COMMITTED, "files": {"a.py": "2"}, "tree": "t2"}
    assert say_other_code(COMMITTED, changed) == ["a.py has another content"]
    elsewhere = {**COMMITTED, "commit": "c2", "tree": "t2"}
    assert say_other_code(COMMITTED, elsewhere) == ["the code is of commit c2, and was of c1"]
    assert say_other_code(COMMITTED, {**COMMITTED, "changes": "d"}) == [
        "its uncommitted changes are d, and were none"
    ]
    bare = {"files": {"a.py": "1"}, "tree": "t1"}
    assert say_other_code(bare, bare) == [], "without a repository"
    assert say_other_code(bare, {**bare, "tree": "t2"}) == ["the files of code beside it are other ones"]
