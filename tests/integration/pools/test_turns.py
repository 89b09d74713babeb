"""Which study a pool's worker serves next."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.storage.control.confirmations import order_confirmation
from hpotool.storage.control.creation import change_spec
from hpotool.storage.control.orders import set_state
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Attempt, Ending, NoTrial
from hpotool.storage.pools.turns import EndedTurn, NoTurn, Turn
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.outcome import Outcome
from tests.integration.pools.conftest import Pool, PoolWorker


def test_the_highest_priority_goes_first_for_as_long_as_it_has_places(pool: Pool) -> None:
    pool.add("low", trials=4)
    pool.add("high", "priority: 5\n", trials=2)
    pool.add("elsewhere", "priority: 9\n", pool="other")
    worker = pool.worker()
    served = []
    while worker.take():
        served.append(pool.name_of(worker.turn))
        worker.end()
    assert served == ["high", "high", "low", "low", "low", "low"]
    assert worker.choose() == NoTurn(may_come=False), "both are done"


@pytest.mark.parametrize("durations", [{}, {"heavy": 4.0}, {"light": 10.0}], ids=["equal", "long", "longer"])
def test_equals_share_the_workers_time_by_weight(pool: Pool, durations: dict[str, float]) -> None:
    """Whatever a trial of each takes: what counts is the time of the places, not the number of trials."""
    weights = {"light": 1.0, "middle": 2.0, "heavy": 5.0}
    for name, weight in weights.items():
        pool.add(name, f"weight: {weight}\n", trials=None)
    pool.serve([pool.worker() for _ in range(4)], 160, lambda name: durations.get(name, 1.0))
    seconds = {name: count * durations.get(name, 1.0) for name, count in pool.claimed().items()}
    for name, weight in weights.items():
        longest = 4 * durations.get(name, 1.0) / sum(seconds.values())
        assert abs(seconds[name] / sum(seconds.values()) - weight / 8) < 0.05 + longest, (name, seconds)


def test_a_study_that_comes_later_gets_its_share_from_then_on_and_no_more(pool: Pool) -> None:
    pool.add("early", trials=None)
    worker = pool.worker()
    pool.serve([worker], 20)
    pool.add("late", trials=None)
    before = pool.claimed()["early"]
    for _ in range(20):
        worker.end()
        worker.take()
    assert abs(pool.claimed()["early"] - before - 10) <= 1
    assert abs(pool.claimed()["late"] - 10) <= 1


def test_a_pause_is_no_credit_either(pool: Pool) -> None:
    for name in ("a", "b"):
        pool.add(name, trials=None)
    worker = pool.worker()
    pool.serve([worker], 4)
    set_state(pool.connection.run, pool.ids["b"], "paused", "", "test")
    before = pool.claimed()
    for _ in range(20):
        worker.end()
        worker.take()
    assert pool.claimed()["b"] == before["b"], "a paused study is not served"
    set_state(pool.connection.run, pool.ids["b"], "running", "", "test")
    middle = pool.claimed()
    for _ in range(10):
        worker.end()
        worker.take()
    assert abs(pool.claimed()["b"] - middle["b"] - 5) <= 1


def test_weight_priority_and_pool_change_live(pool: Pool) -> None:
    for name in ("a", "b"):
        pool.add(name, trials=None)
    worker = pool.worker()
    pool.serve([worker], 10)
    pool.change("a", weight=9.0)
    before = pool.claimed()
    for _ in range(30):
        worker.end()
        worker.take()
    assert abs(pool.claimed()["a"] - before["a"] - 27) <= 2
    pool.change("b", priority=1)
    assert _next_ones(worker, pool, 3) == ["b", "b", "b"]
    pool.change("b", pool=None)
    assert _next_ones(worker, pool, 2) == ["a", "a"]
    pool.change("b", pool="p", priority=1)
    assert _next_ones(worker, pool, 1) == ["b"]


def _next_ones(worker: PoolWorker, pool: Pool, count: int) -> list[str | None]:
    found = []
    for _ in range(count):
        worker.end()
        assert worker.take()
        found.append(pool.name_of(worker.turn))
    return found


def test_no_more_run_than_max_running_and_a_freed_place_is_taken_again(pool: Pool) -> None:
    pool.add("capped", "priority: 5\nmax_running: 2\n")
    pool.add("rest")
    workers = [pool.worker() for _ in range(4)]
    for worker in workers:
        assert worker.take()
    assert pool.claimed() == {"capped": 2, "rest": 2}
    workers[0].end()
    assert workers[0].take()
    assert pool.claimed() == {"capped": 3, "rest": 2}
    pool.change("capped", max_running=3)
    workers[3].end()
    assert workers[3].take()
    assert pool.claimed() == {"capped": 4, "rest": 2}
    pool.change("capped", max_running=1)
    for _ in range(2):
        workers[0].end()
        assert workers[0].take()
    assert pool.name_of(workers[0].turn) == "rest", "running ones go on, and no new one starts"


def test_a_claim_holds_max_running_alone_when_two_chose_the_last_place(pool: Pool) -> None:
    pool.add("capped", "max_running: 1\n")
    first, second = pool.worker(), pool.worker()
    assert pool.name_of(first.choose()) == pool.name_of(second.choose()) == "capped"
    assert isinstance(first.claim(), Attempt)
    refused = second.claim()
    assert isinstance(refused, NoTrial)
    assert (refused.kind, refused.reason) == ("capped", "1")
    assert second.choose() == NoTurn(may_come=True)


def test_many_claims_at_once_do_not_exceed_max_running_and_the_budget(pool: Pool) -> None:
    pool.add("capped", "max_running: 3\n", trials=10)
    url = pool.connection.url

    def work(_: int) -> int:
        with closing(Connection(url)) as connection:
            worker, most = PoolWorker(connection), 0
            for _ in range(12):
                if worker.take():
                    [(running,)] = connection.run("SELECT count(*) FROM trials WHERE state = 'RUNNING'")
                    most = max(most, running)
                    worker.end()
            return most

    with ThreadPoolExecutor(6) as threads:
        assert max(threads.map(work, range(6))) <= 3
    worker = pool.worker()
    while worker.take():
        worker.end()
    assert pool.connection.run("SELECT state::text, count(*) FROM trials GROUP BY state")[0] == ("COMPLETE", 10)


def test_a_refused_study_is_left_alone_and_opens_when_anything_about_it_changes(pool: Pool) -> None:
    study_id = pool.add("tiny", trials=1)
    one, other = pool.worker(), pool.worker()
    assert one.take()
    assert other.take() is None
    assert other.choose() == NoTurn(may_come=True), "the running one may fail"
    one.end(state=TrialState.FAIL, ending=Ending(Outcome.CRASH, follow_up="retry"))
    assert one.take(), "whoever freed the place opens the study"
    one.end()
    assert one.take() is None
    assert one.choose() == NoTurn(may_come=False)
    change_spec(pool.connection, "tiny", lambda spec: replace(spec, budget=replace(spec.budget, trials=2)), "test")
    assert one.take()
    assert one.attempt is not None
    assert one.attempt.study_id == study_id


def test_a_refusal_from_before_a_change_closes_nothing(pool: Pool) -> None:
    """Else a study whose budget was raised in between would never be served again."""
    study_id = pool.add("tiny", trials=1)
    worker = pool.worker()
    assert worker.take()
    worker.end()
    worker.choose()
    refused = worker.claim()
    assert isinstance(refused, NoTrial)
    assert refused.kind == "done"
    set_state(pool.connection.run, study_id, "paused", "", "test")
    set_state(pool.connection.run, study_id, "running", "", "test")
    assert isinstance(worker.choose(), Turn)


@pytest.mark.parametrize(
    ("state", "may_come"), [("paused", True), ("stopped", False), ("draining", False), ("done", False)]
)
def test_what_a_worker_may_wait_for(pool: Pool, state: str, may_come: bool) -> None:
    study_id = pool.add("one")
    set_state(pool.connection.run, study_id, state, "", "test")
    worker = pool.worker()
    assert worker.take() is None
    assert worker.choose() == NoTurn(may_come)
    set_state(pool.connection.run, study_id, "running", "", "test")
    assert worker.take()


@pytest.mark.parametrize("jump", ["1 day", "-1 day"])
def test_a_clock_that_was_set_back_or_forward_keeps_no_study_from_its_turn(pool: Pool, jump: str) -> None:
    pool.add("tiny", trials=1)
    paused = pool.add("paused")
    set_state(pool.connection.run, paused, "paused", "", "test")
    one, other = pool.worker(), pool.worker()
    assert one.take()
    assert other.take() is None
    assert other.choose() == NoTurn(may_come=True), "it is left alone for a moment"
    pool.connection.run(
        "UPDATE hpotool.pool_places SET look_again_at = look_again_at + %s::interval "
        "WHERE look_again_at < '9999-01-01'",
        (jump,),
    )
    assert pool.name_of(other.choose()) == "tiny", "whoever was lost with its only trial frees the place"
    assert isinstance(other.claim(), NoTrial)
    assert other.choose() == NoTurn(may_come=True), "and it is left alone again; nothing else was opened"


def test_replicates_open_a_study_that_is_done(pool: Pool) -> None:
    study_id = pool.add("one", trials=1)
    worker = pool.worker()
    assert worker.take()
    worker.end()
    assert worker.take() is None
    assert worker.choose() == NoTurn(may_come=False)
    order = Order((Point("trial 0", {"x": 0.5}, trial=0),), seeds=2)
    order_confirmation(pool.connection.run, study_id, "test", order.including)
    assert worker.take()
    assert pool.worker().take()
    worker.end()
    assert worker.take() is None
    assert worker.choose() == NoTurn(may_come=True), "the other one may fail"


def test_a_study_that_this_worker_cannot_run_is_left_to_others(pool: Pool) -> None:
    unfit, fit = pool.add("unfit", "priority: 1\n"), pool.add("fit")
    worker = pool.worker()
    assert worker.choose(unfit) == worker.turn
    assert pool.name_of(worker.choose(unfit)) == "fit"
    assert worker.choose(unfit, fit) == NoTurn(may_come=False)
    assert pool.name_of(pool.worker().choose()) == "unfit"


def test_a_deleted_study_takes_its_place_with_it_but_no_worker_can_use_it(pool: Pool) -> None:
    pool.add("gone")
    worker = pool.worker()
    turn = worker.choose()
    assert isinstance(turn, Turn)
    optuna.delete_study(study_name="gone", storage=optuna.storages.RDBStorage(pool.connection.url.sqlalchemy))
    refused = worker.claim()
    assert isinstance(refused, NoTrial)
    assert refused.kind == "stopped"
    assert worker.choose() == NoTurn(may_come=False)


def test_the_worker_is_listed_where_it_works(pool: Pool) -> None:
    pool.add("a", "max_running: 1\n")
    pool.add("b", "priority: -1\n")
    one, other = pool.worker(), pool.worker()
    one.take()
    other.take()
    rows = pool.connection.run("SELECT worker_id, study_id FROM hpotool.workers ORDER BY worker_id")
    assert dict(rows) == {one.identity.worker_id: pool.ids["a"], other.identity.worker_id: pool.ids["b"]}


_ROWS_READ = """
SELECT relname, seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables
WHERE (schemaname, relname) IN (('hpotool', 'pool_places'), ('hpotool', 'study_settings'), ('public', 'trials'),
    ('hpotool', 'workers'), ('hpotool', 'attempts'), ('hpotool', 'pool_clocks'))
"""


@pytest.mark.parametrize("open_share", [1.0, 0.1], ids=["all open", "most done"])
def test_a_choice_reads_as_little_among_1000_studies_as_among_10(pool: Pool, open_share: float) -> None:
    rows = {10: _rows_of_a_choice(pool, 10, open_share)}
    rows[1000] = _rows_of_a_choice(pool, 990, open_share)
    assert rows[1000] <= min(20, rows[10]), rows  # so small a table as that of ten studies is read as a whole


def _rows_of_a_choice(pool: Pool, more: int, open_share: float) -> int:
    """How many rows of all tables a choice looks at, once the statistics are those of a database in use."""
    [(known,)] = pool.connection.run("SELECT count(*) FROM studies")
    names = [f"s{known + place}" for place in range(more)]
    pool.connection.run(
        "WITH study AS (INSERT INTO studies (study_name) SELECT unnest(%s) RETURNING study_id)"
        "INSERT INTO hpotool.study_settings (study_id, spec) "
        """SELECT study_id, '{"pool": "p", "max_running": 5}' FROM study""",
        (names,),
    )
    pool.connection.run(
        "INSERT INTO trials (study_id, number, state) "
        "SELECT study_id, n, CASE WHEN n < 2 THEN 'RUNNING' ELSE 'COMPLETE' END::trialstate "
        "FROM studies, generate_series(0, 20) n WHERE study_name = ANY(%s)",
        (names,),
    )
    closed = names[int(more * open_share) :]
    pool.connection.run(
        "UPDATE hpotool.study_settings SET state = 'stopped' FROM studies s "
        "WHERE s.study_id = study_settings.study_id AND study_name = ANY(%s)",
        (closed,),
    )
    for table in ("trials", "hpotool.pool_places", "hpotool.study_settings"):
        pool.connection.run(f"ANALYZE {table}")
    worker = pool.worker()
    worker.last = EndedTurn(worker.choose(), 2.0)  # type: ignore[arg-type]
    parameters = {
        "pool": "p", "unfit": [], "served": worker.last.turn.study_id,
        "took_s": 2.0, "charged_s": 1.0, "refused_because": None, "seen_version": worker.last.turn.version,
    }  # fmt: skip
    with closing(Connection(pool.connection.url)) as fresh:  # whose statistics hold nothing else yet
        counted = fresh.run(query("choose_study") + ";" + _ROWS_READ, parameters)
    return sum(count or 0 for _, count in counted)
