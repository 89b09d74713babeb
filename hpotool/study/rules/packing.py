"""Decides whether a trial may start on a GPU that several workers share.

Pure: `hpotool.worker.devices.promises` knows who has asked for how much. A promise is memory that a running trial
may use, whether it uses it yet or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hpotool.study.units import format_gigabytes

# Small trials start beside a large one that waits; after this time, the large one comes first.
FIRST_AFTER_S = 60.0

# ``held``: promised. ``queued``: waits for promises to end. ``crowded``: waits for programs that were promised
# nothing, or use more.
Standing = Literal["held", "queued", "crowded"]


@dataclass(frozen=True)
class Request:
    """Memory that a worker asks for on one device, in bytes; ``since`` is in seconds of its monotonic clock."""

    memory: int
    since: float
    standing: Standing
    holder: str


@dataclass(frozen=True)
class Capacity:
    """A device's memory in bytes: all that programs can use, and the part that is in use now."""

    usable: int
    used: int


@dataclass(frozen=True)
class Wait:
    """Why a trial cannot start yet."""

    standing: Standing
    reason: str


def judge_start(
    memory: int, since: float, capacity: Capacity, others: Sequence[Request], now: float
) -> Wait | None:
    """Decide whether a trial that takes ``memory`` may start beside the requests of ``others``; None: it may.

    It starts if its memory fits beside what was promised, and beside what is in use: programs that were promised
    nothing use memory too. A worker that has waited for `FIRST_AFTER_S` for promises to end goes before those that
    came later. One that waits for memory which nobody was promised holds nobody up.
    """
    held = [other for other in others if other.standing == "held"]
    open_memory = capacity.usable - sum(other.memory for other in held)
    wants = f"a trial takes {format_gigabytes(memory)}"
    of = f"of {format_gigabytes(capacity.usable)}"
    if memory > open_memory:
        left = format_gigabytes(max(0, open_memory))
        return Wait("queued", f"{wants}, and {left} {of} are not promised ({_say_held(held)})")
    first = _first_in_line(since, others, now)
    if first is not None:
        return Wait("queued", f"{first.holder} has waited longer, for {format_gigabytes(first.memory)} {of}")
    free = capacity.usable - capacity.used
    if memory > free:
        unused = format_gigabytes(max(0, free))
        return Wait("crowded", f"{wants}, and {unused} {of} are free: programs use more than was promised")
    return None


def judge_fit(memory: int, usable: int) -> str | None:
    """Why a trial that takes ``memory`` can never start on a device with ``usable`` bytes; None: it can."""
    if memory <= usable:
        return None
    return f"has {format_gigabytes(usable)} for programs, and each trial takes {format_gigabytes(memory)} of it"


def _first_in_line(since: float, others: Sequence[Request], now: float) -> Request | None:
    earlier = [
        other
        for other in others
        if other.standing == "queued" and other.since < since and now - other.since >= FIRST_AFTER_S
    ]
    return min(earlier, key=lambda other: other.since, default=None)


def _say_held(held: Sequence[Request]) -> str:
    return ", ".join(f"{format_gigabytes(other.memory)} to {other.holder}" for other in held) or "none"
