"""What follows from how an attempt ended: is the trial tried again, and is its worker still fit to claim?

Pure: ``storage.attempts`` acts on what is decided here. Interrupted is not failed: a preempted attempt is handed
back without being counted, so that a machine that is taken away a hundred times costs no trial its retries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

from hpotool.study.outcome import Outcome
from hpotool.study.spec import RetrySpec

BREAKER_LIMIT = 3

# Outcomes that say something about the worker it happened on; of the rest, these show that it works.
_BLAMED = (Outcome.CRASH, Outcome.ERROR, Outcome.OOM)
_WORKS = (Outcome.COMPLETE, Outcome.PRUNED, Outcome.NAN)


@dataclass(frozen=True)
class Retry:
    """Try the trial again, and count it: this will be retry ``number`` of ``limit`` after this kind of failure."""

    reason: str
    number: int
    limit: int


@dataclass(frozen=True)
class Requeue:
    """Hand the trial back, uncounted: it was interrupted and has not failed."""

    reason: str


@dataclass(frozen=True)
class GiveUp:
    """The trial stays failed."""

    reason: str


Decision = Union[Retry, Requeue, GiveUp]  # noqa: UP007 -- evaluated at run time, on Python 3.10 too


def decide_retry(outcome: Outcome, history: Sequence[Outcome], spec: RetrySpec) -> Decision:
    """What follows from an attempt that ended with ``outcome``, after the lineage's earlier attempts ``history``.

    Each kind of failure has its own limit and only its own kind counts against it, so a lineage has at most
    1 + the sum of the limits counted attempts.

    Raises:
        ValueError: the attempt finished its trial, so that nothing is left to decide.
    """
    if outcome.is_finished:
        raise ValueError(f"an attempt that ended {outcome.value} has finished its trial")
    if outcome is Outcome.PREEMPTED:
        return Requeue("preempted; handed back, not counted")
    if outcome is Outcome.CANCELLED:
        return GiveUp("cancelled on request")
    if outcome is Outcome.UNKNOWN:
        return GiveUp("ended in a way that only a newer hpotool knows")
    limit: int = getattr(spec, outcome.value)
    earlier = sum(1 for past in history if past is outcome)
    if earlier < limit:
        return Retry(f"{outcome.value}; retry {earlier + 1} of {limit}", earlier + 1, limit)
    if limit == 0:
        return GiveUp(f"{outcome.value}; not retried (retry.{outcome.value} is 0)")
    return GiveUp(f"{outcome.value}; {_times(limit)} retried already, which is the limit")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


@dataclass(frozen=True)
class EndedAttempt:
    """How an attempt ended, on which worker, and ``point``: what is equal for equal parameters."""

    outcome: Outcome
    worker: str
    point: str


@dataclass(frozen=True)
class BreakerOpen:
    """The worker is to claim nothing more."""

    reason: str


def judge_worker(worker: str, ended: Sequence[EndedAttempt], limit: int = BREAKER_LIMIT) -> BreakerOpen | None:
    """Whether ``worker`` fails whatever it is given: ``ended`` are the study's latest attempts, oldest first.

    Only the worker's last attempts count, back to the last one that showed that it works. Parameters that fail on
    other workers too are the trial's fault, and parameters that fail here again and again count once: only
    *different* points failing here alone say something about the worker.
    """
    elsewhere = {attempt.point for attempt in ended if attempt.worker != worker and attempt.outcome in _BLAMED}
    points: dict[str, Outcome] = {}
    for attempt in reversed(ended):
        if attempt.worker != worker:
            continue
        if attempt.outcome in _WORKS:
            break
        if attempt.outcome in _BLAMED and attempt.point not in elsewhere:
            points.setdefault(attempt.point, attempt.outcome)
    if len(points) < limit:
        return None
    outcomes = ", ".join(sorted({outcome.value for outcome in points.values()}))
    return BreakerOpen(
        f"the last {len(points)} different points failed on this worker ({outcomes}) and on no other worker"
    )
