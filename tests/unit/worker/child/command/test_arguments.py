import argparse
import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from hpotool.errors import InputError
from hpotool.study.command_template import read_arguments
from hpotool.study.spec import ParameterSpec
from hpotool.worker.child.command.arguments import (
    fill_arguments,
    fill_template,
    parameter_variables,
    spell,
    spell_json,
    spell_options,
    spell_overrides,
    variables_in,
)

VALUES = {"lr": 0.1 + 0.2, "depth": 3, "kind": "a b", "flag": True, "none": None, "trial": 7, "low": -1e-5}
REAL = FloatDistribution(-1, 1)


def sometimes(name: str, distribution: BaseDistribution = REAL) -> ParameterSpec:
    return ParameterSpec(name, distribution, {"optimizer": ("adam",)})


def fill(command: list[str], values: dict[str, Any], *space: ParameterSpec) -> list[str]:
    return fill_arguments(read_arguments(["train", *command], space), values, space, {})[1:]


@pytest.mark.parametrize(
    ("template", "argument"),
    [
        ("--lr={lr}", "--lr=0.30000000000000004"),
        ("{lr:.3g}", "0.3"),
        ("{low}", "-0.00001"),
        ("{low:g}", "-0.00001"),
        ("{low:.1e}", "-1.0e-05"),
        ("{depth}/{trial}", "3/7"),
        ("{kind}; rm -rf $HOME", "a b; rm -rf $HOME"),
        ("{{literal}} {flag} {none}", "{literal} true null"),
        ("${DATA}/x-{depth}", "/data/{raw}/x-3"),
    ],
)
def test_a_template_is_filled_in(template: str, argument: str) -> None:
    assert fill_template(template, VALUES, (), {"DATA": "/data/{raw}"}) == argument


def test_a_doubled_dollar_is_left_to_the_program() -> None:
    assert fill(["$${{DATA}}"], VALUES) == ["$${DATA}"]


BETAS = (sometimes("beta1"), sometimes("beta2"))
SWITCH = sometimes("amp_flag", CategoricalDistribution(("--amp",)))


@pytest.mark.parametrize(
    ("command", "space", "left"),
    [
        (["--momentum", "{m}", "--lr", "{depth}", "--m={m}"], [sometimes("m")], ["--lr", "3"]),
        # flag_lost_before_absent_pair
        (["--lr", "{depth}", "--nesterov", "--betas", "{beta1}", "{beta2}"], BETAS, ["--lr", "3", "--nesterov"]),
        (["--betas", "{beta1}x{beta2}", "--nesterov"], BETAS, ["--nesterov"]),
        (["--name", "run-{beta1}"], BETAS, []),
        (["--betas", "{beta1}", "{beta2}", "data.csv"], BETAS, ["data.csv"]),
        (["--lr", "{depth}", "{beta1}"], BETAS, ["--lr", "3"]),
        (["--betas", "0.9", "{beta2}"], BETAS, ["--betas", "0.9"]),
        (["-j{depth}", "{beta1}", "--", "{beta2}"], BETAS, ["-j3", "--"]),
        # switch_lost_before_optional_flag
        (["--lr", "{depth}", "-v", "{amp_flag}"], [SWITCH], ["--lr", "3", "-v"]),
        (["-v", "{amp_flag}", "data.csv"], [SWITCH], ["-v", "data.csv"]),
        (["-v", "{args}", "-o", "-", "{beta1}"], BETAS, ["-v", "-o", "-"]),
        (["--shift", "-0.5", "{beta1}"], BETAS, ["--shift", "-0.5"]),
    ],
)
def test_what_is_left_out_follows_from_the_templates(
    command: list[str], space: list[ParameterSpec], left: list[str]
) -> None:
    assert fill(command, VALUES, *space) == left


def test_an_option_stays_while_one_of_its_values_exists() -> None:
    assert fill(["--betas", "{beta1}", "{beta2}"], {"beta1": 0.5}, *BETAS) == ["--betas", "0.5"]


@st.composite
def commands(draw: st.DrawFn) -> tuple[list[str], list[ParameterSpec], set[str]]:
    """A command that argparse would take, its space, and the parameters that are absent."""
    names = [f"p{number}" for number in range(draw(st.integers(1, 5)))]
    absent = draw(st.sets(st.sampled_from(names)))
    parts = []
    for name in names:
        forms = [[f"--{name}", f"{{{name}}}"], [f"--{name}={{{name}}}"], [f"--v{name}", "--", f"{{{name}}}"]]
        parts.append(draw(st.sampled_from(forms)))
        parts.append(draw(st.sampled_from([[], ["--switch"], ["--fixed", "1"]])))
    return [word for part in parts for word in part], [sometimes(name) for name in names], absent


@given(commands())
def test_every_argument_without_an_absent_parameter_stays_but_for_options_left_alone(
    drawn: tuple[list[str], list[ParameterSpec], set[str]],
) -> None:
    command, space, absent = drawn
    values = {parameter.name: 0.5 for parameter in space if parameter.name not in absent}
    expected = []
    for word, following in zip(command, [*command[1:], ""], strict=True):
        names = [name for name in absent if f"{{{name}}}" in (word, following if word == f"--{name}" else word)]
        if not names and not any(word == f"--{name}={{{name}}}" for name in absent):
            expected.append(word.replace("{" + word.partition("{")[2], "0.5") if "{" in word else word)
    assert fill(command, values, *space) == expected


def test_an_environment_variable_that_is_not_set_is_an_input_error() -> None:
    with pytest.raises(InputError, match="environment variable DATA, which is not set"):
        fill(["${DATA}"], VALUES)


def test_parameters_become_environment_variables() -> None:
    assert parameter_variables({"opt.lr-max": 1e-7, "on": False, "η": -1e-7}) == {
        "HPOTOOL_PARAM_OPT_LR_MAX": "1e-07",
        "HPOTOOL_PARAM_ON": "false",
        "HPOTOOL_PARAM_Η": "-0.0000001",
    }


SPACE = tuple(ParameterSpec(name, REAL) for name in ("lr", "depth", "kind", "flag", "low"))


def test_all_parameters_of_a_trial_at_once() -> None:
    present = {name: VALUES[name] for name in ("lr", "depth", "kind", "flag", "low")}
    assert fill(["{args}"], {"depth": 3, "lr": 0.1}, *SPACE) == ["--lr", "0.1", "--depth", "3"]
    assert fill(["{overrides}", "end"], {"depth": 3, "lr": 0.1}, *SPACE) == ["lr=0.1", "depth=3", "end"]
    fields = {**present, "args_json": spell_json(present)}
    assert fill(["{args}"], fields, *SPACE)[2:] == ["--depth", "3", "--kind", "a b", "--flag", "--low", "-0.00001"]
    assert fill(["{overrides}"], fields, *SPACE)[2:] == ["kind='a b'", "flag=true", "low=-0.00001"]
    [written] = fill(["{args_json}"], fields, *SPACE)
    assert json.loads(written) == present
    assert "-0.00001" in written
    assert spell_options({"on": False, "flags": "-O2", "x": None}) == ["--no-on", "--flags=-O2", "--x", "null"]


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=8)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_back_exactly_and_taken_by_argparse(number: float) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--x", type=float)
    for text in (spell(number), json.dumps(json.loads(spell_json({"x": number}))["x"])):
        assert math.copysign(1, float(text)) == math.copysign(1, number)
        assert float(text) == number
    assert parser.parse_args(["--x", spell(number)]).x == number
    assert parser.parse_args(spell_options({"x": number})).x == number


@example("\u0130")  # these two are letters of a to z where case is ignored
@example("\u212a")
@given(st.one_of(WORDS, st.integers(-(2**53), 2**53), st.booleans(), st.none(), st.floats(-1e9, 1e9)))
def test_hydra_reads_every_override_as_the_value_that_it_is(value: Any) -> None:
    parsing = pytest.importorskip(
        "hydra.core.override_parser.overrides_parser", reason="Hydra is not needed to develop hpotool"
    )
    from omegaconf import OmegaConf

    [override] = parsing.OverridesParser.create().parse_overrides(spell_overrides({"x": value}))
    config = OmegaConf.create({"x": 0})
    OmegaConf.update(config, "x", override.value())
    assert config.x == value
    assert type(config.x) is type(value)


def test_integers_and_texts_are_as_they_are() -> None:
    assert [spell(value) for value in (-3, "-1e-05", 1e-5, -1e16)] == [
        "-3",
        "-1e-05",
        "1e-05",
        "-10000000000000000.0",
    ]


def test_the_variables_that_a_command_needs_are_those_of_the_worker() -> None:
    assert variables_in(["--data=${DATA}/${SET_1}", "{lr}", "$HOME", "${}", "{{x}}"]) == ["DATA", "SET_1"]


PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(-1e300, 1e300) | st.text(max_size=8)
PARAMS = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), PLAIN, max_size=4)


@given(st.dictionaries(st.text(max_size=5), PLAIN, max_size=4))
def test_parameters_as_json_are_what_json_reads(params: dict[str, Any]) -> None:
    read = json.loads(spell_json(params))
    assert read == params
    assert [type(value) for value in read.values()] == [type(value) for value in params.values()]


@given(PARAMS)
def test_options_are_what_argparse_gives_back(params: dict[str, Any]) -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    for name, value in params.items():
        if isinstance(value, bool):
            parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction)
        else:
            parser.add_argument(f"--{name}", type=type(value) if isinstance(value, (int, float)) else str)
    read = vars(parser.parse_args(spell_options(params)))
    expected = {name: "null" if value is None else value for name, value in params.items()}
    assert read == expected


@given(
    st.lists(st.tuples(st.text(st.characters(exclude_characters="{}$"), max_size=6), st.sampled_from(["x", "y"]))),
    PLAIN,
    PLAIN,
)
def test_a_template_is_its_text_with_every_name_replaced(parts: list[tuple[str, str]], x: Any, y: Any) -> None:
    values = {"x": x, "y": y}
    template = "".join(f"{text}{{{name}}}" for text, name in parts)
    assert fill_template(template, values, ["x", "y"], {}) == "".join(
        f"{text}{spell(values[name])}" for text, name in parts
    )


@given(st.text(max_size=10), st.text(max_size=10))
def test_a_value_that_looks_like_a_template_is_not_filled_in_again(value: str, variable: str) -> None:
    values = {"x": f"{{y}}${{HOME}}{value}", "y": "secret"}
    assert fill_template("{x}", values, ["x", "y"], {"HOME": "/root"}) == values["x"]
    environment = {"HOME": f"{{y}}${{HOME}}{variable}"}
    assert fill_template("${HOME}", values, ["x", "y"], environment) == environment["HOME"]
