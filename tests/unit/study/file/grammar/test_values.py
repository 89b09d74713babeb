"""What single keys take reads back equal, and what they do not take is refused with what they would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.study.file.grammar.kinds import BROKEN, Kind
from hpotool.study.file.grammar.values import (
    Constraint,
    Holdout,
    Keep,
    Target,
    check_environment_name,
    check_metric_name,
    check_regex,
    check_study_name,
    one_word,
)
from hpotool.study.spec import ConstraintSpec, KeepSpec
from hpotool.study.yaml.document import Place, Problems, from_plain


def read(kind: Kind, data: object) -> Any:
    value = kind.read(from_plain(data, Place()), Problems())
    return BROKEN if isinstance(value, dict) and BROKEN in value.values() else value


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["<=", ">="]))
def test_a_bound_reads_back_to_the_last_bit(bound: float, operator: Literal["<=", ">="]) -> None:
    written = Constraint().write(ConstraintSpec("", operator, bound))
    assert read(Constraint(), written) == ConstraintSpec("", operator, bound)
    jsonschema.validate(written, Constraint().json_schema())


@pytest.mark.parametrize(
    "text", ["< 50", "<= fifty", "<= inf", ">= nan", "50", "<=", "= 3", "<= 1 2", 50, True, None, []]
)
def test_what_is_no_bound_is_refused(text: object) -> None:
    assert read(Constraint(), text) is BROKEN


@given(
    st.one_of(
        st.floats(-1e300, 1e300),
        st.dictionaries(st.sampled_from(["loss", "val/loss"]), st.floats(-9, 9), min_size=1),
    )
)
def test_a_target_is_a_number_or_one_for_each_metric(target: float | dict[str, float]) -> None:
    assert read(Target(), target) == target
    jsonschema.validate(target, Target().json_schema())


@pytest.mark.parametrize(
    ("data", "keep"),
    [
        ("all", KeepSpec(best=None)),
        ("best 3", KeepSpec(best=3)),
        ("best   0", KeepSpec(best=0)),
        ({"best": 2, "last": 4}, KeepSpec(best=2, last=4)),
        ({"best": "all"}, KeepSpec(best=None)),
    ],
)
def test_keep_is_a_word_or_a_table(data: object, keep: KeepSpec) -> None:
    assert read(Keep(), data) == keep
    jsonschema.validate(data, Keep().json_schema())


@pytest.mark.parametrize("data", ["best", "best -1", "best 3.5", "none", "best " + "9" * 20, {"best": -1}, 3])
def test_what_names_no_checkpoints_is_refused(data: object) -> None:
    assert read(Keep(), data) is BROKEN


@pytest.mark.parametrize("data", [0, 9, "test.csv", "fold 3"])
def test_held_out_data_is_a_fold_or_a_name(data: object) -> None:
    assert read(Holdout(), data) == data
    jsonschema.validate(data, Holdout().json_schema())


@pytest.mark.parametrize("data", [-1, True, 1.5, "", "a,b", "a\nb", None, [1]])
def test_what_cannot_be_told_an_objective_is_not_held_out(data: object) -> None:
    assert read(Holdout(), data) is BROKEN


NAMES: list[tuple[Callable[[str], str], list[str], list[str]]] = [
    (check_study_name, ["a", "1e3", "digits-v2.1_x"], ["", "-a", ".a", "a b", "ä", "a/b", "x" * 101]),
    (check_metric_name, ["val/loss", "größe", "loss@10%"], ["a b", "a\tb", "\u200b", "x" * 201]),
    (check_environment_name, ["DATA_DIR", "_x", "x1"], ["1x", "A-B", "HPOTOOL_X", "CUDA_VISIBLE_DEVICES", "A\n"]),
    (one_word("the tag's name", "owner"), ["owner", "a.b-c_1"], ["", "a b", "a=b", "x" * 101]),
    (check_regex, [r"loss=(\S+)", "(?:a)(b)"], ["loss", "(a)(b)", "(", "[a"]),
]


@pytest.mark.parametrize(("check", "right", "wrong"), NAMES, ids=[check.__name__ for check, _, _ in NAMES])
def test_a_name_is_returned_as_it_is_or_refused_in_a_sentence(
    check: Callable[[str], str], right: list[str], wrong: list[str]
) -> None:
    assert [check(name) for name in right] == right
    for name in wrong:
        with pytest.raises(ValueError, match=r".{20,}"):
            check(name)
