"""What owners and studies have used, summed up in SQL, beside the same sums in Python over the same attempts."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pytest

from hpotool.storage.fleet.usage import UsageReader
from hpotool.storage.pools.accounts import list_quotas, set_quota, usage_since
from hpotool.study.rules.budget import gpus_of_slot
from hpotool.study.spec import BudgetSpec, MetricSpec
from tests.integration.pools.conftest import Pool

SLOTS = ["gpu 0", "gpu 0,1", "cpu", "gpu 3 (GPU-x)", "gpu 0,1,2,3 (a, b)", "none"]
OUTCOMES = ["complete", "pruned", "error", "preempted"]
INSERT = """
INSERT INTO hpotool.attempts (attempt_id, study_id, trial_id, number, root_number, worker_id, host, pid, slot,
    started_at, owner, pool)
VALUES (%s, %s, 1, 0, 0, 'w', 'h', 1, %s, %s, %s, 'p')
"""
END = "UPDATE hpotool.attempts SET ended_at = %s, outcome = %s WHERE attempt_id = %s"


@dataclass(frozen=True)
class Ran:
    """One attempt as the test wrote it; ``ended`` None: it runs."""

    study: str
    owner: str | None
    slot: str
    started: datetime
    ended: datetime | None
    outcome: str | None

    def seconds(self, since: datetime, now: datetime) -> float:
        return max(0.0, ((self.ended or now) - max(self.started, since)).total_seconds())


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _begin(period: str, now: datetime) -> datetime:
    day = _midnight(now)
    return {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[period]


def _history(pool: Pool, seed: int, now: datetime) -> list[Ran]:
    chance = random.Random(seed)
    ids = {name: pool.add(name, f"owner: {owner}\n") for name, owner in (("a", "ann"), ("b", "bob"), ("c", "ann"))}
    ran = []
    for _ in range(60):
        study, slot = chance.choice(list(ids)), chance.choice(SLOTS)
        ago = chance.choice([0.01, 0.5, 3, 24, 24 * 6, 24 * 29]) * chance.uniform(0.5, 1)
        started = now - timedelta(hours=ago)
        if chance.random() < 0.15:  # at midnight to the microsecond
            started = _midnight(started)
        ended = (
            None if chance.random() < 0.2 else min(now, started + timedelta(hours=chance.choice([0, 0.3, 30, 70])))
        )
        one = Ran(study, chance.choice(["ann", "bob", None]), slot, started, ended, None)
        one = Ran(one.study, one.owner, slot, started, ended, chance.choice(OUTCOMES) if ended else None)
        attempt_id = str(uuid.UUID(int=chance.getrandbits(128)))
        pool.connection.run(INSERT, (attempt_id, ids[study], slot, started, one.owner))
        if ended is not None:
            pool.connection.run(END, (ended, one.outcome, attempt_id))
        ran.append(one)
    return ran


@pytest.fixture(params=range(6))
def history(request: pytest.FixtureRequest, pool: Pool) -> tuple[Pool, list[Ran], datetime]:
    [(now,)] = pool.connection.run("SELECT clock_timestamp()")
    now = now.astimezone(timezone.utc)
    return pool, _history(pool, request.param, now), now


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
def test_quotas_count_what_ran_in_their_period_of_utc(
    history: tuple[Pool, list[Ran], datetime], zone: str
) -> None:
    pool, ran, now = history
    pool.connection.run(f"SET TIME ZONE '{zone}'")
    for owner in ("ann", "bob"):
        for period in ("day", "week", "month"):
            set_quota(pool.connection.run, owner, period, 1e6, "me")
    for quota in list_quotas(pool.connection.run):
        since = _begin(quota.period, now)
        hours = sum(
            gpus_of_slot(one.slot) * one.seconds(since, now) for one in ran if one.owner == quota.owner
        ) / 3600  # fmt: skip
        assert quota.used == pytest.approx(hours, rel=1e-3, abs=0.15), (quota.owner, quota.period)
        assert quota.until.replace(tzinfo=timezone.utc) > now
        assert _begin(quota.period, quota.until) == quota.until, "it ends where the next one begins"


@pytest.mark.parametrize("hours", [0.02, 1, 26, 24 * 40])
def test_usage_is_summed_by_study_owner_outcome_and_slot(
    history: tuple[Pool, list[Ran], datetime], hours: float
) -> None:
    pool, ran, now = history
    since = now - timedelta(hours=hours)
    owners = {"a": "ann", "b": "bob", "c": "ann"}
    seconds: dict[tuple[str, ...], float] = defaultdict(float)
    counts: dict[tuple[str, ...], int] = defaultdict(int)
    for one in ran:
        if (one.ended or now) >= since:
            key = one.study, one.owner or owners[one.study], one.outcome or "running", one.slot
            seconds[key] += one.seconds(since, now)
            counts[key] += 1
    found = usage_since(pool.connection.run, timedelta(hours=hours))
    near = {(line.study, line.owner, line.outcome, line.slot): line for line in found}
    surely = {key for key in counts if seconds[key] > 60 * counts[key] or key[2] == "running"}
    assert surely <= near.keys() <= counts.keys(), "but for those that ended at the edge"
    for key in surely:
        line = near[key]
        assert line.attempts == counts[key] or hours < 1
        assert line.seconds == pytest.approx(seconds[key], abs=60 * counts[key])
        assert line.finished == (line.attempts if key[2] in ("complete", "pruned") else 0)


def test_a_study_has_used_the_seconds_of_its_attempts_by_slot(history: tuple[Pool, list[Ran], datetime]) -> None:
    pool, ran, now = history
    begin = datetime(1970, 1, 1, tzinfo=timezone.utc)
    for name, study_id in pool.ids.items():
        own = [one for one in ran if one.study == name]
        budget = BudgetSpec(gpu_hours=1.0, cost=1.0, prices={"gpu": 2.0, "cpu": 0.5})
        usage = UsageReader(pool.connection.run, study_id, (MetricSpec("loss", "minimize"),)).read(budget)
        hours = sum(gpus_of_slot(one.slot) * one.seconds(begin, now) for one in own) / 3600
        assert usage.gpu_hours == pytest.approx(hours, rel=1e-3, abs=0.15)
