from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.floats(), max_size=6))
def test_any_floats_have_an_axis_that_holds_them_and_orders_them(values: list[float]) -> None:
    axis = Axis.over(values)
    finite = sorted(value for value in values if math.isfinite(value))
    assert axis.low < axis.high or not math.isfinite(axis.high - axis.low)
    shares = [axis.share(value) for value in finite]
    assert shares == sorted(shares)
    assert all(0.0 <= share <= 1.0 for share in shares)


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=6))
def test_a_log_axis_holds_any_positive_numbers_in_order(values: list[float]) -> None:
    axis = Axis.over(values, is_log=True)
    shares = [axis.share(value) for value in sorted(values)]
    assert shares == sorted(shares)
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert all(axis.low <= value <= axis.high for value, _ in axis.ticks())


@pytest.mark.parametrize(
    "values",
    [
        [0.93411, 0.93417],
        [1_234_567.0, 1_234_569.0],
        [100_000.0, 100_007.0],
        [0.5, 0.500001],
        [-3.00001, -3.0],
        [1e-9, 1.00001e-9],
        [0.0, 1.0],
        [1e15, 1e15 + 2],
        [12.0, 12.5],
    ],
)
def test_no_two_ticks_of_an_axis_are_written_the_same(values: list[float]) -> None:
    for axis in (Axis.over(values), Axis(values[0], values[1])):
        labels = [label for _, label in axis.ticks()]
        assert len(set(labels)) == len(labels), labels


@given(FLOATS, st.floats(1e-9, 1.0))
def test_ticks_tell_any_two_places_apart_and_are_written_near_where_they_stand(low: float, width: float) -> None:
    high = low + abs(low) * width + 1e-300
    axis = Axis.over([low, high])
    ticks = axis.ticks()
    labels = [label for _, label in ticks]
    assert len(set(labels)) == len(labels), labels
    room = axis.high / 2 - axis.low / 2
    for value, label in ticks:
        assert abs(float(label) / 2 - value / 2) <= room * 0.1 + 5e-324
        assert len(label) <= 24


def test_round_values_are_written_as_short_as_they_can_be() -> None:
    assert [label for _, label in Axis(0.0, 1.0).ticks()] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert [label for _, label in Axis(0.0, 10.0).ticks()] == ["0", "2", "4", "6", "8", "10"]
    assert Axis(1e-5, 1.0, is_log=True).ticks()[0][1] == "1e-05"


def test_labels_stand_at_the_whole_numbers_in_their_order() -> None:
    assert Axis(-0.5, 2.5, labels=["a", "b", "c"]).ticks() == [(0.0, "a"), (1.0, "b"), (2.0, "c")]


def drawn(canvas: Canvas, name: str = "s") -> ElementTree.Element:
    return ElementTree.fromstring(canvas.svg(name))


HOSTILE = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["<script>", '"onload="x', "a\x00b", "\u202e", "]]>", "&amp;"]
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_every_text_is_text_wherever_it_stands(name: str, title: str, label: str) -> None:
    canvas = Canvas(Axis(0, 1, title), Axis(-0.5, 1.5, labels=[label, "b"]), names=[(name, "s0"), (label, "s1")])
    canvas.dot(0.5, 0, "dot", title=title)
    canvas.line([(0, 0), (1, 1)], "best", title=name)
    canvas.bar(0, 1, 0, 5, "bar", title=label)
    tags = {element.tag for element in drawn(canvas, name).iter()}
    assert tags <= {"svg", "line", "text", "circle", "polyline", "rect", "title"}


def test_a_mark_has_its_text_for_a_mouse_only_where_there_is_one() -> None:
    canvas = Canvas(Axis(0, 1), Axis(0, 1))
    canvas.dot(0.5, 0.5, "dot")
    canvas.dot(0.5, 0.5, "dot", title="trial 3")
    assert [one.text for one in drawn(canvas).iter("title")] == ["trial 3"]


def test_a_bar_of_no_length_can_still_be_seen_and_lies_around_its_place() -> None:
    canvas = Canvas(Axis(0, 10), Axis(0, 1))
    canvas.bar(5, 5, 0.5, 12, "bar")
    [bar] = drawn(canvas).iter("rect")
    across, down = canvas.at(5, 0.5)
    assert float(bar.get("width", "0")) == 1.0
    assert float(bar.get("x", "0")) == pytest.approx(across, abs=0.05)
    assert float(bar.get("y", "0")) + 6 == pytest.approx(down, abs=0.1)


def test_x_grows_to_the_right_and_y_upwards() -> None:
    canvas = Canvas(Axis(0, 10), Axis(0, 10))
    left, low = canvas.at(0, 0)
    right, high = canvas.at(10, 10)
    assert left < right
    assert high < low


def test_a_line_has_a_corner_for_each_point() -> None:
    canvas = Canvas(Axis(0, 10), Axis(0, 10))
    canvas.line([(0, 0), (5, 5), (10, 0)], "best")
    [line] = drawn(canvas).iter("polyline")
    assert len((line.get("points") or "").split()) == 3


def test_the_names_of_a_legend_stand_below_each_other_and_long_ones_are_cut() -> None:
    canvas = Canvas(Axis(0, 1), Axis(0, 1), names=[("a" * 200, "s0"), ("b", "s1")])
    names = [one for one in drawn(canvas).iter("text") if (one.get("class") or "").startswith("name")]
    assert len(names[0].text or "") < 100
    assert (names[0].text or "").endswith("…")
    assert float(names[0].get("y", "0")) < float(names[1].get("y", "0"))
