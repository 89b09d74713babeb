"""No setting of server, database, role, pooler or environment changes a guarantee: the table, and real workers."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import psycopg2
import pytest

from hpotool.storage.control import orders
from hpotool.storage.control.studies import list_studies
from hpotool.storage.database.connection import Connection, RefusedStatementError
from hpotool.storage.database.url import DatabaseUrl
from tests.faults.fleet import Fleet, wait_until
from tests.settings_matrix import SERVER_WIDE, SETTINGS, Setting, major_version, try_setting


@pytest.mark.parametrize(
    "setting", [setting for setting in SETTINGS if setting is not SERVER_WIDE], ids=lambda setting: setting.name
)
def test_no_setting_costs_a_trial_a_number_or_a_worker(postgres, setting: Setting) -> None:
    if major_version(postgres) < setting.since:
        pytest.skip(f"Postgres {setting.since} has this setting, and this is an older one")

    figures = try_setting(postgres, setting)

    assert figures.is_right, figures


def test_no_setting_of_the_whole_server_costs_a_trial_a_number_or_a_worker(own_postgres) -> None:
    figures = try_setting(own_postgres, SERVER_WIDE)

    assert figures.is_right, figures


def test_a_reader_reads_and_writes_nothing(study_database_url: str, postgres, make_study) -> None:
    study = make_study(budget=3)
    study.claim(study.worker())
    role = f"reader_{study.url.url.database}"
    study.connection.run(
        f"CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA public, hpotool TO {role};"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public, hpotool TO {role}"
    )
    reader = Connection(DatabaseUrl(study.url.url.set(username=role, password="x")))

    [summary] = list_studies(reader)
    assert summary.trials == {"RUNNING": 1}
    assert orders.count_budget(reader.run, study.study_id).running == 1
    with pytest.raises(RefusedStatementError, match="permission denied") as refused:
        orders.set_state(reader.run, study.study_id, "paused", "", "reader")
    assert "Roles" in (refused.value.hint or "")

    reader.close()
    study.connection.run(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.fixture
def folder() -> Path:
    folder = Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_workers_outlive_a_lock_that_is_held_for_longer_than_every_timeout(
    study_database_url: str, folder: Path
) -> None:
    fleet = Fleet(study_database_url, folder, budget=12)
    name = fleet.connection.url.url.database
    for setting in (
        "statement_timeout = '200ms'",
        "lock_timeout = '100ms'",
        "default_transaction_isolation = 'repeatable read'",
    ):
        fleet.connection.run(f'ALTER DATABASE "{name}" SET {setting}')
    try:
        workers = [fleet.start_worker(PGTZ=zone) for zone in ("Asia/Tokyo", "America/St_Johns")]
        wait_until(lambda: len(fleet.states()) >= 2, "the first trials")
        holder = psycopg2.connect(study_database_url)
        holder.cursor().execute("SELECT FROM studies FOR UPDATE")
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
        wait_until(lambda: fleet.connection.run(waiting, (name,)) != [(0,)], "a claim that waits")
        fleet.connection.run("SELECT pg_sleep(1)")
        holder.close()

        wait_until(fleet.is_done, "the budget")
        fleet.check()
        assert [worker.wait() for worker in workers] == [0, 0]
    finally:
        fleet.close()


def test_a_schema_that_is_dropped_under_a_worker_is_one_sentence(study_database_url: str, folder: Path) -> None:
    fleet = Fleet(study_database_url, folder, budget=1000)
    try:
        worker = fleet.start_worker()
        wait_until(lambda: len(fleet.states()) >= 2, "the first trials")
        fleet.connection.run("DROP SCHEMA hpotool CASCADE")

        assert worker.wait(60) != 0
        [log] = fleet.logs()
        assert "Traceback" not in log
        assert re.search(r'leaving: .*the database .* refused: relation "hpotool.* does not exist', log)
        assert "hpotool db upgrade" in log
    finally:
        fleet.close()
