from datetime import datetime, timezone

import pytest

from hpotool.analysis.insights.event_words import describe_event, describe_reason
from hpotool.storage.control.orders import Event


def event(kind: str, to: str | None, reason: str = "", actor: str = "vm-1-a") -> Event:
    return Event(1, datetime.now(timezone.utc), kind, 3, actor, None, to, reason)


@pytest.mark.parametrize(
    ("happened", "word"),
    [
        (event("claim", "RUNNING"), "started"),
        (event("finish", "FAIL"), "failed"),
        (event("reap", "FAIL"), "lost"),
        (event("worker", "ended"), "worker ended"),
        (event("state", "paused"), "paused"),
        (event("requeue", "WAITING"), "handed back"),
        (event("requeue", "WAITING", actor="ann@desk"), "queued again"),
        (event("something-newer", None), "something-newer"),
    ],
)
def test_each_event_has_a_word(happened: Event, word: str) -> None:
    assert describe_event(happened) == word


def test_a_reason_does_not_repeat_the_word_and_is_one_line() -> None:
    assert describe_reason(event("finish", "PRUNED", "pruned: at\nstep 3")) == "at step 3"
    assert describe_reason(event("finish", "COMPLETE", "complete")) == ""
