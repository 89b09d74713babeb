from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
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


def edges_of(value: Any, distribution: Any) -> list[tuple[str, float, str, float, float]]:
    trial = optuna.trial.create_trial(value=1.0, params={"x": value}, distributions={"x": distribution})
    return [(edge.name, edge.value, edge.side, edge.low, edge.high) for edge in find_edges(trial)]


def test_an_edge_has_the_name_the_value_and_the_range() -> None:
    assert edges_of(0.5, FloatDistribution(0.001, 0.5)) == [("x", 0.5, "upper", 0.001, 0.5)]


@given(st.integers(-50, 50), st.integers(0, 60), st.data())
def test_of_whole_numbers_only_the_ends_of_a_range_that_is_not_short_are_edges(
    low: int, width: int, data: st.DataObject
) -> None:
    value = data.draw(st.integers(low, low + width))
    found = [side for _, _, side, _, _ in edges_of(value, IntDistribution(low, low + width))]
    expected = [] if width < 5 else ["lower"] if value == low else ["upper"] if value == low + width else []
    assert found == expected


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(0, 1))
def test_of_numbers_the_first_and_last_hundredth_are_edges(low: float, width: float, share: float) -> None:
    high = low + width
    value = min(high, max(low, low + share * width))
    at = (value - low) / (high - low)
    found = [side for _, _, side, _, _ in edges_of(value, FloatDistribution(low, high))]
    if 0.0101 < at < 0.9899:
        assert found == []
    elif at < 0.0099:
        assert found == ["lower"]
    elif at > 0.9901:
        assert found == ["upper"]


@given(st.floats(1e-12, 1.0), st.floats(1.1, 1e9), st.floats(0, 1))
def test_of_a_log_range_the_share_is_that_of_its_exponents(low: float, factor: float, share: float) -> None:
    high = low * factor
    value = min(high, max(low, low * factor**share))
    at = math.log(value / low) / math.log(high / low)
    found = [side for _, _, side, _, _ in edges_of(value, FloatDistribution(low, high, log=True))]
    if 0.0101 < at < 0.9899:
        assert found == []
    elif at < 0.0099:
        assert found == ["lower"]
    elif at > 0.9901:
        assert found == ["upper"]


@pytest.mark.parametrize("choices", [["a", "b"], [1, 2, 3], [0.1, 0.9], [None, True]])
def test_a_choice_has_no_edge_even_if_it_is_a_number(choices: list[Any]) -> None:
    assert [edges_of(choice, CategoricalDistribution(choices)) for choice in choices] == [[]] * len(choices)


def test_several_edges_come_in_the_order_of_the_parameters() -> None:
    space = {name: FloatDistribution(0.0, 1.0) for name in ("c", "a", "b")}
    trial = optuna.trial.create_trial(value=1.0, params={"c": 1.0, "a": 0.5, "b": 0.0}, distributions=dict(space))
    assert [(edge.name, edge.side) for edge in find_edges(trial)] == [("c", "upper"), ("b", "lower")]


def test_a_stepped_range_has_its_ends_as_edges() -> None:
    distribution = FloatDistribution(0.0, 1.0, step=0.05)
    assert [bool(edges_of(value, distribution)) for value in (0.0, 0.05, 0.5, 0.95, 1.0)] == [
        True, False, False, False, True,
    ]  # fmt: skip
