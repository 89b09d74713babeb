import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from hpotool.tracking.names import safe_name, safe_text


@given(st.text(max_size=300))
@example("")
@example(".")
@example("..")
@example("../../etc/passwd")
@example("a//b")
@example("/a")
@example("a/")
@example("a\n")
@example("\ud800")
@example("loss%")
@example("x" * 1000)
def test_every_name_becomes_one_that_mlflow_takes(name: str) -> None:
    mlflow_rules = pytest.importorskip("mlflow.utils.validation")
    safe = safe_name(name)
    mlflow_rules._validate_metric_name(safe)
    mlflow_rules._validate_param_name(safe)
    mlflow_rules._validate_tag_name(safe)
    assert len(safe) <= 250
    assert safe_name(safe) == safe


@pytest.mark.parametrize("name", ["lr", "val/loss", "learning rate", "größe", "a.b-c_d:e", ".hidden", "x" * 250])
def test_a_name_that_is_fine_stays(name: str) -> None:
    assert safe_name(name) == name


def test_two_names_never_become_one() -> None:
    names = ["a%b", "a$b", "a_b", "a//b", "a/b", "x" * 251, "x" * 252, "", ".", "..", "/"]
    assert len({safe_name(name) for name in names}) == len(names)


@given(st.text(max_size=100), st.integers(min_value=12, max_value=60))
def test_a_text_is_cut_the_same_way_each_time(text: str, longest: int) -> None:
    cut = safe_text(text, longest)
    assert len(cut) <= longest
    assert cut == safe_text(text, longest)
    cut.encode()  # no half of a surrogate pair is left
    assert "\0" not in cut


def test_two_long_texts_that_differ_at_their_end_stay_two() -> None:
    assert safe_text("x" * 7000 + "a", 6000) != safe_text("x" * 7000 + "b", 6000)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (None, "None"), (True, "True"), ([1, "a"], '[1, "a"]'), ("a", "a"), (1e-320, "1e-320")],
)
def test_values_are_written_so_that_nothing_is_lost(value: object, text: str) -> None:
    assert safe_text(value, 100) == text
