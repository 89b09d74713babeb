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


def test_values_out_of_range_are_moved_to_its_end() -> None:
    cube = UnitCube({"x": SPACE["x"]})
    assert cube.encode([{"x": -99.0}, {"x": 99.0}]).ravel().tolist() == [0.0, 1.0]
