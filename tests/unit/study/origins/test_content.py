from __future__ import annotations

import pytest

from hpotool.study.origins.content import Origin, Part, hash_text

CODE = {"files": {"a.py": "1"}, "commit": "c1", "tree": "t", "changes": None, "diff": None, "folder": "."}


def test_equal_content_has_one_hash_in_whatever_order_it_was_read() -> None:
    assert Part("data", {"a": {"hash": "1"}, "b": {}}).hash == Part("data", {"b": {}, "a": {"hash": "1"}}).hash
    assert Part("data", {"a": {"hash": "1"}}).hash != Part("data", {"a": {"hash": "2"}}).hash


@pytest.mark.parametrize(
    ("key", "is_another"), [("commit", False), ("folder", False), ("tree", True), ("files", True)]
)
def test_code_is_what_runs_and_not_the_commit_that_holds_it(key: str, is_another: bool) -> None:
    other = Part("code", {**CODE, key: "else"})
    assert (other.hash != Part("code", CODE).hash) is is_another


def test_uncommitted_changes_are_other_code() -> None:
    assert Part("code", {**CODE, "changes": "d"}).hash != Part("code", CODE).hash


def test_data_that_cannot_be_read_is_named() -> None:
    data = Part("data", {"a": {"hash": "1"}, "b": {"trouble": "it is not there"}})
    assert data.missing == ["b"]
    assert Part("code", {"files": {"trouble": "1"}}).missing == []


def test_an_origin_has_the_parts_that_there_are() -> None:
    code, environment = Part("code", CODE), Part("environment", {"python": "3"})
    assert Origin(code, None, environment).parts == (code, environment)


def test_names_that_are_no_text_have_a_hash_too() -> None:
    assert hash_text("\udcff") != hash_text("\udcfe")
