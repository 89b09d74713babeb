"""Quarantines of studies in a pool, whose workers go from one study to the other."""

from __future__ import annotations

from datetime import timedelta

from optuna.trial import TrialState

from hpotool.storage.control.launches import list_fleet
from hpotool.storage.fleet import quarantines
from hpotool.storage.fleet.attempts import Attempt, Ending, NoTrial
from hpotool.storage.pools.turns import ask_for_places
from hpotool.study.outcome import Outcome
from hpotool.study.rules.quarantine import Place
from hpotool.worker.membership.placement import Placement
from tests.integration.pools.conftest import Pool, PoolWorker

FAILED = Ending(Outcome.ERROR)
GRACE = timedelta(seconds=30)


def shut_out(pool: Pool, name: str, host: str = "here", **more: object) -> int | None:
    place = Place(host)
    return quarantines.begin_quarantine(pool.connection.run, pool.ids[name], place, "it smokes", "ann", **more)  # type: ignore[arg-type]


def fail(pool: Pool, worker: PoolWorker) -> str | None:
    """The worker's trial fails; why it must leave."""
    failed = worker.attempt
    assert failed is not None
    worker.end(state=TrialState.FAIL, ending=FAILED)
    judged = Placement(pool.connection.run, worker.identity.worker_id, worker.devices, GRACE)
    found = judged.judge(failed, has_breaker=True, has_quarantine=True)
    return None if found is None else found.reason


def charged(pool: Pool, name: str) -> float:
    [(found,)] = pool.connection.run("SELECT pass FROM hpotool.pool_places WHERE study_id = %s", (pool.ids[name],))
    return float(found)


def test_a_quarantine_turns_one_worker_away_and_leaves_the_study_to_others(pool: Pool) -> None:
    pool.add("a", "priority: 5\n")
    pool.add("b")
    here, elsewhere = pool.worker(), pool.worker(host="elsewhere")
    assert shut_out(pool, "a") == 0
    before = charged(pool, "a")
    turn = here.choose()
    assert pool.name_of(turn) == "a"
    refused = here.claim()
    assert isinstance(refused, NoTrial)
    assert refused.kind == "quarantined"
    assert refused.reason.startswith("here is in quarantine until ")
    assert pool.name_of(here.choose(pool.ids["a"])) == "b"
    assert isinstance(here.claim(), Attempt), "only study a is closed to it"
    assert charged(pool, "a") == before, "the turn costs the study nothing"
    assert pool.name_of(elsewhere.choose()) == "a", "and it is open to others"
    assert isinstance(elsewhere.claim(), Attempt)


def test_a_full_study_says_so_to_those_that_are_not_in_quarantine(pool: Pool) -> None:
    pool.add("a", "max_running: 1\n")
    first, second, here = (pool.worker(host=host) for host in ("elsewhere", "elsewhere", "here"))
    shut_out(pool, "a")
    turns = [worker.choose() for worker in (first, second, here)]
    assert [pool.name_of(turn) for turn in turns] == ["a"] * 3
    assert isinstance(first.claim(), Attempt)
    answers = [worker.claim() for worker in (second, here)]
    assert [(found.kind, found.reason[:4]) for found in answers if isinstance(found, NoTrial)] == [
        ("capped", "1"),
        ("quarantined", "here"),
    ]


def test_what_a_worker_did_for_a_study_counts_after_it_has_gone_on_to_another_one(pool: Pool) -> None:
    """Good and bad hosts serve two studies in turn; the host that fails one of them is found all the same."""
    pool.add("a", trials=None)
    pool.add("b", trials=None)
    good, bad = pool.worker(host="good"), pool.worker(host="bad")
    for _ in range(24):
        assert good.take()
        good.end()
    found: list[str | None] = []
    for _ in range(24):
        for _ in range(2):
            last = good.take()
            good.end()
        attempt = bad.take()
        assert last is not None
        assert attempt is not None
        assert last.study_id != attempt.study_id, "the good one has gone on"
        if attempt.study_id == pool.ids["b"]:
            bad.end()
            continue
        found.append(fail(pool, bad))
        if quarantines.list_quarantines(pool.connection.run, pool.ids["a"]):
            break
    [entry] = quarantines.list_quarantines(pool.connection.run, pool.ids["a"])
    assert entry.host == "bad"
    assert 3 <= len(found) <= 8
    assert set(found) == {None}, "its breaker leaves it to the quarantine"
    assert quarantines.list_quarantines(pool.connection.run, pool.ids["b"]) == [], "each study for itself"
    assert bad.take() is not None, "it serves the other one"


def test_a_workers_of_the_pool_in_another_study_is_somebody_left_to_work(pool: Pool) -> None:
    pool.add("a")
    pool.add("b")
    alone = pool.worker(host="bad")
    assert alone.take()
    assert shut_out(pool, "a", "bad", needs_others_within=GRACE) is None, "nobody else would be left"
    other = pool.worker(host="good")
    assert other.take()
    assert shut_out(pool, "a", "bad", needs_others_within=GRACE) == 0


def test_devices_of_a_pools_workers_are_known(pool: Pool) -> None:
    pool.add("a")
    pool.add("b")
    worker = pool.worker(host="there", devices=("GPU-1",))
    assert quarantines.find_host_of_device(pool.connection.run, pool.ids["b"], "GPU-1") == "there"
    place = Place("there", "GPU-1")
    quarantines.begin_quarantine(pool.connection.run, pool.ids["a"], place, "it smokes", "ann")
    assert pool.name_of(worker.choose()) == "a"
    refused = worker.claim()
    assert isinstance(refused, NoTrial)
    assert refused.reason.startswith("GPU-1 is in quarantine until ")
    [listed] = list_fleet(pool.connection.run, pool.ids["a"])
    assert (listed.waits or "").startswith("GPU-1 is in quarantine until ")


def test_errors_of_a_gpu_are_told_in_every_study_of_the_pool_that_runs(pool: Pool) -> None:
    for name in "ab":
        pool.add(name)
    pool.add("paused")
    pool.add("other", pool="q")
    pool.connection.run(
        "UPDATE hpotool.study_settings SET state = 'paused' WHERE study_id = %s", (pool.ids["paused"],)
    )
    quarantines.note_device_in_pool(pool.connection.run, "p", "w", "failed", "gpu 0 is left alone")
    rows = pool.connection.run("SELECT study_id, to_state FROM hpotool.events WHERE kind = 'device' ORDER BY 1")
    assert rows == [(pool.ids["a"], "failed"), (pool.ids["b"], "failed")]


def test_no_place_is_asked_of_a_worker_that_is_in_quarantine_for_the_study(pool: Pool) -> None:
    pool.add("low")
    worker = pool.worker()
    assert worker.take()
    pool.connection.run("UPDATE hpotool.attempts SET has_checkpoint = true")
    pool.add("first", "priority: 9\npreempt: true\n", trials=1)
    shut_out(pool, "first")
    assert ask_for_places(pool.connection.run, "p", "w", 60.0) == [], "its place would be of no use"
    idle = pool.worker()
    assert ask_for_places(pool.connection.run, "p", "w", 60.0) == []
    quarantines.lift_quarantines(pool.connection.run, pool.ids["first"], None, "ann")
    assert ask_for_places(pool.connection.run, "p", "w", 60.0) == [], "a worker is free"
    pool.connection.run(
        "UPDATE hpotool.workers SET waits = 'no room' WHERE worker_id = %s", (idle.identity.worker_id,)
    )
    assert ask_for_places(pool.connection.run, "p", "w", 60.0) == [(0, "low")], "one that waits is not free"
