from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest

from hpotool.analysis.report.canvas import Axis, Canvas


@pytest.mark.parametrize(
    "values",
    [
        [0.0, 1.0],
        [5.0],
        [0.0],
        [-1e-300, 1e-300],
        [1.7e308, -1.7e308],
        [1e300, 1e300],
        [math.inf, math.nan, 2.0],
        [],
        [1e15, 1e15 + 2],
    ],
)
def test_any_values_have_an_axis_with_ticks_inside_it(values: list[float]) -> None:
    axis = Axis.over(values)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 12
    assert all(axis.low <= value <= axis.high for value, _ in ticks)
    assert all(0 <= axis.share(value) <= 1 for value in values if math.isfinite(value))


def test_a_log_axis_has_powers_of_ten_and_even_steps() -> None:
    axis = Axis.over([1e-5, 1.0], is_log=True)
    labels = [label for _, label in axis.ticks()]
    assert 3 <= len(labels) <= 6
    assert {float(label) for label in labels} <= {10.0**power for power in range(-5, 1)}
    steps = [axis.share(10.0**power) for power in range(-5, 1)]
    assert [after - before for before, after in pairwise(steps)] == pytest.approx([steps[1] - steps[0]] * 5)


def test_a_log_axis_within_one_power_has_ticks_too() -> None:
    assert len(Axis.over([2.0, 5.0], is_log=True).ticks()) >= 2


def test_every_mark_lies_inside_the_drawing() -> None:
    canvas = Canvas(Axis(0, 10, "trial"), Axis.over([1.0, 2.0]))
    for x, y in ((0, 1.0), (10, 2.0), (5, 1e308), (5, -1e308)):
        canvas.dot(x, y, "dot")
    places = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', canvas.svg("s"))
    assert len(places) == 4
    assert all(0 <= float(x) <= canvas.width and 0 <= float(y) <= canvas.height for x, y in places)


def test_long_labels_are_shortened() -> None:
    svg = Canvas(Axis(0, 1), Axis(0, 1, labels=["x" * 100, "b"])).svg("s")
    assert "x" * 20 not in svg
    assert "…" in svg
