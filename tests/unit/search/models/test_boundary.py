from __future__ import annotations

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution

from hpotool.search.models.boundary import Boundary, constraint_boundaries, failure_boundary
from hpotool.search.models.unit_cube import UnitCube

CUBE = UnitCube({"a": FloatDistribution(0, 1), "b": FloatDistribution(0, 1), "c": CategoricalDistribution("xy")})
RNG = np.random.RandomState(0)
POINTS = CUBE.draw(RNG, 40)
TEST = CUBE.draw(RNG, 200)


def test_it_knows_on_which_side_of_an_edge_a_point_lies() -> None:
    boundary = Boundary(POINTS, POINTS[:, 0] + POINTS[:, 1] - 1.0, CUBE.is_choice)
    inside = np.exp(boundary.log_probability(TEST)) > 0.5
    assert np.mean(inside == (TEST[:, 0] + TEST[:, 1] <= 1.0)) > 0.97


def test_quantities_of_any_size_are_no_error() -> None:
    for factor in (1e-300, 1e300):
        assert np.isfinite(
            Boundary(POINTS, factor * (POINTS[:, 0] - 0.5), CUBE.is_choice).log_probability(TEST)
        ).all()
    infinite = np.where(POINTS[:, 0] > 0.9, np.inf, POINTS[:, 0] - 0.5)
    for quantities in (
        infinite,
        -infinite,
        np.zeros(40),
        np.full(40, np.inf),
        np.where(infinite > 0, np.inf, 0.0),
    ):
        assert np.isfinite(Boundary(POINTS, quantities, CUBE.is_choice).log_probability(TEST)).all()


def test_a_constraint_that_every_point_meets_costs_no_model() -> None:
    constraints = [{"met": -1.0, "at the limit": 0.0, "missed": float(point[0] - 0.5)} for point in POINTS]
    constraints[0] = {"met": -1.0}  # one that some trial does not have is learned from the others
    assert len(constraint_boundaries(CUBE, POINTS, constraints)) == 1


def test_where_only_violations_are_told_the_other_points_have_none() -> None:
    constraints = [{"memory": 1.0} if point[0] > 0.6 else {} for point in POINTS]
    [boundary] = constraint_boundaries(CUBE, POINTS, constraints)
    inside = boundary.log_probability(TEST) > np.log(0.5)
    assert np.mean(inside == (TEST[:, 0] <= 0.6)) > 0.9


def test_failures_keep_their_distance_the_more_there_are() -> None:
    failed = POINTS[:, 0] > 0.6
    near, far = np.asarray([[0.62, 0.5, 0.0]]), np.asarray([[0.2, 0.5, 0.0]])
    boundaries = [failure_boundary(CUBE, POINTS[~failed], POINTS[failed], share) for share in (0.0, 0.1, 0.3)]
    losses = [float((one.log_probability(far) - one.log_probability(near))[0]) for one in boundaries]
    assert 0 < losses[0] < losses[1] < losses[2]


def test_failures_without_a_pattern_change_little() -> None:
    failed = np.arange(40) % 4 == 0
    chance = failure_boundary(CUBE, POINTS[~failed], POINTS[failed], 0.25).log_probability(TEST)
    pattern = failure_boundary(CUBE, POINTS[POINTS[:, 0] < 0.75], POINTS[POINTS[:, 0] >= 0.75], 0.25)
    assert np.ptp(chance) < 0.2 * np.ptp(pattern.log_probability(TEST))


def test_draws_agree_with_the_probability() -> None:
    boundary = Boundary(POINTS, POINTS[:, 0] + POINTS[:, 1] - 1.0, CUBE.is_choice)
    drawn = boundary.draw_met(TEST, 500, np.random.RandomState(0))
    assert drawn.shape == (500, len(TEST))
    assert np.abs(drawn.mean(axis=0) - np.exp(boundary.log_probability(TEST))).max() < 0.1


def test_failures_without_a_pattern_forbid_nothing() -> None:
    labels = np.random.RandomState(1).uniform(size=40) < 0.3
    boundary = failure_boundary(CUBE, POINTS[~labels], POINTS[labels], 0.3)
    assert boundary.draw_met(TEST, 20, np.random.RandomState(0)).all()


def test_failures_on_one_side_forbid_that_side() -> None:
    is_failed = POINTS[:, 0] > 0.5
    boundary = failure_boundary(CUBE, POINTS[~is_failed], POINTS[is_failed], 0.0)
    met = boundary.draw_met(TEST, 50, np.random.RandomState(0)).mean(axis=0)
    assert met[TEST[:, 0] < 0.3].mean() > 0.9
    assert met[TEST[:, 0] > 0.7].mean() < 0.1
