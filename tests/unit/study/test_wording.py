from datetime import datetime, timedelta, timezone

import pytest

from hpotool.study.wording import (
    count_of,
    format_clock,
    format_elapsed,
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
