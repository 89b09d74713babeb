"""The test database itself: fresh for every test, one server for the run, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import psycopg2
import pytest

from hpotool.storage.database.url import DatabaseUrl
from tests.postgres import PASSWORD, TestServer

ROOT = Path(__file__).parents[2]

RUN_THAT_HANGS = """
import os, pathlib, time
def test_hangs(postgres):
    folder = pathlib.Path(os.environ["HPOTOOL_TEST_RUN_FOLDER"])
    seen = pathlib.Path(os.environ["SEEN"])
    seen.with_suffix(".part").write_text(f"{postgres.cluster.process_id()} {folder}")
    seen.with_suffix(".part").rename(seen)
    time.sleep(200)
"""


@pytest.mark.parametrize("round_", [1, 2])
def test_each_test_gets_an_empty_database(database_url: str, round_: int) -> None:
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)
        cursor.execute("CREATE TABLE mine (x int)")
    connection.close()


@pytest.mark.parametrize("round_", [1, 2])
def test_each_study_database_starts_without_studies(study_database_url: str, round_: int) -> None:
    url = DatabaseUrl.parse(study_database_url).sqlalchemy
    assert optuna.get_all_study_names(url) == []
    optuna.create_study(study_name="mine", storage=url)


def test_a_wrong_password_is_refused(postgres: TestServer) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(postgres.url("postgres").replace(PASSWORD, "wrong"))


def test_an_own_server_keeps_what_was_committed_when_it_is_killed(own_postgres: TestServer) -> None:
    own_postgres.run("CREATE TABLE kept AS SELECT 42 AS x")
    own_postgres.kill()
    assert own_postgres.cluster.process_id() is None
    own_postgres.start()
    connection = psycopg2.connect(own_postgres.url("postgres"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT x FROM kept")
        assert cursor.fetchone() == (42,)
    connection.close()


@pytest.mark.parametrize(("workers", "ending"), [(0, signal.SIGINT), (2, signal.SIGKILL)], ids=["ctrl-c", "kill"])
def test_no_server_outlives_its_run(tmp_path: Path, workers: int, ending: signal.Signals) -> None:
    seen = tmp_path / "seen"
    (tmp_path / "test_it.py").write_text(RUN_THAT_HANGS)
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "HPOTOOL_TEST_RUN"))
    }
    pytest_itself = [sys.executable, "-m", "pytest", "-q", "-n", str(workers)]
    run = subprocess.Popen(
        [*pytest_itself, "-p", "tests.conftest", "--rootdir", ROOT, tmp_path],
        cwd=ROOT, env=environment | {"SEEN": str(seen)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(seen.exists)
        server, folder = seen.read_text().split()
        assert _lives(int(server))
        run.send_signal(ending)
        run.wait(30)
        _wait_for(lambda: not _lives(int(server)) and not Path(folder).exists())
    finally:
        run.kill()
        run.wait()


def _lives(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.05)
