from __future__ import annotations

import numpy as np
import pytest

from hpotool.analysis.weighing.kernel_anova import Array, Column, centred, covariance_of, fit

RNG = np.random.default_rng(0)
X = RNG.random((80, 3))


def parts_of(targets: Array, *columns: Column) -> Array:
    fitted = fit(np.asarray([one.gram for one in columns]), (targets - targets.mean()) / targets.std())
    return fitted.parts([covariance_of(one.grid) for one in columns])


def test_a_kernel_has_mean_zero_over_its_range() -> None:
    for column in (Column(X[:, 0]), Column(np.asarray([0.0, 1.0, 2.0, 1.0]), 3)):
        assert column.grid.mean(axis=0) == pytest.approx(0.0, abs=1e-12)


def test_the_shares_are_those_of_a_function_whose_parts_are_known() -> None:
    # Variances of x and of 2y over [0, 1]: 1/12 and 4/12.
    parts = parts_of(X[:, 0] + 2 * X[:, 1], *(Column(X[:, place]) for place in range(3)))
    assert parts / parts.sum() == pytest.approx([0.2, 0.8, 0.0], abs=0.05)


def test_two_parameters_that_matter_only_together_are_seen() -> None:
    parts = parts_of((X[:, 0] - 0.5) * (X[:, 1] - 0.5), *(Column(X[:, place]) for place in range(3)))
    assert min(parts[0], parts[1]) > 5 * parts[2]


def test_a_parameter_explains_nothing_where_it_does_not_exist() -> None:
    absent = np.asarray([np.nan, 0.5])
    assert centred(absent, np.asarray([0.2, 0.5]), 0)[0].tolist() == [0.0, 0.0]
    assert np.isfinite(centred(absent, absent, 0)).all()


def test_a_choice_of_one_value_breaks_nothing() -> None:
    assert np.isfinite(Column(np.zeros(4), 1).gram).all()


def test_a_trial_drawn_twice_counts_as_two() -> None:
    column = Column(X[:20, 0])
    targets = np.sin(4 * X[:20, 0])
    rows = np.asarray([*range(20), 3, 3])
    twice = fit(np.asarray([Column(X[rows, 0]).gram]), targets[rows])
    counted = fit(np.asarray([column.gram]), targets, np.asarray([3.0 if row == 3 else 1.0 for row in range(20)]))
    points = [centred(np.linspace(0, 1, 5), X[rows, 0], 0)]
    others = [centred(np.linspace(0, 1, 5), X[:20, 0], 0)]
    assert counted.predict(others) == pytest.approx(twice.predict(points), abs=0.15)
