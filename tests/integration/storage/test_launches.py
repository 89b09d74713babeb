"""What is kept of launches, and how workers hear from them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from hpotool import __version__
from hpotool.storage.control import launches
from hpotool.storage.control.creation import create_or_resume, find_study_id
from hpotool.storage.control.keeping import delete_study
from hpotool.storage.control.orders import adopt_study, end_worker, read_events, register_worker
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Run, beat, read_orders
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.pools.turns import register_pool_worker
from hpotool.study.file.reader import read_study_file
from tests.faults.fleet import wait_until


@pytest.fixture
def run(study_database_url: str) -> Run:
    connection = Connection(DatabaseUrl.parse(study_database_url))
    connection.run("INSERT INTO studies (study_id, study_name) VALUES (1, 'mine'), (2, 'other')")
    for study_id in (1, 2):
        adopt_study(connection.run, study_id)
    return connection.run


def worker(name: str) -> WorkerIdentity:
    return WorkerIdentity(name, "here", 1, "boot", "1", "cpu")


def record(run: Run, launch_id: str = "ssh-1", study_id: int = 1) -> None:
    launches.record_launch(run, study_id, launch_id, "ssh", 2, {"workers": 2}, "me@here", "2 workers by ssh")


def test_a_launch_is_entered_once_and_its_event_with_it(run: Run) -> None:
    record(run)
    record(run)
    launches.change_launch(run, "ssh-1", 5, ["4711"], "me@here", "5 workers wanted")
    [found] = launches.list_launches(run, 1)
    assert (found.wanted, found.jobs, found.request, found.is_stopped) == (5, ("4711",), {"workers": 2}, False)
    assert launches.list_launches(run, 2) == []
    assert [event.reason for event in read_events(run, 1) if event.kind == "launch"] == [
        "2 workers by ssh",
        "5 workers wanted",
    ]


def test_a_worker_is_found_by_its_launch_and_place(run: Run) -> None:
    record(run)
    register_worker(run, 1, worker("w1"), "ssh-1", "gpu1/w1")
    register_worker(run, 1, worker("w2"))
    register_worker(run, 2, worker("of another study"))
    found = {each.worker_id: (each.launch_id, each.job, each.told_to) for each in launches.list_fleet(run, 1)}
    assert found == {"w1": ("ssh-1", "gpu1/w1", None), "w2": (None, None, None)}
    for each in ("w1", "w2"):
        end_worker(run, each, "done")
    assert [each.worker_id for each in launches.list_fleet(run, 1)] == ["w1"], "who left a launch is still known"


def test_those_who_are_told_to_leave_hear_it_with_every_answer(run: Run) -> None:
    for name in ("w1", "w2"):
        register_worker(run, 1, worker(name))
    end_worker(run, "w2", "done")
    register_worker(run, 2, worker("w3"))
    assert launches.tell_workers(run, 1, ["w1", "w2", "w3", "nobody"]) == ["w1"]
    assert [
        orders.told_to
        for orders in (beat(run, worker("w1"), None), read_orders(run, worker("w1"), None))
        if orders
    ] == [
        "stop",
        "stop",
    ]
    other = beat(run, worker("w3"), None)
    assert other is not None
    assert other.told_to is None


def test_who_comes_after_the_stop_of_its_launch_is_told_with_its_first_beat(run: Run) -> None:
    record(run)
    record(run, "ssh-2")
    register_worker(run, 1, worker("early"), "ssh-1", "a/w1")
    launches.stop_launch(run, "ssh-1", "me@here", "enough")
    register_worker(run, 1, worker("late"), "ssh-1", "a/w2")
    register_worker(run, 1, worker("else"), "ssh-2", "a/w1")
    told = {each.worker_id: each.told_to for each in launches.list_fleet(run, 1)}
    assert told == {"early": "stop", "late": "stop", "else": None}
    assert [launch.is_stopped for launch in launches.list_launches(run, 1)] == [True, False]


def test_a_deleted_study_takes_its_launches_along(run: Run) -> None:
    record(run)
    run("DELETE FROM studies WHERE study_id = 1", {})
    assert run("SELECT count(*) FROM hpotool.launches", {}) == [(0,)]


def test_what_was_launched_for_a_pool_survives_the_study_that_it_is_recorded_with(study_database_url: str) -> None:
    connection = Connection(DatabaseUrl.parse(study_database_url))
    ids = []
    for name in ("first", "second", "elsewhere"):
        pool = "q" if name == "elsewhere" else "p"
        text = (
            f"study: {name}\nobjective: {{python: 'm:f'}}\nmetrics: {{loss: minimize}}\npool: {pool}\n"
            "search_space: {x: {float: [0, 1]}}\n"
        )
        create_or_resume(connection, read_study_file(text), "test")
        ids.append(find_study_id(connection, name))
    first, second, _ = ids
    request = {"workers": 2, "pool": "p"}
    launches.record_launch(connection.run, first, "ssh-p", "ssh", 2, request, "me@here", "2 workers by ssh")
    record(connection.run, "ssh-own", first)
    delete_study(connection, first)
    assert [each.launch_id for each in launches.list_launches(connection.run, second)] == ["ssh-p"]
    assert launches.list_launches(connection.run, ids[2]) == []
    delete_study(connection, second)  # nobody is left to take it over
    assert connection.run("SELECT count(*) FROM hpotool.launches") == [(0,)]


BEHIND = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"


def _while_open(run: Run, url: str, statement: str, parameters: Any, call: Callable[[Run], None]) -> None:
    """Run the call on another connection while a transaction that has run the statement has not committed yet."""
    with closing(psycopg2.connect(url)) as holder, ThreadPoolExecutor(1) as pool:
        holder.cursor().execute(f"SET search_path TO public; {statement}", parameters)

        def work() -> None:
            with closing(Connection(DatabaseUrl.parse(url))) as own:
                call(own.run)

        waiting = pool.submit(work)
        pid = holder.info.backend_pid
        wait_until(lambda: run(BEHIND, (pid,))[0][0] == 1 or waiting.done(), "the call, which waits", 20)  # type: ignore[arg-type]
        holder.commit()
        waiting.result(30)


def _told(run: Run, name: str) -> str | None:
    [(told_to,)] = run("SELECT told_to FROM hpotool.workers WHERE worker_id = %(name)s", {"name": name})
    return told_to


@pytest.mark.parametrize("in_pool", [False, True], ids=["of a study", "of a pool"])
def test_a_worker_that_comes_while_its_launch_is_stopped_is_told_so(
    run: Run, study_database_url: str, in_pool: bool
) -> None:
    record(run)

    def register(own: Run) -> None:
        if in_pool:
            register_pool_worker(own, "p", worker("late"), "ssh-1", "job")
        else:
            register_worker(own, 1, worker("late"), "ssh-1", "job")

    stop = {"launch_id": "ssh-1", "actor": "me", "reason": "enough"}
    _while_open(run, study_database_url, query("stop_launch"), stop, register)
    assert _told(run, "late") == "stop"


@pytest.mark.parametrize("in_pool", [False, True], ids=["of a study", "of a pool"])
def test_a_launch_that_is_stopped_while_a_worker_comes_stops_that_one_too(
    run: Run, study_database_url: str, in_pool: bool
) -> None:
    record(run)
    place = {"pool": "p"} if in_pool else {"study_id": 1}
    known = {"version": __version__, "launch_id": "ssh-1", "job": "job", "devices": []}
    statement = query("register_pool_worker" if in_pool else "register_worker")
    _while_open(
        run, study_database_url, statement, vars(worker("early")) | known | place,
        lambda own: launches.stop_launch(own, "ssh-1", "me", "enough"),
    )  # fmt: skip
    assert _told(run, "early") == "stop"
