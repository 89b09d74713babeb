import pytest

from hpotool.study.command_template import parameter_variable, script_of


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
