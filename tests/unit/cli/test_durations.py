"""Options that are durations."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hpotool.cli.durations import read_duration
from hpotool.errors import InputError


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("7d", 604800)])
def test_a_duration_is_read(text: str, seconds: int) -> None:
    assert read_duration("--grace", text) == timedelta(seconds=seconds)


def test_what_is_no_duration_is_refused_with_examples_for_its_option() -> None:
    with pytest.raises(InputError, match=r"^--grace ") as error:
        read_duration("--grace", "soon")
    assert error.value.hint == "write it like --grace 30s, 5m or 2h"
    with pytest.raises(InputError) as error:
        read_duration("--older-than", "", "7d")
    assert error.value.hint == "write it like --older-than 7d"
