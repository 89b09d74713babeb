"""Options that exclude each other, and those that are durations."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hpotool.cli.options import read_duration, refuse_study_beside_pool
from hpotool.errors import InputError


def test_a_study_on_the_command_line_is_refused_beside_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HPOTOOL_STUDY", raising=False)
    with pytest.raises(InputError, match="either") as refused:
        refuse_study_beside_pool("digits", "either one or the other", "hpotool worker --pool gpus")
    assert refused.value.hint == "hpotool worker --pool gpus"


@pytest.mark.parametrize("study", [None, "digits"])
def test_none_is_not_and_neither_is_the_one_of_the_environment(
    study: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPOTOOL_STUDY", "digits")
    refuse_study_beside_pool(study, "either one or the other", "a hint")


def test_another_one_than_that_of_the_environment_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPOTOOL_STUDY", "digits")
    with pytest.raises(InputError):
        refuse_study_beside_pool("cifar", "either one or the other", "a hint")


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
