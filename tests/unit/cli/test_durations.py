"""Options that are durations."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hpotool.cli.durations import read_duration
from hpotool.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("2h", 7200), ("7d", 604800), ("1h30m", 5400), (" 90s ", 90), ("0.5s", 0.5)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert read_duration("--grace", text) == timedelta(seconds=seconds)


def test_what_is_no_duration_is_refused_with_examples_for_its_option() -> None:
    with pytest.raises(InputError, match=r"^--grace ") as error:
        read_duration("--grace", "soon")
    assert error.value.hint == "write it like --grace 30s, 5m or 2h"
    with pytest.raises(InputError) as error:
        read_duration("--older-than", "", "7d")
    assert error.value.hint == "write it like --older-than 7d"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "30 seconds",
        "two hours",
        "1e3s",
        "-5s",
        "0s",
        "5min",
        "1w",
        "1:30",
        "5 m 3",
        "s",
        "inf",
        "1000000000d",
    ],
)
def test_every_other_way_to_write_one_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"^--for ") as refused:
        read_duration("--for", text, "2h")
    assert refused.value.hint == "write it like --for 2h"
    assert len(refused.value.message.splitlines()) == 1
