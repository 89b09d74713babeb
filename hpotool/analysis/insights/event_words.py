"""The event log in words, the same in a terminal and in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpotool.storage.control.orders import Event


def describe_reason(event: Event) -> str:
    """Return the reason in one line, without the word that the event has said already."""
    reason, said = " ".join(event.reason.split()), describe_event(event)
    return "" if reason == said else reason.removeprefix(f"{said}: ")


def describe_event(event: Event) -> str:
    """Return what happened, in a word or two; the same words as in a worker's log."""
    to = event.to_state or ""
    words = {
        "claim": "started",
        "finish": {"FAIL": "failed"}.get(to, to.lower()),
        "reap": "lost",
        "retry": "tried again",
        "requeue": "queued again" if "@" in event.actor else "handed back",  # somebody's name, or a worker's
        "enqueue": "queued",
        "branch": "queued",
        "take-over": "copied",
        "worker": f"worker {to}",
        "state": to,
        "create": "study created",
        "launch": to,
        "note": f"note {to}",
        "quarantine": to,
        "device": f"GPU {to}",
    }
    return words.get(event.kind) or event.kind
