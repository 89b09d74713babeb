"""A key of the study file is declared once, in ``grammar.py``; what else it needs is asked for here."""

from dataclasses import fields, replace
from typing import Any

import pytest

from hpotool.study.file.differences import differences
from hpotool.study.file.grammar.kinds import Flag, Key, Record
from hpotool.study.file.grammar.study import BUDGET, OBJECTIVE, RETRY, STUDY, TIER
from hpotool.study.file.reader import read_study_data, read_study_file
from hpotool.study.file.resolved import to_document
from hpotool.study.spec import BudgetSpec, ObjectiveSpec, RetrySpec, StudySpec, TierSpec

SMALLEST = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"
# Never to be added to: a study that was created with this release keeps its hash. What is younger is silent.
STORED_SINCE_0_1 = {
    "study", "objective", "metrics", "constraints", "search_space", "sampler", "pruner", "budget", "retry",
    "warm_start", "strict", "duplicates", "on_oom", "keep",
}  # fmt: skip


@pytest.mark.parametrize(
    ("record", "value"),
    [
        (STUDY, StudySpec),
        (OBJECTIVE, ObjectiveSpec),
        (BUDGET, BudgetSpec),
        (RETRY, RetrySpec),
        (TIER, TierSpec),
    ],
    ids=lambda one: getattr(one, "what", None) or one.__name__,
)
def test_each_key_in_grammar_has_its_field_in_spec(record: Record, value: type[Any]) -> None:
    keys = {"name" if key == "study" else key for key in record.keys}
    assert keys == {field.name for field in fields(value)}, "see CONTRIBUTING: a key of the study file"


def test_a_key_younger_than_the_first_release_is_silent() -> None:
    stored = {name for name, key in STUDY.keys.items() if not key.is_silent}
    assert stored == STORED_SINCE_0_1, (
        "set is_silent on the new key in study/file/grammar/study.py: old studies keep their hash"
    )
    assert set(to_document(read_study_file(SMALLEST))) == STORED_SINCE_0_1


def test_a_silent_key_that_holds_a_table_is_stored_where_it_has_something(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = replace(OBJECTIVE.keys["environment"], is_silent=True)
    monkeypatch.setitem(OBJECTIVE.keys, "environment", declared)  # type: ignore[arg-type]
    text = SMALLEST.replace("python: m:f", "python: m:f, environment: {A: b}")
    plain, given = read_study_file(SMALLEST), read_study_file(text)

    assert "environment" not in to_document(plain)["objective"]
    assert to_document(given)["objective"]["environment"] == {"A": "b"}
    assert read_study_data(to_document(plain)) == plain


def test_a_key_is_read_written_and_compared_by_its_declaration_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a new key would be, with nothing but its line in the grammar and its field."""
    declared = Key(Flag(), "whether", refused="its trials were strict", is_silent=True)
    monkeypatch.setitem(STUDY.keys, "strict", declared)  # type: ignore[arg-type]
    plain, strict = (read_study_file(SMALLEST + end) for end in ("", "strict: true\n"))

    assert "strict" not in to_document(plain)
    assert to_document(strict)["strict"] is True
    assert read_study_data(to_document(strict)) == strict
    [difference] = differences(plain, strict)
    assert not difference.is_safe
    assert difference.sentence == "strict is false in the study and true here; its trials were strict"
