import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hpotool.study.rules.grid import count_points, count_values, grid_values

CASES: list[tuple[BaseDistribution, tuple[object, ...] | None]] = [
    (CategoricalDistribution(["a", None]), ("a", None)),
    (IntDistribution(1, 7, step=3), (1, 4, 7)),
    (FloatDistribution(0.1, 0.3, step=0.1), (0.1, 0.2, 0.3)),  # and not 0.30000000000000004
    (FloatDistribution(0, 1), None),
]


@pytest.mark.parametrize(("distribution", "values"), CASES)
def test_a_parameter_s_values_are_all_that_it_can_take(
    distribution: BaseDistribution, values: tuple[object, ...] | None
) -> None:
    assert grid_values(distribution) == values


def test_given_points_count_once_each() -> None:
    assert grid_values(FloatDistribution(0, 1), [0.5, 0.25, 0.5]) == (0.5, 0.25)
    assert count_values(FloatDistribution(0, 1), [0.5, 0.25, 0.5]) == 2


def test_a_grid_has_the_product_of_its_values() -> None:
    assert count_points([]) == 1
    assert count_points([distribution for distribution, _ in CASES[:3]]) == 2 * 3 * 3
    assert count_points([distribution for distribution, _ in CASES]) is None


@given(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 9))
def test_points_are_counted_as_they_are_listed(low: int, width: int, step: int) -> None:
    distribution = IntDistribution(low, low + width // step * step, step=step)
    assert count_points([distribution]) == len(grid_values(distribution) or ())


def test_a_grid_that_is_too_large_to_list_is_counted_all_the_same() -> None:
    assert count_values(IntDistribution(0, 10**15)) == 10**15 + 1
    assert count_values(FloatDistribution(0, 1e9, step=1e-6)) == 10**15 + 1
