from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hpotool.search.models.unit_cube import UnitCube

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(-2.0, 6.0),
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "momentum": FloatDistribution(0.5, 0.9, step=0.1),
    "layers": IntDistribution(1, 6),
    "width": IntDistribution(16, 512, log=True),
    "batch": IntDistribution(32, 256, step=32),
    "act": CategoricalDistribution(["relu", None, 3]),
}


@given(st.integers(0, 2**31))
def test_every_point_decodes_to_what_its_distributions_contain(seed: int) -> None:
    cube = UnitCube(SPACE)
    for point in cube.draw(np.random.RandomState(seed), 5):
        params = cube.decode(point)
        assert params.keys() == SPACE.keys()
        for name, distribution in SPACE.items():
            assert distribution._contains(distribution.to_internal_repr(params[name])), (name, params[name])


@given(st.integers(0, 2**31))
def test_encoding_undoes_decoding(seed: int) -> None:
    cube = UnitCube(SPACE)
    points = cube.draw(np.random.RandomState(seed), 5)
    assert np.allclose(cube.encode([cube.decode(point) for point in points]), points, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "middle"), [("x", 2.0), ("lr", 1e-3), ("momentum", 0.7), ("batch", 128), ("width", 89)]
)
def test_the_middle_of_a_column_is_the_middle_of_its_scale(name: str, middle: Any) -> None:
    cube = UnitCube({name: SPACE[name]})
    assert cube.decode(np.asarray([0.4999]))[name] == pytest.approx(middle, rel=0.02)


def test_each_value_of_a_discrete_parameter_is_equally_likely() -> None:
    cube = UnitCube({"layers": IntDistribution(1, 6), "act": SPACE["act"]})
    points = [cube.decode(point) for point in cube.draw(np.random.RandomState(0), 6000)]
    layers = np.bincount([params["layers"] for params in points])[1:]
    assert layers.min() > 850
    assert layers.max() < 1150
    assert all(1800 < sum(params["act"] == choice for params in points) < 2200 for choice in ("relu", None, 3))


def test_values_out_of_range_stay_outside_but_near() -> None:
    cube = UnitCube({"x": SPACE["x"], "lr": SPACE["lr"]})
    points = [{"x": -99.0, "lr": 1e-7}, {"x": 99.0, "lr": 1.0}, {"x": 8.0, "lr": -1.0}]
    assert cube.encode(points).tolist() == [[-0.5, -0.5], [1.25, 1.5], [-0.5, 1.25]]
    assert all(0 <= cube.decode(point)["lr"] <= 0.1 for point in cube.encode(points))


def test_the_widest_range_of_floats_is_a_column_like_any_other() -> None:
    cube = UnitCube({"x": FloatDistribution(-1e308, 1e308)})
    points = cube.draw(np.random.RandomState(0), 50)
    values = [cube.decode(point)["x"] for point in points]
    assert np.isfinite(values).all()
    assert max(values) / 2 - min(values) / 2 > 5e307
    assert np.allclose(cube.encode([{"x": value} for value in values]), points)


CONDITIONS = {"momentum": {"act": [None]}, "batch": {"momentum": [0.5, 0.9]}}


def test_a_point_has_the_parameters_that_exist_there_and_no_others() -> None:
    cube, rng = UnitCube(SPACE, CONDITIONS), np.random.RandomState(0)
    points = [cube.decode(point) for point in cube.draw(rng, 300)]
    for params in points:
        assert ("momentum" in params) == (params["act"] is None)
        assert ("batch" in params) == (params.get("momentum") in (0.5, 0.9))
    assert sum("batch" in params for params in points) > 20


def test_what_comes_to_exist_is_drawn_and_what_ceases_to_is_absent() -> None:
    cube, rng = UnitCube(SPACE, CONDITIONS), np.random.RandomState(0)
    [point] = cube.encode([{"x": 0.0, "lr": 1e-3, "layers": 2, "width": 32, "act": 3}])
    columns = list(cube.space)
    assert np.isnan(point[columns.index("momentum")])
    assert not np.isnan(cube.fill(point[None])).any()
    switched = point.copy()
    switched[columns.index("act")] = 1.0
    [repaired] = cube.repair(switched[None], rng)
    params = cube.decode(repaired)
    assert params["act"] is None
    assert 0.5 <= params["momentum"] <= 0.9
    repaired[columns.index("act")] = 0.0
    assert "momentum" not in cube.decode(cube.repair(repaired[None], rng)[0])


def test_a_choice_that_the_space_lost_is_like_no_other() -> None:
    cube = UnitCube({"act": SPACE["act"]})
    coordinates = cube.encode([{"act": "gone"}, {"act": "relu"}, {}])
    assert len({float(value) for value in cube.fill(coordinates).ravel()}) == 3
