import pytest

from hpotool.study.file.grammar.study import BUDGET, STUDY
from hpotool.study.file.meant import say_meant


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("trials", "; did you mean 'budget.trials'?"),
        ("timeout", "; did you mean 'objective.timeout'?"),
        ("budgt", "; did you mean 'budget'?"),
    ],
)
def test_a_key_of_an_inner_mapping_is_named_by_its_path(name: str, said: str) -> None:
    assert say_meant(name, STUDY.keys) == said


def test_where_nothing_is_alike_the_known_keys_are_named() -> None:
    assert say_meant("xyzzy", BUDGET.keys) == f"; known: {', '.join(BUDGET.keys)}"


def test_within_a_mapping_a_key_is_meant_that_is_written_alike() -> None:
    assert say_meant("trails", BUDGET.keys) == "; did you mean 'trials'?"
