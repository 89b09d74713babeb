"""The expected improvement is the integral that defines it, and the search for its maximum stays in the space."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy import integrate, stats

from hpotool.search.models.acquisition import find_next_point, log_expected_improvement, spread_point
from hpotool.search.models.unit_cube import UnitCube
from tests.examples import examples

SPACES: list[dict[str, BaseDistribution]] = [
    {"x": FloatDistribution(0, 1)},
    {
        "x": FloatDistribution(1e-5, 1, log=True),
        "n": IntDistribution(1, 3),
        "kind": CategoricalDistribution("abc"),
    },
    {"kind": CategoricalDistribution(["a", "b"])},
    {"n": IntDistribution(0, 100, step=50), "m": IntDistribution(1, 2)},
    {"one": FloatDistribution(2, 2), "x": FloatDistribution(-1e300, 1e300)},
]


def log_improvement(mean: float, deviation: float, best: float) -> float:
    return float(log_expected_improvement(np.array([mean]), np.array([deviation]), best)[0])


@settings(max_examples=examples(50))
@given(st.floats(-5, 5), st.floats(0.05, 3), st.floats(-5, 5))
def test_it_is_the_integral_over_all_losses_below_the_best(mean: float, deviation: float, best: float) -> None:
    low = min(mean, best) - 12 * deviation
    expected, _ = integrate.quad(
        lambda loss: (best - loss) * stats.norm.pdf(loss, mean, deviation), low, best, limit=200, epsabs=0
    )
    if expected > 1e-200:
        assert log_improvement(mean, deviation, best) == pytest.approx(math.log(expected), rel=1e-5, abs=1e-5)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_a_lower_expected_loss_is_never_less_promising(one: float, other: float, deviation: float) -> None:
    low, high = sorted((one, other))
    better, worse = (log_improvement(mean, deviation, 0.0) for mean in (low, high))
    assert better >= worse - 1e-9 * abs(worse)
    assert math.isfinite(better)
    assert math.isfinite(worse)


@given(st.floats(-50, 50), st.floats(0.01, 10), st.floats(-50, 50), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_neither_the_unit_nor_the_zero_of_the_loss_changes_the_order(
    mean: float, deviation: float, best: float, shift: float, unit: float
) -> None:
    plain = log_improvement(mean, deviation, best)
    moved = log_improvement((mean + shift) * unit, deviation * unit, (best + shift) * unit)
    assert moved == pytest.approx(plain + math.log(unit), rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_the_next_point_lies_in_the_space_is_new_and_scores_higher_than_a_random_one(
    space: dict[str, BaseDistribution], seed: int
) -> None:
    rng = np.random.RandomState(seed)
    cube = UnitCube(space)
    target = cube.draw(rng, 1)

    def score(points: Any) -> Any:
        return -((points - target) ** 2).sum(axis=1)

    leaders = cube.draw(rng, 4)
    point = find_next_point(score, cube, leaders, leaders, rng)
    values = cube.decode(point)
    assert set(values) == set(space)
    for name, value in values.items():
        assert space[name]._contains(space[name].to_internal_repr(value))
    scores = score(cube.draw(rng, 200))
    assert score(point[None])[0] >= np.median(scores)


def test_where_every_point_was_tried_one_is_tried_again() -> None:
    cube = UnitCube({"kind": CategoricalDistribution(["a", "b"])})
    tried = np.array([[0.0], [1.0]])
    rng = np.random.RandomState(0)
    point = find_next_point(lambda points: points[:, 0], cube, tried, tried, rng)
    assert cube.decode(point)["kind"] in ("a", "b")


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize(("taken", "failed"), [(0, 0), (5, 0), (0, 5), (5, 5)])
def test_a_spread_point_lies_in_the_space_whatever_was_tried_and_failed(
    space: dict[str, BaseDistribution], taken: int, failed: int
) -> None:
    rng = np.random.RandomState(1)
    cube = UnitCube(space)
    point = spread_point(cube, cube.draw(rng, taken), cube.draw(rng, failed), rng)
    for name, value in cube.decode(point).items():
        assert space[name]._contains(space[name].to_internal_repr(value))


def test_a_spread_point_is_farther_from_the_taken_ones_than_half_of_the_random_points() -> None:
    cube = UnitCube({"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)})
    taken = np.full((5, 2), 0.1)
    distances = []
    for seed in range(20):
        rng = np.random.RandomState(seed)
        point = spread_point(cube, taken, taken[:0], rng)
        distances.append(float(np.linalg.norm(point - taken[0])))
    assert min(distances) > 0.6


@pytest.mark.parametrize(("columns", "is_spread"), [(4, True), (20, False)])
def test_points_of_many_numbers_are_not_spread_into_the_corners(columns: int, is_spread: bool) -> None:
    cube = UnitCube({f"x{i}": FloatDistribution(0, 1) for i in range(columns)})
    rng = np.random.RandomState(0)
    taken = np.empty((0, columns))
    for _ in range(40):
        taken = np.vstack([taken, spread_point(cube, taken, taken[:0], rng)])
    from_the_middle = np.abs(taken - 0.5).mean()  # 0.25 at random
    assert (from_the_middle > 0.27) == is_spread
    assert from_the_middle > 0.23


def test_points_of_many_numbers_are_not_next_to_one_that_failed() -> None:
    cube = UnitCube({f"x{i}": FloatDistribution(0, 1) for i in range(20)})
    rng = np.random.RandomState(0)
    good, bad = np.full((1, 20), 0.35), np.full((1, 20), 0.65)
    points = np.stack([spread_point(cube, good, bad, rng) for _ in range(40)])
    assert (points.mean(axis=1) < 0.5).all()
    assert len(np.unique(points[:, 0])) == 40
