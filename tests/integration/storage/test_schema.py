"""The own tables: installed without a race, refused when they are another version's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import optuna
import pytest

from hpotool.storage.database import schema
from hpotool.storage.database.connection import Connection, RefusedDataError
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Attempt, claim_trial, new_attempt_id
from hpotool.storage.fleet.worker_identity import WorkerIdentity


def _install(url: str) -> str:
    try:
        schema.ensure_schema(DatabaseUrl.parse(url))
    except Exception as error:  # noqa: BLE001  (the parent shows it)
        return repr(error)
    return "installed"


def test_twenty_processes_at_once_install_the_tables(database_url: str) -> None:
    with get_context("forkserver").Pool(20) as pool:
        answers = pool.map(_install, [database_url] * 20, chunksize=1)

    assert answers == ["installed"] * 20
    [(count,)] = Connection(DatabaseUrl.parse(database_url)).run("SELECT count(*) FROM hpotool.schema_version")
    assert count == 1


def test_a_database_that_plain_optuna_made_gets_the_tables_beside_its_own(database_url: str) -> None:
    url = DatabaseUrl.parse(database_url)
    study = optuna.create_study(storage=url.sqlalchemy)
    study.add_trial(optuna.create_trial(value=1.0))

    schema.ensure_schema(url)

    assert optuna.load_study(study_name=study.study_name, storage=url.sqlalchemy).best_value == 1.0


@pytest.mark.parametrize(("version", "hint"), [(0, "hpotool db upgrade"), (99, "pip install --upgrade hpotool")])
def test_tables_of_another_version_are_refused_with_what_to_do(
    study_database_url: str, version: int, hint: str
) -> None:
    url = DatabaseUrl.parse(study_database_url)
    connection = Connection(url)
    connection.run("UPDATE hpotool.schema_version SET version = %s", (version,))

    for check in (lambda: schema.check_schema(connection), lambda: schema.ensure_schema(url)):
        with pytest.raises(schema.SchemaError) as refused:
            check()
        assert refused.value.hint == hint


def test_an_upgrade_applies_each_missing_step_once(
    study_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = DatabaseUrl.parse(study_database_url)
    steps = (*schema.migrations(), "CREATE TABLE hpotool.added_later (only_column integer)")
    monkeypatch.setattr(schema, "migrations", lambda: steps)
    before = len(steps) - 1
    with pytest.raises(schema.SchemaError, match=f"version {before}"):
        schema.ensure_schema(url)

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(lambda _: schema.upgrade_schema(url), range(4)))

    assert answers == [(before, before + 1), *[(before + 1, before + 1)] * 3]
    assert Connection(url).run("SELECT only_column FROM hpotool.added_later") == []


def _numbers_are_unique(url: DatabaseUrl) -> bool:
    try:
        Connection(url).run("INSERT INTO trials (study_id, number, state) SELECT study_id, 0, 'FAIL' FROM studies")
    except RefusedDataError:
        return True
    return False


@pytest.mark.parametrize("is_made_by_the_last_release", [False, True])
def test_the_database_gives_no_number_twice(
    database_url: str, monkeypatch: pytest.MonkeyPatch, is_made_by_the_last_release: bool
) -> None:
    url = DatabaseUrl.parse(database_url)
    schema.ensure_schema(url)
    if is_made_by_the_last_release:
        Connection(url).run(
            "DROP INDEX hpotool_trials_number;"
            "CREATE INDEX hpotool_trials_number ON trials (study_id, number) WHERE number IS NOT NULL"
        )
        schema.upgrade_schema(url)
    study = optuna.create_study(storage=url.sqlalchemy)

    study.enqueue_trial({"x": 0.5})
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3, n_jobs=3)
    study.add_trial(optuna.create_trial(value=1.0))

    assert [trial.number for trial in study.trials] == [0, 1, 2, 3], "plain Optuna goes on as before"
    assert _numbers_are_unique(url)
    assert schema.numbers_given_twice(Connection(url)) == {}


def test_numbers_that_were_given_twice_are_named_and_become_unique_when_they_are_gone(database_url: str) -> None:
    url = DatabaseUrl.parse(database_url)
    study = optuna.create_study(study_name="old", storage=url.sqlalchemy)
    connection = Connection(url)
    for _ in range(2):
        connection.run("INSERT INTO trials (study_id, number, state) VALUES (%s, 3, 'FAIL')", (study._study_id,))

    schema.ensure_schema(url)
    schema.upgrade_schema(url)

    assert schema.numbers_given_twice(connection) == {"old": [3]}
    optuna.delete_study(study_name="old", storage=url.sqlalchemy)
    optuna.create_study(storage=url.sqlalchemy).ask()
    schema.upgrade_schema(url)
    assert _numbers_are_unique(url)


def test_deleting_a_study_in_optuna_deletes_its_rows_here(make_study) -> None:
    study = make_study(budget=3)
    study.claim(study.worker())

    optuna.delete_study(study_name=study.optuna.study_name, storage=study.url.sqlalchemy)

    for table in ("study_settings", "workers", "attempts", "events"):
        assert study.connection.run(f"SELECT count(*) FROM hpotool.{table}") == [(0,)], table


def test_a_study_of_the_first_version_goes_on_after_the_upgrade(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = DatabaseUrl.parse(database_url)
    first, newest = schema.migrations()[:1], schema.migrations()
    monkeypatch.setattr(schema, "migrations", lambda: first)
    schema.ensure_schema(url)
    study = optuna.create_study(storage=url.sqlalchemy)
    connection = Connection(url)
    settings = "INSERT INTO hpotool.study_settings (study_id, budget_trials) VALUES (%s, 1)"
    connection.run(settings, (study._study_id,))

    monkeypatch.setattr(schema, "migrations", lambda: newest)
    schema.upgrade_schema(url)

    worker = WorkerIdentity("w", "host", 1, "space", "start", "cpu")
    claimed = claim_trial(connection.run, study._study_id, worker, new_attempt_id())
    assert isinstance(claimed, Attempt)
    assert claimed.number == 0
