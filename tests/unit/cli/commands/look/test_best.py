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
        "at an edge of its range, better values may lie beyond it:",
        "  lr 0.4998: upper edge of [0.001, 0.5]",
    ]


def test_a_best_trial_in_the_middle_has_nothing_pointed_out_and_many_edges_are_counted() -> None:
    study = optuna.create_study()
    ranges = {f"p{place}": FloatDistribution(0.0, 1.0) for place in range(8)}
    for value in (0.5, 0.0):
        params = dict.fromkeys(ranges, value)
        study.add_trial(optuna.trial.create_trial(value=1.0, params=params, distributions=dict(ranges)))
    assert edge_lines(study, 0) == []
    lines = [line.plain for line in edge_lines(study, 1)]
    assert len(lines) == 7
    assert lines[-1] == "  and 3 more"
