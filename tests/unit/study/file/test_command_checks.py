from optuna.distributions import CategoricalDistribution, FloatDistribution

from hpotool.study.file.command_checks import left_out
from hpotool.study.spec import ParameterSpec

SPACE = (
    ParameterSpec("booster", CategoricalDistribution(["tree", "linear"])),
    ParameterSpec("drop", FloatDistribution(0, 1), {"booster": ("tree",)}),
)


def test_an_option_goes_with_the_parameter_that_is_absent() -> None:
    command = ["train", "--booster", "{booster}", "--drop", "{drop}"]
    assert left_out(command, SPACE) == {("drop",): ("--drop", "{drop}")}


def test_nothing_is_left_out_where_no_parameter_has_a_condition() -> None:
    assert left_out(["train", "--booster", "{booster}"], SPACE[:1]) == {}
