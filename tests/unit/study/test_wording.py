import math
import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.study.wording import (
    count_of,
    format_amount,
    format_clock,
    format_elapsed,
    format_limit,
    format_local,
    format_when,
    plain_cell,
    round_estimate,
    zone,
)

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=timezone.utc)  # a Wednesday


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (99.4, "99 s"),
        (120, "2 min"),
        (200, "3 min 20 s"),
        (2700, "45 min"),
        (7199, "119 min"),
        (18720, "5 h 12 min"),
        (86400, "1 d"),
        (273600, "3 d 4 h"),
    ],
)
def test_a_duration_has_two_figures_at_most(seconds: float, text: str) -> None:
    assert format_elapsed(seconds) == text


@pytest.mark.parametrize(("hours", "text"), [(2, "14:00"), (24, "Thu 12:00"), (24 * 9, "2026-03-13")])
def test_a_moment_says_no_more_of_its_day_than_is_needed(hours: float, text: str) -> None:
    assert format_when(hours * 3600, NOON) == text


def test_a_clock_names_the_day_only_of_another_day() -> None:
    local = NOON.astimezone()
    assert format_clock(NOON, NOON) == f"{local:%H:%M:%S}"
    assert format_clock(NOON - timedelta(days=3), NOON).startswith("03-01 ")
    assert zone(NOON).startswith("UTC")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.123456, "0.1235"),
        (123456.0, "123456"),
        (1e20, "1e+20"),
        (True, "True"),
        ([1, "a"], '[1, "a"]'),
        ("\x1b[31mred\n", "\\x1b[31mred\\n"),
    ],
)
def test_a_value_is_one_short_line(value: object, text: str) -> None:
    assert plain_cell(value) == text


def test_one_is_singular() -> None:
    assert (count_of(1, "worker"), count_of(0, "worker")) == ("1 worker", "0 workers")


@pytest.mark.parametrize(("seconds", "rounded"), [(59.7, 60), (151, 180), (7201, 7200), (100_000, 100_800)])
def test_an_estimate_is_no_more_precise_than_it_can_be(seconds: float, rounded: float) -> None:
    assert round_estimate(seconds) == rounded


ODD = [0.0, -0.0, 1e-320, 9.949999, 9.95, 59.96, 99.96, 599.6, 7199.6, 86399.6, 99_999.96, 999_999.6, 1e15, 1e308]
FORMATTERS = (format_elapsed, format_amount, format_limit, plain_cell, round_estimate)


@pytest.mark.parametrize("number", [*ODD, *(-one for one in ODD), math.inf, -math.inf, math.nan], ids=str)
def test_any_number_is_written_and_none_with_more_of_a_unit_than_the_next_one_is(number: float) -> None:
    for write in FORMATTERS:
        assert str(write(number))  # type: ignore[operator]
    parts = [(float(amount), unit) for amount, unit in re.findall(r"([\d.]+) (\w+)", format_elapsed(number))]
    most = {"s": 100, "min": 120, "h": 24, "d": math.inf}
    assert all(amount < most[unit] for amount, unit in parts)
    assert all(amount < 60 for amount, unit in parts[1:])


@given(st.floats(-1e14, 1e14))
def test_no_amount_of_a_common_size_has_an_exponent(number: float) -> None:
    if abs(number) >= 1e-4 or number == 0:
        assert "e" not in format_amount(number)
        assert "e" not in plain_cell(number)


UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def read_back(text: str) -> float:
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+) (\w+)", text))


@given(st.floats(0, 1e12))
def test_a_duration_is_right_to_a_tenth(seconds: float) -> None:
    assert read_back(format_elapsed(seconds)) == pytest.approx(seconds, rel=0.1, abs=0.06)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_longer_duration_is_never_written_as_a_shorter_one(one: float, other: float) -> None:
    short, long = sorted((one, other))
    assert read_back(format_elapsed(short)) <= read_back(format_elapsed(long)) + 0.06


@pytest.mark.parametrize("seconds", [-0.4, -3600.0, -1e300])
def test_an_age_below_zero_is_that_of_a_clock_which_was_set_back(seconds: float) -> None:
    assert format_elapsed(seconds) == "0.0 s"


@pytest.mark.parametrize("seconds", [math.inf, math.nan, 1e11, 3.6e12, 1e300])
def test_no_end_is_too_far_away_to_be_said(seconds: float) -> None:
    """A budget of 10^12 trials is somebody's way to say that there is no limit."""
    assert format_when(seconds, NOON) == "in over a hundred years"
    assert format_elapsed(seconds)


@pytest.mark.usefixtures("local_zone")
@pytest.mark.parametrize("month", [1, 3, 10, 11])
def test_the_end_is_told_by_the_clock_that_will_hang_there_then(month: int) -> None:
    for hours in range(0, 800, 7):
        begun = datetime(2026, month, 25, 12, tzinfo=timezone.utc)
        then = (begun + timedelta(hours=hours)).astimezone()
        text = format_when(hours * 3600, begun.astimezone())
        assert text in (f"{then:%H:%M}", f"{then:%a %H:%M}", f"{then:%Y-%m-%d}")


@pytest.mark.usefixtures("local_zone")
def test_a_moment_is_local_and_its_zone_is_said_once() -> None:
    for month in range(1, 13):
        moment = datetime(2026, month, 1, 23, 30, tzinfo=timezone.utc)
        local = moment.astimezone()
        assert format_local(moment) == local.strftime("%Y-%m-%d %H:%M:%S")
        assert format_clock(moment, moment) == local.strftime("%H:%M:%S")
        assert format_clock(moment, moment + timedelta(days=2)) == local.strftime("%m-%d %H:%M:%S")
        said = zone(moment).removeprefix("UTC")
        offset = local.utcoffset()
        assert offset is not None
        hours, _, minutes = (said or "+00:00").partition(":")
        assert timedelta(hours=int(hours), minutes=int(hours[0] + minutes)) == offset


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.0, "0"), (0.00123, "0.00123"), (2.5, "2.5"), (1e5, "100000"), (1_234_567.8, "1234568"), (1e20, "1e+20")],
)
def test_an_amount_has_no_exponent_that_people_would_not_write(amount: float, text: str) -> None:
    assert format_amount(amount) == text
