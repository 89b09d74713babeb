from datetime import datetime, timezone

import pytest

from hpotool.cli.screen.times import format_elapsed, format_when

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
