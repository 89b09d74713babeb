"""docs/operations.md does what it says: its SQL, its commands and its PgBouncer file, on a real Postgres."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import psycopg2
import pytest

from hpotool.server.account import server_account
from hpotool.storage.database.url import DatabaseUrl
from tests.acceptance.command_line import ROOT, CommandLine, wait_until
from tests.postgres import TestServer, free_port, open_folder

TEXT = (ROOT / "docs/operations.md").read_text()


def blocks(language: str, section: str) -> list[str]:
    """The code blocks of one language in one section, in order."""
    [chapter] = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    return re.findall(rf"^```{language}\n(.*?)^```", chapter, re.M | re.S)


def run_sql(url: str, text: str) -> None:
    """As psql does: one statement after the other, each by itself."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in re.split(r";\s*\n", text):
            if statement.strip():
                cursor.execute(statement)
    connection.close()


def login(server: TestServer, role: str, password: str) -> str:
    return f"postgresql://{role}:{password}@127.0.0.1:{server.port}/hpotool"


@pytest.fixture
def owner(own_postgres: TestServer) -> CommandLine:
    """The command line with the role and the database that the section on an own Postgres creates."""
    [statements] = blocks("sql", "Your own Postgres")
    run_sql(own_postgres.url("postgres"), statements)
    hpotool = CommandLine(login(own_postgres, "hpotool", "choose-one"))
    hpotool.run("create-study", "studies/quadratic.yaml", "--set", "budget.trials=3")
    return hpotool


@pytest.fixture
def narrow_roles(own_postgres: TestServer, owner: CommandLine) -> None:
    [statements] = blocks("sql", "Roles and privileges")
    run_sql(own_postgres.url("hpotool"), statements)


@pytest.mark.usefixtures("narrow_roles")
def test_the_workers_role_can_work(own_postgres: TestServer, owner: CommandLine) -> None:
    url = login(own_postgres, "hpotool_worker", "choose-another")
    CommandLine(url).run("worker", "--study", "quadratic", "--gpu", "none")
    assert owner.json("status", "--study", "quadratic")["trials"]["COMPLETE"] == 3
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run_sql(url, "DROP TABLE trials")


@pytest.mark.usefixtures("narrow_roles")
def test_the_readers_role_can_look_and_nothing_else(own_postgres: TestServer) -> None:
    url = login(own_postgres, "hpotool_reader", "and-another")
    reader = CommandLine(url)
    assert [study["name"] for study in reader.json("studies")] == ["quadratic"]
    assert reader.json("status", "--study", "quadratic")["study"] == "quadratic"
    assert [trial["state"] for trial in reader.json("trials", "--study", "quadratic")] == ["WAITING"]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run_sql(url, "DELETE FROM studies")


def test_a_dump_restores_into_an_empty_database(
    own_postgres: TestServer, owner: CommandLine, tmp_path: Path
) -> None:
    before = owner.json("status", "--study", "quadratic")
    dump, _, restore = blocks("bash", "Backup, restore, moving")
    own_postgres.run("CREATE DATABASE restored OWNER hpotool")
    server = f"postgresql://hpotool@127.0.0.1:{own_postgres.port}"
    environment = {"HPOTOOL_STORAGE": f"{server}/hpotool", "NEW_STORAGE": f"{server}/restored"}
    secret = {"PGPASSWORD": "choose-one", "PATH": f"{own_postgres.binaries.folder}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-ec", dump + restore], env=os.environ | environment | secret, cwd=tmp_path, check=True)
    restored = CommandLine(environment["NEW_STORAGE"], environment=secret)
    assert restored.json("status", "--study", "quadratic") == before


def test_the_wheels_programs_are_where_it_says() -> None:
    _, find, _ = blocks("bash", "Backup, restore, moving")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    found = subprocess.run(["sh", "-c", find], env=environment, capture_output=True, text=True, check=True)
    for folder in ("pginstall18/bin", "pginstall/bin"):
        assert (Path(found.stdout.strip()) / folder / "pg_dump").exists()


def test_deleting_a_study_with_optuna_removes_hpotools_rows_too(owner: CommandLine) -> None:
    optuna.delete_study(study_name="quadratic", storage=DatabaseUrl.parse(str(owner.url)).sqlalchemy)
    connection = psycopg2.connect(str(owner.url))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM hpotool.study_settings")
        assert cursor.fetchone() == (0,)
    connection.close()


@pytest.fixture
def pgbouncer(own_postgres: TestServer, owner: CommandLine) -> Iterator[int]:
    """The port of a PgBouncer with the file that the documentation shows."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.fail("this test needs PgBouncer: apt-get install pgbouncer (make test does so for root on Debian)")
    folder = open_folder("pgbouncer")
    account = server_account()
    account.own(folder)
    port = free_port()
    (folder / "userlist.txt").write_text('"hpotool" "choose-one"\n')
    [shown] = blocks("ini", "PgBouncer")
    (folder / "pgbouncer.ini").write_text(
        shown.replace("port=5432", f"port={own_postgres.port}")
        .replace("listen_port = 6432", f"listen_port = {port}\nunix_socket_dir =")
        .replace("/etc/pgbouncer/userlist.txt", str(folder / "userlist.txt"))
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, folder / "pgbouncer.ini"],
            stdout=log, stderr=log, **account.popen_arguments(),
        )  # fmt: skip
    try:
        wait_until(lambda: f"listening on 127.0.0.1:{port}" in (folder / "log").read_text(), "PgBouncer listens")
        yield port
    finally:
        process.kill()
        process.wait()


def test_a_study_runs_through_pgbouncer(pgbouncer: int) -> None:
    hpotool = CommandLine(f"postgresql://hpotool:choose-one@127.0.0.1:{pgbouncer}/hpotool")
    hpotool.run("worker", "--study", "quadratic", "--gpu", "none")
    status = hpotool.json("status", "--study", "quadratic")
    assert (status["state"], status["trials"]["COMPLETE"]) == ("done", 3)
