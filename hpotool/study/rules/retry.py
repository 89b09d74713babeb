"""Decides, after an attempt has ended, whether the trial is retried and whether its worker may continue.

Pure: ``storage.attempts`` acts on the decisions. An interruption is not a failure: a preempted trial is requeued
without counting, so that a machine that is taken away a hundred times uses up no retries.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Union

from hpotool.study.outcome import Blame, Outcome
from hpotool.study.spec import RetrySpec

BREAKER_LIMIT = 3
LONE_LIMIT = 10  # points, if there is no other worker to compare with
_UNLIKELY = 0.01


@dataclass(frozen=True)
class Retry:
    """Retry the trial: this is retry ``number`` of ``limit`` after this kind of failure."""

    reason: str
    number: int
    limit: int


@dataclass(frozen=True)
class Requeue:
    """Requeue the trial without counting: it was interrupted and has not failed."""

    reason: str


@dataclass(frozen=True)
class GiveUp:
    """The trial stays failed."""

    reason: str


Decision = Union[Retry, Requeue, GiveUp]  # noqa: UP007 -- evaluated at run time, on Python 3.10 too


def decide_retry(outcome: Outcome, history: Sequence[Outcome], spec: RetrySpec) -> Decision:
    """Decide on an attempt that ended with ``outcome``, given the lineage's earlier attempts ``history``.

    Each kind of failure has its own limit, and only failures of that kind count towards it, so a lineage has at
    most 1 + the sum of the limits counted attempts.

    Raises:
        ValueError: the attempt finished its trial, so there is nothing to decide.
    """
    if outcome.is_finished:
        raise ValueError(f"an attempt that ended {outcome.value} has finished its trial")
    limit, said = spec.limit_after(outcome), outcome.facts.consequence
    if limit is None:
        return Requeue(said) if outcome.facts.hands_back else GiveUp(said)
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
    """An ended attempt: its outcome, its worker, and ``point``, a key that is equal for equal parameters."""

    outcome: Outcome
    worker: str
    point: str


@dataclass(frozen=True)
class BreakerOpen:
    """The worker must not claim any more trials."""

    reason: str


def judge_worker(worker: str, ended: Sequence[EndedAttempt], limit: int = BREAKER_LIMIT) -> BreakerOpen | None:
    """Decide whether everything fails on ``worker``; ``ended`` are the study's latest attempts, oldest first.

    Counts the different points that failed on the worker since it last finished one, except those that failed on
    other workers too. The breaker opens after at least ``limit`` points, and only after as many that a healthy
    worker, whose attempts fail as often as those of the others, would see them less than once in a hundred times.
    A search that passes through a region where everything fails is no reason to leave.

    If no other worker has finished anything, there is nothing to compare with: then only a worker that has never
    finished a trial leaves, after `LONE_LIMIT` points.
    """
    own = [attempt for attempt in ended if attempt.worker == worker]
    others = [attempt for attempt in ended if attempt.worker != worker]
    failed = _failed_since_success(own, {other.point for other in others if _blames_worker(other)})
    others_work = sum(other.outcome.facts.shows_worker for other in others)
    outcomes = ", ".join(sorted({outcome.value for outcome in failed.values()}))
    if others_work:
        chance = _chance_to_fail(others_work, sum(_blames_worker(other) for other in others))
        if len(failed) < limit or chance ** len(failed) > _UNLIKELY:
            return None
        where = "but on no other worker"
    else:
        if len(failed) < max(limit, LONE_LIMIT) or any(attempt.outcome.facts.shows_worker for attempt in own):
            return None
        where = "and no attempt has succeeded"
    return BreakerOpen(f"the last {len(failed)} different points failed on this worker ({outcomes}) {where}")


def _failed_since_success(own: Sequence[EndedAttempt], elsewhere: Collection[str]) -> dict[str, Outcome]:
    """The points that failed only on this worker since it last finished one."""
    failed: dict[str, Outcome] = {}
    for attempt in reversed(own):
        if attempt.outcome.facts.shows_worker:
            break
        if _blames_worker(attempt) and attempt.point not in elsewhere:
            failed.setdefault(attempt.point, attempt.outcome)
    return failed


def _blames_worker(attempt: EndedAttempt) -> bool:
    return attempt.outcome.facts.blames is Blame.WORKER


def _chance_to_fail(successes: int, failures: int) -> float:
    """The failure rate, estimated from few attempts by Laplace's rule of succession."""
    return (failures + 1) / (successes + failures + 2)
