"""Quotas of owners, and who used what: counted once, whatever ends an attempt, and by whom it began."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.storage.control.orders import set_state
from hpotool.storage.fleet.attempts import Attempt, Ending, NoTrial, claim_trial, new_attempt_id
from hpotool.storage.pools.accounts import Quota, list_quotas, remove_quota, set_quota, usage_since
from hpotool.storage.pools.places import PoolWorkers, count_pool_workers, list_places, read_place
from hpotool.storage.pools.summary import sum_up
from hpotool.storage.pools.turns import NoTurn
from hpotool.study.outcome import Outcome
from hpotool.study.rules.budget import gpus_of_slot
from tests.integration.pools.conftest import Pool, PoolWorker

HOUR = timedelta(hours=1)


def _age(pool: Pool, attempt: Attempt, by: timedelta) -> None:
    """Let an attempt have begun earlier than it did, where it is counted too."""
    for table in ("attempts", "owner_running"):
        pool.connection.run(
            f"UPDATE hpotool.{table} SET started_at = started_at - %s WHERE attempt_id = %s",
            (by, attempt.attempt_id),
        )


def _used(pool: Pool, owner: str = "ann") -> float:
    [quota] = [quota for quota in list_quotas(pool.connection.run) if quota.owner == owner]
    return quota.used


def _gpu_worker(pool: Pool, slot: str = "gpu 0") -> PoolWorker:
    return pool.worker(slot=slot)


@pytest.mark.parametrize(
    "slot", ["cpu", "none", "", "gpu 0", "gpu 0,1", "0,1 (NVIDIA H100)", "2 (A, B)", "gpu GPU-1,GPU-2,GPU-3"]
)
def test_the_database_counts_gpus_as_python_does(pool: Pool, slot: str) -> None:
    assert pool.connection.run("SELECT hpotool.gpus_of_slot(%s)", (slot,)) == [(gpus_of_slot(slot),)]


def test_running_and_ended_attempts_count_for_their_gpus(pool: Pool) -> None:
    pool.add("a", "owner: ann\n")
    set_quota(pool.connection.run, "ann", "month", 100, "me")
    worker, cpu = _gpu_worker(pool, "gpu 0,1"), pool.worker()
    attempt = worker.take()
    assert attempt
    assert cpu.take()
    _age(pool, attempt, timedelta(minutes=6))
    assert _used(pool) == pytest.approx(0.2, abs=0.01), "two GPUs; a worker without one uses none"
    worker.end()
    assert _used(pool) == pytest.approx(0.2, abs=0.01), "once, not twice"
    assert pool.connection.run("SELECT count(*) FROM hpotool.owner_running") == [(0,)]


def test_an_owner_who_used_the_quota_waits_and_the_others_do_not(pool: Pool) -> None:
    pool.add("a", "owner: ann\npriority: 5\n")
    pool.add("b", "owner: bob\n")
    set_quota(pool.connection.run, "ann", "month", 1, "me")
    worker, other = _gpu_worker(pool), _gpu_worker(pool)
    attempt = worker.take()
    assert attempt is not None
    assert attempt.study_id == pool.ids["a"]
    _age(pool, attempt, timedelta(minutes=61))
    second = other.take()
    assert second is not None
    assert second.study_id == pool.ids["b"]
    worker.end()
    assert worker.take() is not None
    assert pool.claimed() == {"a": 1, "b": 2}
    place = read_place(pool.connection.run, 60.0, "a")
    assert place is not None
    assert place.quota is not None
    assert place.quota.startswith("ann has used 1.02 of 1 GPU-hours of this month, and may go on at ")
    set_quota(pool.connection.run, "ann", "month", 2, "me")
    pool.change("a", priority=6)  # a change of the study opens it at once
    other.end()
    assert other.take() is not None
    assert pool.claimed()["a"] == 2


def test_a_worker_of_the_study_alone_is_held_to_the_quota_too(pool: Pool) -> None:
    study_id = pool.add("a", "owner: ann\n")
    set_quota(pool.connection.run, "ann", "day", 0, "me")
    worker = _gpu_worker(pool)
    refused = claim_trial(pool.connection.run, study_id, worker.identity, new_attempt_id())
    assert isinstance(refused, NoTrial)
    assert refused.kind == "quota"
    assert refused.reason.startswith("ann has used 0.00 of 0 GPU-hours of this day, and may go on at ")


@pytest.mark.parametrize(
    ("settings", "closed_because"),
    [("", None), ("max_running: 1\n", "capped"), ("owner: ann\n", "quota")],
)
def test_why_a_study_waits_is_known_at_once_in_a_pool_or_not(
    pool: Pool, settings: str, closed_because: str | None
) -> None:
    study_id = pool.add("a", settings, trials=2)
    set_quota(pool.connection.run, "ann", "month", 1, "me")
    worker = _gpu_worker(pool)
    attempt = worker.take()
    assert attempt is not None
    _age(pool, attempt, 2 * HOUR)
    for is_in_pool in (True, False):
        pool.change("a", pool="p" if is_in_pool else None)
        place = read_place(pool.connection.run, 60.0, "a")
        assert place is not None
        assert (place.pool, place.closed_because) == ("p" if is_in_pool else "", closed_because)
    pool.change("a", pool="p")
    set_state(pool.connection.run, study_id, "paused", "", "test")
    [listed] = list_places(pool.connection.run, 60.0, pool="p")
    assert (listed.state, listed.closed_because, listed.running) == ("paused", "paused", 1)
    assert listed.day_s == pytest.approx(7200, abs=30)
    assert list_places(pool.connection.run, 60.0, pool="q") == []
    assert read_place(pool.connection.run, 60.0, "b") is None
    assert count_pool_workers(pool.connection.run, 60.0) == [PoolWorkers("p", 1, 1)]


def test_when_all_are_over_quota_the_workers_wait(pool: Pool) -> None:
    pool.add("a", "owner: ann\n")
    set_quota(pool.connection.run, "ann", "week", 0, "me")
    worker = _gpu_worker(pool)
    assert worker.choose() == NoTurn(may_come=True)
    remove_quota(pool.connection.run, "ann")
    pool.connection.run("UPDATE hpotool.pool_places SET look_again_at = clock_timestamp()")
    assert worker.take() is not None


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_what_ran_before_the_period_does_not_count_in_it(pool: Pool, period: str) -> None:
    pool.add("a", "owner: ann\n")
    set_quota(pool.connection.run, "ann", period, 1000, "me")
    worker = _gpu_worker(pool)
    attempt = worker.take()
    assert attempt is not None
    [(since_s,)] = pool.connection.run(
        "SELECT extract(epoch FROM t - date_trunc(%s, t))::float8 "
        "FROM (SELECT clock_timestamp() AT TIME ZONE 'utc' t) now",
        (period,),
    )
    _age(pool, attempt, timedelta(days=40))
    assert _used(pool) == pytest.approx(since_s / 3600, rel=0.01, abs=0.02), "while it runs"
    worker.end()
    assert _used(pool) == pytest.approx(since_s / 3600, rel=0.01, abs=0.02), "and afterwards"
    [(total, days)] = pool.connection.run("SELECT sum(gpu_seconds), count(*) FROM hpotool.owner_days")
    assert total == pytest.approx(40 * 86400, rel=0.001)
    assert days in (41, 42)


@pytest.mark.parametrize(
    ("state", "ending"),
    [
        (TrialState.COMPLETE, Ending(Outcome.COMPLETE)),
        (TrialState.FAIL, Ending(Outcome.ERROR)),
        (TrialState.FAIL, Ending(Outcome.PREEMPTED, follow_up="requeue")),
        (TrialState.FAIL, Ending(Outcome.LOST, follow_up="retry")),
    ],
    ids=["complete", "error", "preempted", "lost"],
)
def test_every_end_counts(pool: Pool, state: TrialState, ending: Ending) -> None:
    pool.add("a", "owner: ann\n")
    set_quota(pool.connection.run, "ann", "month", 1000, "me")
    worker = _gpu_worker(pool)
    attempt = worker.take()
    assert attempt is not None
    _age(pool, attempt, timedelta(seconds=90))
    worker.end(state=state, ending=ending)
    [(seconds,)] = pool.connection.run("SELECT sum(gpu_seconds) FROM hpotool.owner_days")
    assert seconds == pytest.approx(90, abs=5)


def test_deleting_a_study_gives_nothing_back(pool: Pool) -> None:
    pool.add("a", "owner: ann\n")
    set_quota(pool.connection.run, "ann", "month", 1000, "me")
    worker, running = _gpu_worker(pool), _gpu_worker(pool)
    attempt = worker.take()
    assert attempt is not None
    _age(pool, attempt, timedelta(minutes=2))
    worker.end()
    assert running.take()
    before = _used(pool)
    optuna.delete_study(study_name="a", storage=optuna.storages.RDBStorage(pool.connection.url.sqlalchemy))
    assert _used(pool) == pytest.approx(before, abs=0.01)
    assert pool.connection.run("SELECT count(*) FROM hpotool.owner_running") == [(0,)]


def test_quotas_are_set_replaced_listed_and_removed(pool: Pool) -> None:
    run = pool.connection.run
    set_quota(run, "bob", "day", 5, "me")
    set_quota(run, "ann", "month", 10, "me")
    set_quota(run, "ann", "day", 1, "me")
    set_quota(run, "ann", "day", 2, "you")
    found = [(quota.owner, quota.period, quota.gpu_hours, quota.set_by) for quota in list_quotas(run)]
    assert found == [("ann", "day", 2.0, "you"), ("ann", "month", 10.0, "me"), ("bob", "day", 5.0, "me")]
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    assert all(now - HOUR < quota.until <= now + timedelta(days=31, hours=1) for quota in list_quotas(run))
    assert [remove_quota(run, "ann", "day"), remove_quota(run, "ann"), remove_quota(run, "ann")] == [1, 1, 0]
    assert [quota.owner for quota in list_quotas(run)] == ["bob"]


def test_a_quota_of_zero_is_used_up_from_the_start() -> None:
    quota = Quota("ann", "day", 0.0, 0.0, datetime(2026, 1, 1), "me")  # noqa: DTZ001
    assert quota.is_used_up


def test_usage_is_whose_it_was_when_the_attempt_began(pool: Pool) -> None:
    pool.add("a", "owner: ann\ntags: {project: ocr}\nbudget: {trials: 9, prices: {gpu: 2}}\n", trials=None)
    worker = _gpu_worker(pool)
    attempt = worker.take()
    assert attempt is not None
    _age(pool, attempt, 3 * HOUR)
    worker.end()
    pool.change("a", owner="bob", pool="other")
    pool.change("a", pool="p")
    attempt = worker.take()
    assert attempt is not None
    _age(pool, attempt, HOUR)
    used = usage_since(pool.connection.run, timedelta(days=30))
    by_owner = {line.name: line for line in sum_up(used, "owner")}
    assert by_owner["ann"].gpu_hours == pytest.approx(3, abs=0.01)
    assert by_owner["ann"].cost == pytest.approx(6, abs=0.02)
    assert (by_owner["ann"].attempts, by_owner["ann"].finished) == (1, 1)
    assert by_owner["bob"].gpu_hours == pytest.approx(1, abs=0.01)
    assert (by_owner["bob"].attempts, by_owner["bob"].finished) == (1, 0)
    [project] = sum_up(used, "project")
    assert (project.name, project.attempts) == ("ocr", 2)
    assert {line.name for line in sum_up(used, "outcome")} == {"complete", "running"}
    [within] = sum_up(usage_since(pool.connection.run, timedelta(minutes=30)), "pool")
    assert (within.name, within.attempts) == ("p", 2), "the end of the first one is as recent"
    assert within.gpu_hours == pytest.approx(1, abs=0.02), "only the last half hour of each counts"
