"""A reaper that looks at a scripted fleet: what lives is never reaped, and what is silent is, in bounded time.

The fleet answers the two statements that a reaper sends, from heartbeats on a clock that the test moves.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.database.connection import Rows
from hpotool.storage.database.queries import query
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.outcome import Outcome
from hpotool.worker.membership.reaper import FOREIGN_PATIENCE, Reaper

INTERVAL, GRACE = timedelta(seconds=10), timedelta(seconds=40)
EPOCH = datetime(2026, 1, 1)  # noqa: DTZ001  (as Optuna stores it)


@dataclass
class Fleet:
    """RUNNING trials by id, each with its last heartbeat on the database's clock, which may be anything."""

    now: float = 0.0
    skew: float = 0.0
    is_away: bool = False
    beats: dict[int, datetime] = field(default_factory=dict)
    foreign: set[int] = field(default_factory=set)
    reaped: list[tuple[int, str, Any]] = field(default_factory=list)
    answer_takes_s: float = 0.0

    def beat(self, trial_id: int) -> None:
        self.beats[trial_id] = EPOCH + timedelta(seconds=self.now + self.skew)

    def run(self, statement: str, parameters: Mapping[str, Any]) -> Rows:
        if self.is_away:
            raise DatabaseUnreachableError("away")
        if statement == query("find_running"):
            rows = [self._row(trial_id) for trial_id in self.beats]
            self.now += self.answer_takes_s
            return rows
        assert statement == query("fail_and_queue")
        trial_id = parameters["trial_id"]
        seen = parameters["seen_beat"]
        if trial_id not in self.beats or (seen is not None and self.beats[trial_id] != seen):
            return [(None,)]
        del self.beats[trial_id]
        self.reaped.append((trial_id, parameters["reason"], parameters["follow_up"]))
        return [(EPOCH,)]

    def _row(self, trial_id: int) -> tuple[Any, ...]:
        attempt = None if trial_id in self.foreign else f"attempt-{trial_id}"
        worker = (None,) * 6 if trial_id in self.foreign else (f"w{trial_id}", "h", trial_id, "s", "1", "cpu")
        return (trial_id, trial_id, self.beats[trial_id], attempt, ["lost"], 1, *worker)


def _reaper(fleet: Fleet, **facts: Any) -> Reaper:
    return Reaper(
        fleet.run, 1, "me", lambda outcome, history: "retry" if len(history) < 3 else "none",
        interval=INTERVAL, grace=GRACE, clock=lambda: fleet.now, **{"is_gone": lambda _: False, **facts},
    )  # fmt: skip


def test_a_grace_period_that_a_late_beat_could_outlast_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two heartbeat intervals"):
        Reaper(Fleet().run, 1, "me", lambda *_: "none", interval=INTERVAL, grace=timedelta(seconds=19))


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_to_reaper_and_database_nothing_that_beats_is_reaped(seed: int) -> None:
    """Workers beat each interval while the database answers; reaper and database stop whenever they like."""
    chance = random.Random(seed)
    fleet = Fleet(skew=chance.uniform(-1e6, 1e6))
    living, silent = set(range(1, 6)), set(range(10, 13))
    silent_since = dict.fromkeys(silent, 0.0)
    for trial_id in living | silent:
        fleet.beat(trial_id)
    reaper = _reaper(fleet)
    next_look, next_beat = 0.0, {trial_id: chance.uniform(0, 10) for trial_id in living}
    away_until = stopped_until = 0.0
    for _ in range(1500):
        fleet.now += 0.5
        if chance.random() < 0.004:
            away_until = fleet.now + chance.uniform(1, 120)
        if chance.random() < 0.004:
            stopped_until = fleet.now + chance.uniform(1, 120)
        if chance.random() < 0.01:
            fleet.skew += chance.uniform(-1e5, 1e5)  # somebody sets the server's clock
        fleet.is_away = fleet.now < away_until
        for trial_id in living:
            if fleet.now >= next_beat[trial_id]:
                next_beat[trial_id] = fleet.now + (1.0 if fleet.is_away else 10.0)  # it tries again soon
                if not fleet.is_away:
                    fleet.beat(trial_id)
        if fleet.now >= next_look and fleet.now >= stopped_until:
            next_look = fleet.now + reaper.step()
    assert living <= fleet.beats.keys(), "no living trial was reaped"
    assert {trial_id for trial_id, _, _ in fleet.reaped} <= silent_since.keys()


@pytest.mark.parametrize("seed", range(10))
def test_what_is_silent_is_reaped_within_a_grace_period_and_two_looks(seed: int) -> None:
    chance = random.Random(seed)
    fleet = Fleet()
    for trial_id in (1, 2, 3):
        fleet.beat(trial_id)
    reaper = _reaper(fleet)
    wait = reaper.step()
    silent_since = fleet.now
    while fleet.beats:
        fleet.now += wait * chance.uniform(0.5, 1.0)
        wait = reaper.step()
        assert fleet.now < silent_since + 40 + 2 * wait + 0.1
    assert fleet.now >= silent_since + 40
    assert [follow_up for _, _, follow_up in fleet.reaped] == ["retry"] * 3
    assert fleet.reaped[0][1].startswith("no heartbeat for 4")


def test_an_outage_between_two_looks_voids_what_was_seen() -> None:
    fleet = Fleet()
    fleet.beat(1)
    reaper = _reaper(fleet)
    for _ in range(7):
        reaper.step()
        fleet.now += 5
    fleet.is_away = True
    reaper.step()
    fleet.is_away = False
    for _ in range(8):
        assert reaper.look() == 0, "its watch has begun again"
        fleet.now += 5
    assert reaper.look() == 1


def test_an_answer_that_took_long_is_no_sight_of_that_time() -> None:
    """What was read when the question was asked may be old when the answer comes."""
    fleet = Fleet(answer_takes_s=14.0)
    fleet.beat(1)
    reaper = _reaper(fleet)
    reaper.look()
    started = fleet.now
    while not reaper.look():
        assert fleet.now - started < 200
    assert fleet.now - started >= 40


def test_a_trial_of_plain_optuna_has_ten_times_as_long() -> None:
    fleet = Fleet(foreign={1})
    fleet.beat(1)
    reaper = _reaper(fleet)
    while not reaper.look():
        fleet.now += 5
        assert fleet.now < 500
    assert fleet.now >= FOREIGN_PATIENCE * 40


def test_a_process_that_is_gone_is_replaced_at_once_unless_its_result_is_found() -> None:
    gone: list[WorkerIdentity] = []

    def is_gone(worker: WorkerIdentity) -> bool:
        gone.append(worker)
        return worker.pid in (1, 2)

    fleet = Fleet(foreign={4})
    for trial_id in (1, 2, 3, 4):
        fleet.beat(trial_id)
    rescued: list[str] = []

    def rescue(attempt_id: str) -> bool:
        rescued.append(attempt_id)
        return attempt_id == "attempt-1"

    assert _reaper(fleet, is_gone=is_gone, rescue=rescue).look() == 1
    assert rescued == ["attempt-1", "attempt-2"]
    assert [(trial_id, reason) for trial_id, reason, _ in fleet.reaped] == [
        (2, "the process of worker w2 is gone")
    ]
    assert [worker.pid for worker in gone] == [1, 2, 3], "nobody knows the processes of plain Optuna"


def test_a_beat_in_the_last_moment_wins() -> None:
    fleet = Fleet()
    fleet.beat(1)

    def run(statement: str, parameters: Mapping[str, Any]) -> Rows:
        if statement == query("fail_and_queue"):
            fleet.beat(1)
        return fleet.run(statement, parameters)

    reaper = Reaper(
        run, 1, "me", lambda *_: "retry", interval=INTERVAL, grace=GRACE, clock=lambda: fleet.now,
        is_gone=lambda _: False,
    )  # fmt: skip
    for _ in range(12):
        assert reaper.look() == 0
        fleet.now += 5
    assert fleet.reaped == []


def test_the_outcomes_before_decide_what_follows() -> None:
    fleet = Fleet()
    fleet.beat(1)
    seen: list[tuple[Outcome, tuple[Outcome, ...]]] = []

    def decide(outcome: Outcome, history: Any) -> Any:
        seen.append((outcome, tuple(history)))
        return "none"

    reaper = Reaper(
        fleet.run, 1, "me", decide, interval=INTERVAL, grace=GRACE, clock=lambda: fleet.now, is_gone=lambda _: True
    )
    assert reaper.look() == 1
    assert seen == [(Outcome.LOST, (Outcome.LOST,))]
    assert fleet.reaped[0][2] == "none"
