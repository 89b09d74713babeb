"""People and workers who change a study at the same time: each change arrives, or its author is told why not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import optuna
import psycopg2
import pytest

from hpotool.errors import HpotoolError, InputError, NotFoundError
from hpotool.storage.control.confirmations import order_confirmation, read_confirmation
from hpotool.storage.control.creation import change_spec, create_or_resume, read_spec
from hpotool.storage.control.keeping import change_trial_tags, delete_study, rename_study
from hpotool.storage.control.orders import adopt_study, read_settings
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.origins import read_study_origin, record_origin
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.file.reader import read_study_file
from hpotool.study.origins.content import Part
from tests.faults.fleet import wait_until

TEXT = """
study: {name}
objective: {{python: nowhere:objective}}
metrics: {{loss: minimize}}
search_space: {{x: {{float: [0, 1]}}}}
budget: {{trials: 9}}
"""
WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock' AND state = 'active'"
)


@pytest.fixture
def url(study_database_url: str) -> DatabaseUrl:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return DatabaseUrl.parse(study_database_url)


@pytest.fixture
def connection(url: DatabaseUrl) -> Iterator[Connection]:
    with closing(Connection(url)) as connection:
        yield connection


def _add(connection: Connection, name: str) -> int:
    create_or_resume(connection, read_study_file(TEXT.format(name=name)), "test")
    return read_spec(connection, name)[0]


def _at_once(url: DatabaseUrl, *calls: Callable[[Connection], Any]) -> list[Any]:
    """The results or errors of calls that begin together, each on a connection of its own."""
    begin = threading.Barrier(len(calls))

    def run(call: Callable[[Connection], Any]) -> Any:
        with closing(Connection(url)) as connection:
            connection.run("SELECT 1")
            begin.wait()
            try:
                return call(connection)
            except HpotoolError as error:
                return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def _while_locked(
    url: DatabaseUrl, statement: str, values: tuple[Any, ...], *calls: Callable[[Connection], Any]
) -> Any:
    """The same while a transaction has run the statement; it commits when all of them wait for its locks."""
    with (
        closing(psycopg2.connect(url.libpq)) as holder,
        closing(Connection(url)) as looking,
        ThreadPoolExecutor(1) as pool,
        holder.cursor() as cursor,
    ):
        cursor.execute(statement, values)
        results = pool.submit(_at_once, url, *calls)
        wait_until(lambda: looking.run(WAITING)[0][0] >= len(calls), "calls that wait for the lock")
        holder.commit()
        return results.result(30)


def test_of_workers_with_different_code_that_start_together_one_sets_the_studys(
    url: DatabaseUrl, connection: Connection
) -> None:
    """Where the creator saw no code, the first worker's is the study's, and every other one is told so."""
    study_id = _add(connection, "s")
    codes = [Part("code", {"files": {"a.py": str(each)}}) for each in range(4)]
    calls = [
        lambda own, part=part: record_origin(own.run, study_id, [part]) for part in codes
    ]  # fmt: skip
    lock = "SELECT FROM hpotool.study_settings WHERE study_id = %s FOR UPDATE"
    answers = _while_locked(url, lock, (study_id,), *calls)
    [(first, _)] = [(each, answer) for each, answer in enumerate(answers) if answer == {}]
    assert read_study_origin(connection.run, study_id).hashes["code"] == codes[first].hash
    others = [answer["code"] for each, answer in enumerate(answers) if each != first]
    assert others == [codes[first].content] * 3, "each of them can say that it differs"


def test_two_who_want_one_name_are_told_who_has_it(url: DatabaseUrl, connection: Connection) -> None:
    ids = [_add(connection, name) for name in ("a", "b")]
    answers = _while_locked(
        url, "UPDATE studies SET study_name = 'wanted' WHERE study_id = %s", (ids[1],),
        lambda own: rename_study(own, "a", "wanted", "me"),
    )  # fmt: skip
    assert isinstance(answers[0], InputError)
    assert answers[0].message == "there is already a study 'wanted'"
    assert read_spec(connection, "a")[0] == ids[0], "it keeps its name"


def test_a_study_that_is_deleted_while_it_is_renamed_is_said_to_be_gone(
    url: DatabaseUrl, connection: Connection
) -> None:
    study_id = _add(connection, "a")
    answers = _while_locked(
        url, "SELECT FROM studies WHERE study_id = %s FOR UPDATE", (study_id,),
        lambda own: delete_study(own, study_id), lambda own: rename_study(own, "a", "b", "me"),
    )  # fmt: skip
    assert answers[0] is None
    if answers[1] is not None:  # else it was renamed first
        assert isinstance(answers[1], NotFoundError)
        assert "'a'" in answers[1].message
    assert connection.run("SELECT count(*) FROM studies") == [(0,)]


def test_settings_that_several_change_at_once_have_every_change(url: DatabaseUrl, connection: Connection) -> None:
    study_id = _add(connection, "s")

    def raise_budget(own: Connection) -> Any:
        def more(spec: Any) -> Any:
            return replace(spec, budget=replace(spec.budget, trials=spec.budget.trials + 1))

        return change_spec(own, "s", more, "me")

    def tag(own: Connection) -> Any:
        return change_spec(own, "s", lambda spec: replace(spec, tags={**spec.tags, "by": "you"}), "you")

    answers = _at_once(url, *[raise_budget] * 5, tag, lambda own: rename_study(own, "s", "t", "me"))
    refused = [answer for answer in answers if isinstance(answer, HpotoolError)]
    assert all(isinstance(each, NotFoundError) for each in refused), "only those that came after the new name"
    _, spec = read_spec(connection, "t")
    changed = sum(not isinstance(answer, HpotoolError) for answer in answers[:5])
    settings = read_settings(connection.run, study_id)
    assert settings is not None
    assert spec.budget.trials == settings.budget_trials == 9 + changed
    assert spec.name == "t"
    assert spec.tags == ({} if isinstance(answers[5], HpotoolError) else {"by": "you"})


def test_tags_that_several_set_at_once_are_all_there(url: DatabaseUrl, connection: Connection) -> None:
    study_id = _add(connection, "s")
    connection.run("INSERT INTO trials (study_id, number, state) VALUES (%s, 0, 'COMPLETE')", (study_id,))
    change_trial_tags(connection, study_id, 0, {"old": "x"})
    calls = [
        lambda own, each=each: change_trial_tags(own, study_id, 0, {f"tag-{each}": str(each)}) for each in range(6)
    ]
    answers = _at_once(url, *calls, lambda own: change_trial_tags(own, study_id, 0, {"old": ""}))
    assert not any(isinstance(answer, HpotoolError) for answer in answers)
    last = change_trial_tags(connection, study_id, 0, {"last": "y"})
    assert dict(last) == {**{f"tag-{each}": str(each) for each in range(6)}, "last": "y"}


def test_points_that_several_ask_to_confirm_at_once_are_all_ordered_and_each_once(
    url: DatabaseUrl, connection: Connection
) -> None:
    study_id = _add(connection, "s")

    def ask(name: str) -> Callable[[Connection], Any]:
        def extend(order: Order | None) -> Order:
            points = {point.name: point for point in (order.points if order else ())}
            points[name] = Point(name, {"x": 0.5}, trial=0)
            return Order(tuple(points.values()), 2, None, None)

        return lambda own: order_confirmation(own.run, study_id, "me", extend)

    answers = _at_once(url, *(ask(f"trial {each % 3}") for each in range(6)))
    assert not any(isinstance(answer, HpotoolError) for answer in answers)
    found = read_confirmation(connection.run, study_id)
    assert found is not None
    assert {point.name for point in found.order.points} == {"trial 0", "trial 1", "trial 2"}
    marks = sorted((one.reevaluation.point, one.reevaluation.replicate) for one in found.replicates)
    assert marks == [(f"trial {each}", seed) for each in range(3) for seed in range(2)], "none twice"
    numbers = [number for (number,) in connection.run("SELECT number FROM trials ORDER BY 1")]
    assert numbers == list(range(6))


def test_a_study_that_several_create_at_once_is_created_once_with_one_seed(
    url: DatabaseUrl, connection: Connection
) -> None:
    spec = read_study_file(TEXT.format(name="s") + "warm_start: [{x: 0.25}, {x: 0.75}]\n")
    answers = _at_once(url, *[lambda own: create_or_resume(own, spec, "me")] * 6)
    assert sum(answer.is_new for answer in answers) == 1
    assert len({answer.spec.sampler.seed for answer in answers}) == 1, "all of them work with the stored one"
    assert connection.run("SELECT number, state::text FROM trials ORDER BY 1") == [(0, "WAITING"), (1, "WAITING")]


def test_a_study_of_plain_optuna_that_several_adopt_at_once_has_one_row(
    url: DatabaseUrl, connection: Connection
) -> None:
    study = optuna.create_study(study_name="plain", storage=optuna.storages.RDBStorage(url.sqlalchemy))
    _at_once(url, *[lambda own: adopt_study(own.run, study._study_id)] * 6)
    assert connection.run("SELECT count(*) FROM hpotool.study_settings") == [(1,)]


def test_a_new_name_undoes_no_change_of_the_settings_that_came_before_it(
    url: DatabaseUrl, connection: Connection
) -> None:
    study_id = _add(connection, "s")
    change = (
        "UPDATE hpotool.study_settings SET spec = jsonb_set(spec, '{budget,trials}', '70'), budget_trials = 70 "
        "WHERE study_id = %s"
    )
    with (
        closing(psycopg2.connect(url.libpq)) as first,
        closing(psycopg2.connect(url.libpq)) as second,
        ThreadPoolExecutor(1) as pool,
    ):
        first.cursor().execute("SELECT FROM studies WHERE study_id = %s FOR UPDATE", (study_id,))
        renamed = pool.submit(_at_once, url, lambda own: rename_study(own, "s", "t", "me"))
        wait_until(lambda: connection.run(WAITING)[0][0] == 1, "the rename, which has read the settings")
        second.cursor().execute(change, (study_id,))
        first.commit()
        behind = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
        pid = second.info.backend_pid
        wait_until(lambda: connection.run(behind, (pid,))[0][0] == 1, "the rename, which waits for the settings")
        second.commit()
        assert renamed.result(30) == [None]
    _, spec = read_spec(connection, "t")
    settings = read_settings(connection.run, study_id)
    assert settings is not None
    assert (spec.name, spec.budget.trials, settings.budget_trials) == ("t", 70, 70)
