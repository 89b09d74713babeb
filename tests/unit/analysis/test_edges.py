from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpotool.analysis.edges import find_edges


@pytest.mark.parametrize(
    ("value", "distribution", "side"),
    [
        (0.4998, FloatDistribution(0.001, 0.5), "upper"),
        (0.45, FloatDistribution(0.001, 0.5), None),
        (0.002, FloatDistribution(0.001, 0.5), "lower"),
        (0.002, FloatDistribution(0.001, 0.5, log=True), None),
        (0.00102, FloatDistribution(0.001, 0.5, log=True), "lower"),
        (7, IntDistribution(7, 255), "lower"),
        (8, IntDistribution(7, 2000), None),
        (2, IntDistribution(0, 2), None),
        (1.0, FloatDistribution(1.0, 1.0), None),
        (1.0, FloatDistribution(0.0, 1.0, step=0.5), None),  # of three values, two are at an edge
        (1.0, FloatDistribution(0.0, 1.0, step=0.1), "upper"),
        (8, IntDistribution(0, 8, step=4), None),
        ("a", CategoricalDistribution(["a", "b"]), None),
        (1.7e308, FloatDistribution(-1.7e308, 1.7e308), "upper"),
    ],
)
def test_a_number_within_a_hundredth_of_an_end_is_at_the_edge(value: Any, distribution: Any, side: Any) -> None:
    trial = optuna.trial.create_trial(value=1.0, params={"x": value}, distributions={"x": distribution})
    assert [edge.side for edge in find_edges(trial)] == ([] if side is None else [side])
