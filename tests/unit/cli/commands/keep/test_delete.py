"""What is deleted is said in numbers before anybody confirms it."""

from __future__ import annotations

import pytest

from hpotool.cli.commands.keep.delete import _what_goes
from hpotool.storage.control.keeping import Contents
from hpotool.worker.checkpoints.leftovers import Leftover

LOG = Leftover("logs", "w1", 2048, lambda: None)


@pytest.mark.parametrize(
    ("contents", "logs", "said"),
    [
        (
            Contents(0, 0, frozenset()),
            [],
            "this permanently deletes study 's': 0 trials, 0 attempts with their events, "
            "0 logs on this machine (0 B)",
        ),
        (
            Contents(1, 1, frozenset({"w1"})),
            [LOG],
            "this permanently deletes study 's': 1 trial, 1 attempt with their events, "
            "1 log on this machine (2 KiB)",
        ),
        (
            Contents(120, 130, frozenset({"w1"})),
            [LOG] * 3,
            "this permanently deletes study 's': 120 trials, 130 attempts with their events, "
            "3 logs on this machine (6 KiB)",
        ),
    ],
)
def test_everything_that_goes_is_counted(contents: Contents, logs: list[Leftover], said: str) -> None:
    assert _what_goes("s", contents, logs) == said
