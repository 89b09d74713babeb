import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution

from hpotool.study.command_template import (
    is_option,
    parameter_variable,
    present_arguments,
    read_arguments,
    script_of,
    spells_switches,
    template_names,
)
from hpotool.study.spec import ParameterSpec

SPACE = [
    ParameterSpec("always", FloatDistribution(0, 1), {}),
    ParameterSpec("kind", CategoricalDistribution(["a", "b"]), {}),
    ParameterSpec("one", FloatDistribution(0, 1), {"kind": ("a",)}),
    ParameterSpec("two", FloatDistribution(0, 1), {"kind": ("a",)}),
    ParameterSpec("amp", CategoricalDistribution(["--amp"]), {"kind": ("b",)}),
]
WORDS = st.sampled_from(
    ["--lr", "-m", "--betas", "{one}", "{two}", "{always}", "{amp}", "--one={one}", "-j{two}", "{args}", "--", "-",
     "train.py", "-1", "-.5e3", "x{one}y", "--x={always}", "{overrides}", "plain"]
)  # fmt: skip
COMMANDS = st.lists(WORDS, max_size=10).map(lambda words: ["python", *words])
ABSENT = st.sets(st.sampled_from(["one", "two", "amp"]))


def words_without(command: list[str], absent: set[str]) -> list[str]:
    return [argument.template for argument in present_arguments(read_arguments(command, SPACE), absent)]


@given(COMMANDS)
def test_a_trial_with_every_parameter_gets_the_whole_command(command: list[str]) -> None:
    assert words_without(command, set()) == command


@given(COMMANDS, ABSENT)
def test_what_is_left_keeps_its_order_and_names_no_absent_parameter(command: list[str], absent: set[str]) -> None:
    left = words_without(command, absent)
    rest = iter(command)
    assert all(word in rest for word in left)
    assert not [word for word in left if absent & set(template_names(word))]
    assert left[0] == "python"


@given(COMMANDS, ABSENT, ABSENT)
def test_fewer_parameters_never_give_more_arguments(command: list[str], some: set[str], more: set[str]) -> None:
    rest = iter(words_without(command, some))
    assert all(word in rest for word in words_without(command, some | more))


@given(st.lists(st.sampled_from(["train.py", "--x={always}", "plain", "-1", "{always}"]), max_size=6), ABSENT)
def test_a_command_whose_parameters_always_exist_is_never_shortened(words: list[str], absent: set[str]) -> None:
    assert words_without(["python", *words], absent) == ["python", *words]


@pytest.mark.parametrize(
    ("command", "absent", "left"),
    [
        ("python --m {one}", "one", "python"),
        ("python --betas {one} {two}", "one two", "python"),
        ("python --betas {one} {two}", "one", "python --betas {two}"),
        ("python --a {one} --b {always}", "one", "python --b {always}"),
        ("python --flag --m {one}", "one", "python --flag"),
        ("python --flag {amp} train.py", "amp", "python --flag train.py"),
        ("python --data x {one}", "one", "python --data x"),
        ("python --lr={one} train.py", "one", "python train.py"),
        ("python -j{one} train.py", "one", "python train.py"),
        ("python -- {one}", "one", "python --"),
        ("python - {one}", "one", "python -"),
        ("python --x {args} {one}", "one", "python --x {args}"),
        ("{one}", "", "{one}"),
    ],
)
def test_an_option_goes_with_the_last_of_its_values_and_not_before(command: str, absent: str, left: str) -> None:
    assert words_without(command.split(), set(absent.split())) == left.split()


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{lr}", ("lr",)), ("--x={a}/{b}", ("a", "b")), ("${HOME}/{lr}", ("lr",)), ("$${lr}", ("lr",)),
        ("{{lr}}", ()),
        ("", ()), ("{}", ("",)), ("{lr:.3f}", ("lr",)), ("{a.b}", ("a.b",)), ("ünï{cödé}", ("cödé",)),
    ],
)  # fmt: skip
def test_names_in_braces_are_parameters_and_names_behind_a_dollar_are_not(
    template: str, names: tuple[str, ...]
) -> None:
    assert template_names(template) == names


@pytest.mark.parametrize("template", ["{", "}", "{lr", "lr}", "{a}}"])
def test_braces_that_do_not_match_are_an_error(template: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        template_names(template)


@pytest.mark.parametrize(
    ("word", "is_one"),
    [("--lr", True), ("-l", True), ("-", False), ("--", False), ("-1", False), ("-.5", False), ("-1e-3", False),
     ("lr", False), ("", False), ("---", True), ("-inf", True), ("{x}", False)],
)  # fmt: skip
def test_numbers_and_dashes_are_no_options(word: str, is_one: bool) -> None:
    assert is_option(word) is is_one


@given(st.lists(st.sampled_from(["--a", "-b", "c", "-1", "", None, 1, True]), min_size=1, unique=True))
def test_a_parameter_spells_switches_if_all_its_values_are_options(choices: list[object]) -> None:
    options = [choice in ("--a", "-b") for choice in choices]
    found = spells_switches(ParameterSpec("x", CategoricalDistribution(choices), {}))
    assert found is (True if all(options) else None if any(options) else False)


@given(st.text(min_size=1, max_size=20))
def test_any_parameter_s_variable_is_one_word_without_lower_case_ascii(name: str) -> None:
    variable = parameter_variable(name)
    assert re.fullmatch(r"HPOTOOL_PARAM_\w+", variable)
    assert not set(variable) & set(string.ascii_lowercase)


@pytest.mark.parametrize(("one", "other"), [("é", "e\u0301"), ("Å", "\u212b"), ("lr", "LR")])
def test_names_that_look_alike_share_a_variable(one: str, other: str) -> None:
    assert parameter_variable(one) == parameter_variable(other)


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("python train.py --lr 1", "train.py"),
        ("/usr/bin/python3.11 -u -O train.py", "train.py"),
        ("python -W ignore train.py", "train.py"),
        ("python -m package.train", None),
        ("python -c pass", None),
        ("python", None),
        ("./train --lr 1", None),
    ],
)
def test_the_script_of_a_command_is_told_where_it_can_be(command: str, script: str | None) -> None:
    assert script_of(command.split()) == script


def test_a_parameter_s_variable_is_a_name_that_a_shell_takes() -> None:
    assert parameter_variable("opt.lr-max") == "HPOTOOL_PARAM_OPT_LR_MAX"
