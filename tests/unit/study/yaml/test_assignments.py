"""Assignments to the keys of a document."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.study.yaml.assignments import assign, override
from hpotool.study.yaml.document import (
    Node,
    Place,
    Problems,
    from_plain,
)
from tests.unit.study.yaml.documents import DATA, MAPPINGS


def document(data: object) -> Node:
    return from_plain(data, Place("s.yaml", 1, 1))


@pytest.mark.parametrize(
    ("before", "assignment", "after"),
    [
        ({"budget": {"trials": 3}}, "budget.trials=400", {"budget": {"trials": 400}}),
        ({}, "budget.trials=4", {"budget": {"trials": 4}}),
        ({"sampler": "tpe"}, "sampler.seed=3", {"sampler": {"name": "tpe", "seed": 3}}),
        ({"a.b": {"c": 1}}, "a.b.c=2", {"a.b": {"c": 2}}),
        ({"a": 1}, "a=", {"a": None}),
        ({"a": 1}, "a=[1, x]", {"a": [1, "x"]}),
        ({"a": 1}, " a =2", {"a": 2}),
    ],
)
def test_an_assignment_is_put_in(before: object, assignment: str, after: object) -> None:
    problems = Problems()
    assert override(document(before), [assignment], problems).plain() == after
    assert problems.found == []


def test_the_last_assignment_wins_and_the_document_is_not_changed() -> None:
    before = document({"a": 1})
    assert override(before, ["a=2", "a=3"], Problems()).plain() == {"a": 3}
    assert before.plain() == {"a": 1}


@pytest.mark.parametrize("assignment", ["nothing", "=3", ".=3", "a=[1", "a.b=3"])
def test_an_assignment_that_says_nothing_changes_nothing(assignment: str) -> None:
    problems = Problems()
    assert override(document({"a": 1}), [assignment], problems).plain() == {"a": 1}
    [(place, _)] = problems.found
    assert place.file == f"--set {assignment}"


def test_what_has_no_keys_gets_none() -> None:
    problems = Problems()
    assert assign(document([1]), "a.b", document(2), problems).plain() == [1]
    assert problems.found[0][1] == "the value before .a.b has no keys; set the whole value"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(-9, 9)), max_size=8))
def test_overrides_are_assignments_to_nested_dicts(assignments: list[tuple[str, str, int]]) -> None:
    naive: dict[str, dict[str, int]] = {}
    for outer, inner, value in assignments:
        naive.setdefault(outer, {})[inner] = value
    problems = Problems()
    written = [f"{outer}.{inner}={value}" for outer, inner, value in assignments]
    assert override(Node(Place(), {}), written, problems).plain() == naive
    assert problems.found == []


@given(MAPPINGS, st.sampled_from(["a", "a.b", "a.b.c"]), DATA)
def test_an_assignment_changes_its_own_key_and_leaves_its_argument_alone(
    data: dict[str, Any], path: str, value: Any
) -> None:
    data.pop("a", None)
    document, problems = from_plain(data, Place()), Problems()
    changed: Any = assign(document, path, from_plain(value, Place()), problems).plain()
    assert document.plain() == data
    found = changed
    for key in path.split("."):
        found = found[key]
    assert found == value
    assert {key: inner for key, inner in changed.items() if key != "a"} == data
