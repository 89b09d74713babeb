"""Which trials were queued, and which of another study were left out."""

from __future__ import annotations

import pytest

from hpotool.cli.commands.describe.enqueue import _say_left_out, _say_which


@pytest.mark.parametrize(
    ("numbers", "said"),
    [([], ""), ([7], ": 7"), ([7, 7], ": 7"), ([7, 8], ": 7 to 8"), ([9, 3, 5], ": 3 to 9")],
)
def test_the_first_and_the_last_number_are_named(numbers: list[int], said: str) -> None:
    assert _say_which(numbers) == said


@pytest.mark.parametrize(
    ("outside", "known", "said"),
    [
        (0, 0, []),
        (2, 0, ["left out 2 of the best trials of 'a': outside the search space of 'b'"]),
        (0, 3, ["left out 3 of them: already in 'b'"]),
        (
            2,
            3,
            [
                "left out 2 of the best trials of 'a': outside the search space of 'b'",
                "left out 3 of them: already in 'b'",
            ],
        ),
    ],
)
def test_what_was_left_out_is_said_with_why(
    outside: int, known: int, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _say_left_out("b", "a", outside, known)
    assert capsys.readouterr().err.splitlines() == said
