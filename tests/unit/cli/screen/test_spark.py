import math

from hypothesis import given
from hypothesis import strategies as st

from hpotool.cli.screen.spark import spark


def test_a_spark_line_rises_with_its_values() -> None:
    assert spark([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"


def test_many_values_keep_the_first_and_the_last() -> None:
    line = spark(list(range(10_000)), 20)
    assert len(line) == 20
    assert (line[0], line[-1]) == ("▁", "█")


def test_what_is_not_finite_stays_blank_and_equal_values_are_flat() -> None:
    assert spark([1.0, math.inf, 2.0], 9) == "▁ █"
    assert spark([3.0, 3.0], 9) == "▁▁"
    assert spark([math.nan], 9) == spark([], 9) == ""


def test_values_as_far_apart_as_they_can_be_are_drawn() -> None:
    assert spark([-1.7e308, 1.7e308], 9) == "▁█"
    assert spark([0.0, 1.0, 1.7e308], 9) == "▁▁█"


BARS = "▁▂▃▄▅▆▇█"


@given(st.lists(st.floats(), max_size=30), st.integers(0, 20))
def test_any_values_are_a_line_of_that_width_whose_bars_are_in_their_order(
    values: list[float], width: int
) -> None:
    line = spark(values, width)
    assert len(line) <= width
    assert set(line) <= {*BARS, " "}
    if len(values) > width or not line:
        return
    assert [bar == " " for bar in line] == [not math.isfinite(value) for value in values]
    bars = sorted((value, BARS.index(bar)) for value, bar in zip(values, line, strict=True) if bar != " ")
    heights = [height for _, height in bars]
    assert heights == sorted(heights)
    if bars[0][0] < bars[-1][0]:
        assert (heights[0], heights[-1]) == (0, 7)


@given(
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=20),
    st.sampled_from([2.0**-900, 0.5, 1024.0, 2.0**990]),
)
def test_the_unit_of_the_values_does_not_change_the_line(values: list[int], unit: float) -> None:
    assert spark([value * unit for value in values], 20) == spark(values, 20)
