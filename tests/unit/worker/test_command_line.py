import pytest

from hpotool.errors import InputError
from hpotool.worker.command_line import fill_arguments, parameter_variables

VALUES = {"lr": 0.1 + 0.2, "depth": 3, "kind": "a b", "flag": True, "none": None, "trial": 7}


@pytest.mark.parametrize(
    ("template", "argument"),
    [
        ("--lr={lr}", "--lr=0.30000000000000004"),
        ("{lr:.3g}", "0.3"),
        ("{depth}/{trial}", "3/7"),
        ("{kind}; rm -rf $HOME", "a b; rm -rf $HOME"),
        ("{{literal}} {flag} {none}", "{literal} true null"),
        ("${DATA}/x-{depth}", "/data/{raw}/x-3"),
    ],
)
def test_a_template_is_filled_in(template: str, argument: str) -> None:
    assert fill_arguments([template], VALUES, (), {"DATA": "/data/{raw}"}) == [argument]


def test_a_doubled_dollar_is_left_to_the_program() -> None:
    assert fill_arguments(["$${{DATA}}"], VALUES, (), {}) == ["$${DATA}"]


def test_an_argument_of_an_absent_parameter_disappears_with_its_option() -> None:
    templates = ["train", "--momentum", "{momentum}", "--lr", "{depth}", "--m={momentum}"]
    assert fill_arguments(templates, VALUES, ("momentum",), {}) == ["train", "--lr", "3"]


def test_an_environment_variable_that_is_not_set_is_an_input_error() -> None:
    with pytest.raises(InputError, match="environment variable DATA, which is not set"):
        fill_arguments(["${DATA}"], VALUES, (), {})


def test_parameters_become_environment_variables() -> None:
    assert parameter_variables({"opt.lr-max": 1e-7, "on": False}) == {
        "HPOTOOL_PARAM_OPT_LR_MAX": "1e-07",
        "HPOTOOL_PARAM_ON": "false",
    }
