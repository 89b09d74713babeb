"""Whose place a preempting study gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hpotool.storage.control.creation import change_spec
from hpotool.storage.control.orders import read_events, register_worker, set_state
from hpotool.storage.fleet.attempts import Attempt, beat, claim_trial, new_attempt_id, read_orders
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.pools.accounts import set_quota
from hpotool.storage.pools.turns import ask_for_places
from tests.integration.pools.conftest import Pool, PoolWorker

PREEMPTS = "priority: 5\npreempt: true\n"


def _ask(pool: Pool) -> list[tuple[int, str]]:
    return ask_for_places(pool.connection.run, "p", "asker", 60.0)


def _busy(pool: Pool, *, has_checkpoint: bool = True) -> PoolWorker:
    worker = pool.worker()
    attempt = worker.take()
    assert attempt is not None
    _beat(pool, worker, has_checkpoint=has_checkpoint)
    return worker


def _beat(pool: Pool, worker: PoolWorker, *, has_checkpoint: bool = False) -> str | None:
    orders = beat(pool.connection.run, worker.identity, worker.attempt, has_checkpoint=has_checkpoint)
    assert orders is not None
    again = read_orders(pool.connection.run, worker.identity, worker.attempt)
    assert again is not None
    assert again.yields_to == orders.yields_to
    return orders.yields_to


def test_nobody_is_asked_while_a_worker_is_free_or_no_study_wants_a_place(pool: Pool) -> None:
    pool.add("low", trials=2)
    busy = [_busy(pool), _busy(pool)]
    assert _ask(pool) == [], "no study preempts"
    free = pool.worker()
    pool.add("high", PREEMPTS)
    assert _ask(pool) == [], "the free one will take it"
    assert free.take()
    assert free.attempt is not None
    assert free.attempt.study_id == pool.ids["high"]
    assert len(_ask(pool)) == 2
    assert {_beat(pool, worker) for worker in busy} == {"high"}


def test_the_lowest_priority_is_asked_first_and_of_these_the_youngest(pool: Pool) -> None:
    pool.add("middle", "priority: 3\n", trials=1)
    middle = _busy(pool)
    pool.add("low")
    oldest, youngest = _busy(pool), _busy(pool)
    pool.add("high", PREEMPTS, trials=1)
    assert _ask(pool) == [(1, "low")]
    assert [_beat(pool, worker) for worker in (middle, oldest, youngest)] == [None, None, "high"]
    assert _ask(pool) == [], "it was asked for as many as the study can use"
    [event] = [event for event in read_events(pool.connection.run, pool.ids["low"]) if event.kind == "preempt"]
    assert (event.number, event.actor, event.reason) == (1, "asker", "its place is for study high")
    pool.change("high", max_running=5)
    change_spec(pool.connection, "high", lambda spec: replace(spec, budget=replace(spec.budget, trials=3)), "test")
    assert sorted(_ask(pool)) == [(0, "low"), (0, "middle")]


def test_max_running_limits_what_is_asked_for(pool: Pool) -> None:
    pool.add("low")
    for _ in range(3):
        _busy(pool)
    pool.add("high", PREEMPTS + "max_running: 2\n")
    assert len(_ask(pool)) == 2


def test_only_what_could_go_on_from_a_checkpoint_is_asked(pool: Pool) -> None:
    pool.add("low")
    worker = _busy(pool, has_checkpoint=False)
    pool.add("high", PREEMPTS)
    assert _ask(pool) == []
    _beat(pool, worker, has_checkpoint=True)
    _beat(pool, worker, has_checkpoint=False)  # what is saved stays saved
    assert len(_ask(pool)) == 1


@pytest.mark.parametrize(
    "settings", ["priority: 5\n", "priority: 0\npreempt: true\n"], ids=["asks not", "no more"]
)
def test_others_wait_for_a_place(pool: Pool, settings: str) -> None:
    pool.add("low")
    _busy(pool)
    pool.add("high", settings)
    assert _ask(pool) == []


def test_a_study_that_may_run_nothing_takes_nothing(pool: Pool) -> None:
    pool.add("low")
    _busy(pool)
    study_id = pool.add("high", PREEMPTS + "owner: ann\n")
    set_quota(pool.connection.run, "ann", "day", 0, "me")
    assert _ask(pool) == []
    pool.change("high", owner=None)
    set_state(pool.connection.run, study_id, "paused", "", "test")
    assert _ask(pool) == []
    set_state(pool.connection.run, study_id, "running", "", "test")
    assert len(_ask(pool)) == 1


def test_a_study_of_another_pool_and_a_worker_of_one_study_keep_their_places(pool: Pool) -> None:
    pool.add("elsewhere", pool="other")
    worker = PoolWorker(pool.connection, "other")
    assert worker.take()
    _beat(pool, worker, has_checkpoint=True)
    pool.add("low")
    alone = WorkerIdentity("alone", "here", 1, "boot", "1", "cpu")
    register_worker(pool.connection.run, pool.ids["low"], alone)
    attempt = claim_trial(pool.connection.run, pool.ids["low"], alone, new_attempt_id())
    assert isinstance(attempt, Attempt)
    beat(pool.connection.run, alone, attempt, has_checkpoint=True)
    pool.add("high", PREEMPTS)
    assert _ask(pool) == []


@pytest.mark.parametrize("limit", ["max_running", "quota", "budget"])
def test_a_study_that_can_use_no_more_places_keeps_none_from_the_next_one(pool: Pool, limit: str) -> None:
    """Nobody chooses while all workers are busy, so the first study stays open although it is full."""
    settings = {"max_running": "max_running: 1\n", "quota": "owner: ann\n", "budget": ""}[limit]
    pool.add("highest", "priority: 9\npreempt: true\n" + settings, trials=1 if limit == "budget" else 100)
    assert _busy(pool, has_checkpoint=False).attempt
    if limit == "quota":
        set_quota(pool.connection.run, "ann", "day", 0, "me")
    pool.add("low")
    pool.connection.run("UPDATE hpotool.pool_places SET is_open = study_id <> %s", (pool.ids["highest"],))
    busy = [_busy(pool), _busy(pool)]
    pool.connection.run("UPDATE hpotool.pool_places SET is_open = true, closed_because = NULL")
    pool.add("high", PREEMPTS)
    assert sorted(_ask(pool)) == [(0, "low"), (1, "low")]
    assert [_beat(pool, worker) for worker in busy] == ["high", "high"]
