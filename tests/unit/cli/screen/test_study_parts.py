from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hpotool.cli.screen.study_parts import warning_lines
from tests.unit.cli.screen.test_watch_screen import FOUND


def worker(name: str, waits: str | None, trial: int | None = None, beat_s: float = 1.0) -> dict[str, Any]:
    return {"id": name, "host": "h", "slot": "gpu 0", "trial": trial, "waits": waits, "last_beat_s": beat_s}


def lines(*workers: dict[str, Any], state: str = "running") -> list[str]:
    found = replace(FOUND, progress=replace(FOUND.progress, workers=workers, state=state, warning=None), risk=None)
    return [line.plain for line in warning_lines(found)]


@pytest.mark.parametrize(
    ("workers", "says"),
    [
        ([worker("a", None, 3), worker("b", None)], []),
        ([worker("a", None, 3), worker("b", "gpu 0: no\n room")], ["b waits: gpu 0: no room"]),
        ([worker("a", "hot", 3), worker("b", "hot")], ["b waits: hot"]),  # a is at work
        ([worker("a", "hot")], ["no worker can start a trial", "a waits: hot"]),
        (
            [worker(name, "hot") for name in "abcde"],
            [
                "no worker can start a trial",
                "a waits: hot",
                "b waits: hot",
                "c waits: hot",
                "2 more workers wait",
            ],
        ),
    ],
)
def test_workers_that_wait_say_why(workers: list[dict[str, Any]], says: list[str]) -> None:
    assert lines(*workers) == says


def test_who_is_gone_or_has_nothing_to_do_does_not_wait() -> None:
    [gone] = lines(worker("a", "hot", beat_s=3600.0), worker("b", None, 4))
    assert gone.startswith("a is gone")
    assert lines(worker("a", "hot"), state="paused") == []
