"""Probabilities of being the best: right where the truth is known, and the same for the same measurements."""

import numpy as np
import pytest

from hpotool.study.confirmation.posterior import Measured, draw_means, probabilities_of_best


def _best(values: list[list[float]], near: list[bool] | None = None, sign: float = 1.0) -> np.ndarray:
    measured = Measured(np.array(values, dtype=float), np.array(near or [True] * len(values)))
    return probabilities_of_best([draw_means(measured)], [sign])


def test_the_same_measurements_give_the_same_probabilities() -> None:
    values = [[1.0, 1.2, 0.9], [1.1, 1.0, 1.3], [3.0, 2.9, 3.1]]
    assert _best(values).tolist() == _best(values).tolist()
    assert _best(values).sum() == pytest.approx(1)


def test_a_clear_winner_is_one_in_either_direction() -> None:
    values = [[1.0, 1.1, 0.9, 1.05], [5.0, 5.1, 4.9, 5.0]]
    assert _best(values)[0] > 0.99
    assert _best(values, sign=-1.0)[1] > 0.99


def test_a_seed_that_moves_all_points_alike_hides_no_difference() -> None:
    shifts = np.array([0.0, 5.0, -7.0, 3.0, 11.0])
    paired = [list(shifts + 0.0), list(shifts + np.array([0.31, 0.29, 0.3, 0.32, 0.28]))]
    crossed = [list(shifts), list(np.roll(shifts, 2) + 0.3)]
    assert _best(paired)[0] > 0.98
    assert _best(crossed)[0] < 0.75


def test_points_that_noise_could_have_put_in_any_order_are_not_told_apart() -> None:
    rng = np.random.default_rng(4)
    found = [_best(rng.normal(size=(5, 3)).tolist()).max() for _ in range(20)]
    assert np.mean(found) < 0.55, "a flat prior would say 0.7"


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_neither_scale_nor_offset_matters(scale: float) -> None:
    values = np.array([[1.0, 1.2, 0.9], [1.1, 1.4, 1.3]])
    assert _best((values * scale + 100 * scale).tolist()) == pytest.approx(_best(values.tolist()), abs=1e-6)


def test_an_objective_without_noise_is_decided_by_its_values_and_equals_share() -> None:
    assert _best([[1.0, 1.0], [2.0, 2.0]]).tolist() == [1, 0]
    assert _best([[1.0, 1.0], [1.0, 1.0], [2.0, 2.0]]).tolist() == [0.5, 0.5, 0]


def test_missing_replicates_count_as_little_as_they_are() -> None:
    few = _best([[1.0, np.nan, np.nan, np.nan], [1.5, 1.2, 1.6, 1.4]])
    many = _best([[1.0, 0.8, 1.2, 1.0], [1.5, 1.2, 1.6, 1.4]])
    assert 0.5 < few[0] < many[0]


def test_a_far_baseline_does_not_pull_the_points_of_the_search_apart() -> None:
    searched = [[1.0, 1.3, 0.8], [1.1, 0.9, 1.4], [1.2, 1.0, 1.1]]
    alone = _best(searched).max()
    beside = _best([*searched, [90.0, 91.0, 89.0]], [True, True, True, False])
    assert beside[3] == 0
    assert beside.max() == pytest.approx(alone, abs=0.15)


def test_a_single_point_is_the_best() -> None:
    assert _best([[1.0, 1.4]]).tolist() == [1]


def test_of_several_metrics_a_point_is_on_the_front_or_not() -> None:
    cheap, good, worse = [1.0, 1.1, 1.0], [9.0, 9.1, 9.2], [9.5, 9.6, 9.4]
    near = np.array([True] * 3)
    cost = draw_means(Measured(np.array([cheap, good, worse]), near))
    quality = draw_means(Measured(np.array([[1.0, 1.0, 1.0], [5.0, 5.0, 5.0], [4.0, 4.0, 4.0]]), near))
    on_front = probabilities_of_best([cost, quality], [1.0, -1.0])
    assert on_front[0] > 0.99
    assert on_front[1] > 0.99
    assert on_front[2] < 0.2
