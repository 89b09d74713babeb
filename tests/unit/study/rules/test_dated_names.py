from __future__ import annotations

from datetime import date

import pytest

from hpotool.study.rules.dated_names import newest_of, next_name

DAY = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("taken", "name"),
    [
        ([], "churn-2026-11-26"),
        (["churn"], "churn-2026-11-26"),
        (["churn-2026-11-26"], "churn-2026-11-26-2"),
        (["churn-2026-11-26", "churn-2026-11-26-2"], "churn-2026-11-26-3"),
        (["churn-2026-11-26-2"], "churn-2026-11-26"),
        (["churn-2026-11-25", "other-2026-11-26"], "churn-2026-11-26"),
    ],
)
def test_the_second_of_a_day_gets_a_number(taken: list[str], name: str) -> None:
    assert next_name("churn", DAY, taken) == name


def test_the_newest_is_the_last_that_was_created_under_that_name() -> None:
    names = [
        "churn",
        "churn-2026-11-27",
        "churn-2026-11-26-2",
        "churn-new",
        "churn-2026-11-26-x",
        "mychurn-2026-11-26",
    ]
    assert newest_of("churn", names) == "churn-2026-11-26-2"
    assert newest_of("churn", ["churn"]) == "churn"
    assert newest_of("churn", ["churn-2", "churns"]) is None


def test_a_name_with_dots_is_no_pattern() -> None:
    assert newest_of("a.b", ["aXb"]) is None
    assert newest_of("a.b", ["a.b"]) == "a.b"
