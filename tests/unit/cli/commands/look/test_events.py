import io
import re
from datetime import datetime, timedelta, timezone

import pytest
from rich.console import Console

from hpotool.analysis.insights.event_words import describe_event, describe_reason
from hpotool.cli.commands.look.events import _draw, _sentence
from hpotool.storage.control.orders import Event

NOW = datetime.now(timezone.utc)
WORKER = "gpu-node-with-a-long-name-17-31672-75c431"
EVENTS = [
    Event(1, NOW - timedelta(days=3), "create", None, "me@here", None, "running", ""),
    Event(2, NOW, "claim", 15, WORKER, None, "RUNNING", ""),
    Event(3, NOW, "reap", 15, WORKER, "RUNNING", "FAIL", "lost: no heartbeat for 30 s"),
    Event(4, NOW, "retry", 21, WORKER, None, "WAITING", "after trial 15"),
    Event(5, NOW, "finish", 21, WORKER, "RUNNING", "FAIL", "error: ValueError: loss\ndiverged " + "again " * 30),
    Event(6, NOW, "state", None, "me@here", "running", "paused", "lunch"),
    Event(7, NOW, "something-newer", None, "x", None, None, ""),
]


def drawn(width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(_draw(EVENTS))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [70, 80, 200])
def test_an_event_is_one_line_with_a_whole_time_and_plain_words(width: int) -> None:
    header, _, *lines = drawn(width)
    assert len(lines) == len(EVENTS)
    assert max(map(len, [header, *lines])) <= width
    assert header.startswith("UTC")
    assert re.match(r"\d\d-\d\d \d\d:\d\d:\d\d", lines[0])
    for line, word in zip(
        lines, ("study created", "started", "lost", "tried again", "failed", "paused"), strict=False
    ):
        assert word in line
    assert "claim" not in "".join(lines)
    assert "reap" not in "".join(lines)


def test_a_line_that_is_followed_says_the_same_in_utc() -> None:
    assert _sentence(EVENTS[2]).endswith(f"UTC trial 15 lost by {WORKER}: lost: no heartbeat for 30 s")
    assert "paused (running → paused) by me@here: lunch" in _sentence(EVENTS[5])


def event(kind: str, to: str, reason: str, actor: str = "vm-1-a") -> Event:
    return Event(1, datetime.now(timezone.utc), kind, 3, actor, None, to, reason)


@pytest.mark.parametrize(
    ("happened", "word", "reason"),
    [
        (event("finish", "COMPLETE", "complete"), "complete", ""),
        (event("finish", "PRUNED", "pruned: at step 3: loss 2"), "pruned", "at step 3: loss 2"),
        (event("finish", "FAIL", "error: ValueError:\n no"), "failed", "error: ValueError: no"),
        (event("requeue", "WAITING", "after trial 2"), "handed back", "after trial 2"),
        (event("requeue", "WAITING", "after trial 2", "ann@desk"), "queued again", "after trial 2"),
    ],
)
def test_an_event_in_words(happened: Event, word: str, reason: str) -> None:
    assert (describe_event(happened), describe_reason(happened)) == (word, reason)
