from dataclasses import replace

import numpy as np
import pytest

from hpotool.search.pruning.curve_model import CurveModel


def parallel(rng: np.random.Generator, count: int, noise: float = 0.05) -> np.ndarray:
    """Curves of four knots and a final value that keep their distance."""
    levels = rng.normal(size=count)
    return levels[:, None] + np.array([3.0, 2.0, 1.0, 0.5, 0.0]) + noise * rng.normal(size=(count, 5))


def cut(curves: np.ndarray, known: int) -> np.ndarray:
    begun = curves.copy()
    begun[:, known:] = np.nan
    return begun


def test_a_final_value_that_the_curve_foretells_is_expected_with_little_doubt() -> None:
    rng = np.random.default_rng(0)
    model, others = CurveModel.fit(parallel(rng, 60)), parallel(rng, 50)
    expected, deviation = model.predict(cut(others, 2))
    assert np.abs(expected - others[:, -1]).mean() < 0.15
    assert deviation.max() < 0.3


def test_without_a_report_the_mean_is_expected_with_all_of_the_doubt() -> None:
    rng = np.random.default_rng(1)
    curves = parallel(rng, 80)
    expected, deviation = CurveModel.fit(curves).predict(np.full((1, 5), np.nan))
    assert expected[0] == pytest.approx(curves[:, -1].mean(), abs=0.05)
    assert deviation[0] == pytest.approx(curves[:, -1].std(), rel=0.15)


def test_the_prior_gives_way_where_early_and_late_have_nothing_in_common() -> None:
    rng = np.random.default_rng(2)
    curves = rng.normal(size=(150, 5))
    expected, deviation = CurveModel.fit(curves).predict(cut(curves, 2))
    assert np.abs(expected).max() < 0.8
    assert deviation.min() > 0.85


def test_where_ranks_invert_a_good_start_is_expected_to_end_badly() -> None:
    rng = np.random.default_rng(3)
    levels = rng.normal(size=60)
    curves = levels[:, None] * np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) + 0.05 * rng.normal(size=(60, 5))
    expected, _ = CurveModel.fit(curves).predict(cut(curves, 2))
    assert np.corrcoef(expected, levels)[0, 1] > 0.9


def test_curves_that_were_ended_because_they_were_bad_do_not_shift_what_is_expected() -> None:
    rng = np.random.default_rng(4)
    curves = parallel(rng, 300)
    pruned = curves.copy()
    pruned[np.ix_(curves[:, 1] > 2.0, [2, 3, 4])] = np.nan  # the worse half
    survivors = curves[curves[:, 1] <= 2.0]
    mean = CurveModel.fit(pruned).mean[-1]
    assert mean == pytest.approx(curves[:, -1].mean(), abs=0.3)
    assert survivors[:, -1].mean() < mean - 0.5


def test_a_gap_is_no_obstacle() -> None:
    rng = np.random.default_rng(5)
    curves = parallel(rng, 60)
    gaps = curves.copy()
    gaps[rng.uniform(size=gaps.shape) < 0.3] = np.nan
    gaps[:, -1] = curves[:, -1]
    late = np.full((1, 5), np.nan)
    late[0, 2] = 4.0  # resumed: nothing before
    expected, deviation = CurveModel.fit(gaps).predict(late)
    assert expected[0] == pytest.approx(3.0, abs=0.3)
    assert deviation[0] < 0.6


def test_what_is_known_is_expected_without_doubt() -> None:
    rng = np.random.default_rng(6)
    curves = parallel(rng, 10)
    expected, deviation = CurveModel.fit(curves).predict(curves)
    assert expected.tolist() == curves[:, -1].tolist()
    assert deviation.tolist() == [0.0] * 10


def test_curves_that_are_all_alike_can_be_fitted() -> None:
    expected, deviation = CurveModel.fit(np.ones((8, 4))).predict(np.array([[1.0, np.nan, np.nan, np.nan]]))
    assert expected[0] == pytest.approx(1.0)
    assert np.isfinite(deviation[0])


def test_fewer_whole_curves_leave_more_doubt() -> None:
    rng = np.random.default_rng(7)
    many = CurveModel.fit(parallel(rng, 200, noise=0.5))
    begun = cut(parallel(rng, 20), 1)
    few = replace(many, count=6)
    assert many.count == 200
    assert few.predict(begun)[1] == pytest.approx(many.predict(begun)[1] * 2**0.5, rel=0.02)
