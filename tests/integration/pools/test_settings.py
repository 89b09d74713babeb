"""A study's place follows its settings, whoever changes them; and many who change and choose at once get along."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from hpotool.storage.control.creation import change_spec, read_spec
from hpotool.storage.control.keeping import rename_study
from hpotool.storage.control.orders import finish_study, read_settings, set_state, write_settings
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.pools.accounts import list_quotas, set_quota
from hpotool.storage.pools.places import list_places
from hpotool.storage.pools.turns import is_pool_over, read_pool_study
from hpotool.study.file.resolved import spec_hash, to_document
from tests.integration.pools.conftest import Pool, PoolWorker


def _listed(pool: Pool) -> dict[str, tuple[str, int, float]]:
    return {
        place.study: (place.pool, place.priority, place.weight) for place in list_places(pool.connection.run, 1.0)
    }


def test_a_new_name_is_listed_and_the_place_is_kept(pool: Pool) -> None:
    pool.add("old", "priority: 3\nweight: 2\n")
    worker = pool.worker()
    assert worker.take()
    before = pool.connection.run("SELECT pass, trial_s FROM hpotool.pool_places")
    rename_study(pool.connection, "old", "new", "test")
    assert _listed(pool) == {"new": ("p", 3, 2.0)}
    assert pool.connection.run("SELECT pass, trial_s FROM hpotool.pool_places") == before


def test_settings_without_a_pool_take_the_study_out_of_it(pool: Pool) -> None:
    study_id = pool.add("one")
    write_settings(
        pool.connection.run, study_id, spec=None, spec_hash=None, versions={}, budget_trials=3, actor="old release"
    )  # fmt: skip
    assert _listed(pool) == {}


def test_settings_that_an_older_hpotool_writes_arrive_too(pool: Pool) -> None:
    """It knows none of the tables: all that it writes is the study's settings, as it read them."""
    pool.add("one", "priority: 1\nmax_running: 5\n")
    study_id, spec = read_spec(pool.connection, "one")
    changed = replace(spec, budget=replace(spec.budget, trials=7), max_running=1)
    pool.connection.run(
        "UPDATE hpotool.study_settings SET spec = %s::jsonb, spec_hash = %s WHERE study_id = %s",
        (json.dumps(to_document(changed)), spec_hash(changed), study_id),
    )
    assert pool.worker().take()
    assert pool.worker().take() is None


def test_a_pool_is_over_when_nothing_of_it_can_come(pool: Pool) -> None:
    run = pool.connection.run
    assert is_pool_over(run, "p"), "there is none"
    study_id = pool.add("one", trials=1)
    assert not is_pool_over(run, "p")
    set_state(run, study_id, "paused", "", "test")
    assert not is_pool_over(run, "p"), "somebody may resume it"
    set_state(run, study_id, "running", "", "test")
    worker = pool.worker()
    assert worker.take()
    worker.end()
    assert worker.take() is None
    assert is_pool_over(run, "p")


def test_a_limit_that_ends_a_study_ends_its_turns(pool: Pool) -> None:
    study_id = pool.add("one", trials=None)
    worker = pool.worker()
    assert worker.take()
    finish_study(pool.connection.run, study_id, "budget.wall: 1 h of wall time used", "test")
    worker.end()
    assert worker.take() is None
    assert is_pool_over(pool.connection.run, "p")


def test_what_a_worker_reads_of_a_study_is_what_is_stored(pool: Pool) -> None:
    study_id = pool.add("one", "owner: ann\n")
    known = read_pool_study(pool.connection.run, study_id)
    settings = read_settings(pool.connection.run, study_id)
    assert known is not None
    assert settings is not None
    assert (known.name, known.spec, known.versions) == ("one", settings.spec, settings.versions)
    assert read_pool_study(pool.connection.run, study_id + 1) is None


NAMES = ("s0", "s1", "s2", "s3")


def test_workers_and_people_at_once_get_along(pool: Pool) -> None:
    """No deadlock, no error, no trial too many, while everything about the studies changes under the workers."""
    for name in NAMES:
        pool.add(name, "max_running: 2\nowner: ann\n", trials=15)
    set_quota(pool.connection.run, "ann", "day", 1000, "test")
    is_over = threading.Event()
    with ThreadPoolExecutor(7) as threads:
        person = threads.submit(_disturb, pool.connection.url, is_over)
        workers = [threads.submit(_work, pool.connection.url, is_over) for _ in range(6)]
        try:
            for worker in workers:
                worker.result(120)
        finally:
            is_over.set()
        person.result(60)
    assert pool.claimed() == dict.fromkeys(NAMES, 15)
    assert {_count(pool.connection, name) for name in NAMES} == {15}
    [quota] = list_quotas(pool.connection.run)
    [(seconds,)] = pool.connection.run(
        "SELECT sum(extract(epoch FROM ended_at - started_at))::float8 FROM hpotool.attempts"
    )
    assert quota.used * 3600 == pytest.approx(seconds, rel=0.01), "each attempt is counted once"


def _work(url: DatabaseUrl, is_over: threading.Event) -> None:
    with closing(Connection(url)) as connection:
        worker = PoolWorker(connection, slot="gpu 0")
        while not is_over.is_set():
            if worker.take():
                worker.end(0.01)
            elif all(_count(connection, name) == 15 for name in NAMES):
                return


def _disturb(url: DatabaseUrl, is_over: threading.Event) -> None:
    chance = random.Random(3)
    with closing(Connection(url)) as connection:
        while not is_over.is_set():
            name = chance.choice(NAMES)
            changes = {"weight": chance.uniform(0.5, 5), "priority": chance.randrange(3)}
            change_spec(connection, name, lambda spec, changes=changes: replace(spec, **changes), "test")  # type: ignore[misc]
            study_id, _ = read_spec(connection, name)
            set_state(connection.run, study_id, "paused", "", "test")
            set_state(connection.run, study_id, "running", "", "test")


def _count(connection: Connection, name: str) -> int:
    [(count,)] = connection.run(
        "SELECT count(*) FROM trials JOIN studies USING (study_id) WHERE study_name = %s AND state = 'COMPLETE'",
        (name,),
    )
    return int(count)
