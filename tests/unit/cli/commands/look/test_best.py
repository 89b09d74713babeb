import optuna
from optuna.distributions import FloatDistribution

from hpotool.cli.commands.look.best import edge_lines


def test_a_best_value_at_the_edge_of_its_range_is_pointed_out() -> None:
    study = optuna.create_study()
    ranges = {"lr": FloatDistribution(0.001, 0.5), "drop": FloatDistribution(0.0, 1.0)}
    study.add_trial(
        optuna.trial.create_trial(value=1.0, params={"lr": 0.49981, "drop": 0.5}, distributions=dict(ranges))
    )
    assert [line.plain for line in edge_lines(study, 0)] == [
        "lr 0.4998 is at the upper edge of its range [0.001, 0.5]: better values may lie beyond it"
    ]
