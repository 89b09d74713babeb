import math

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
    assert len(spark([-1.7e308, 1.7e308], 9)) == 2
