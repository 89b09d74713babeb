"""The environment of docker-compose.yml's services, with the real commands on a real Postgres."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest
import yaml
from psycopg2 import extensions
from sqlalchemy.engine import make_url

from tests.acceptance.command_line import ROOT, CommandLine
from tests.postgres import TestServer

PASSWORD = "p@ss/w:rd%20#?&'\" ${x}"


@pytest.fixture
def service(own_postgres: TestServer, tmp_path: Path) -> CommandLine:
    """The command line in a service's environment; only the host name, which compose resolves, is another."""
    connection = psycopg2.connect(own_postgres.url("postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        hashed = extensions.encrypt_password(PASSWORD, "hpotool", connection, "scram-sha-256")
        cursor.execute("CREATE ROLE hpotool LOGIN PASSWORD %s", (hashed,))
        cursor.execute("CREATE DATABASE hpotool OWNER hpotool")
    connection.close()
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    url = make_url(compose["services"]["worker"]["environment"]["HPOTOOL_STORAGE"])
    here = url.set(host="127.0.0.1", port=own_postgres.port).render_as_string(hide_password=False)
    return CommandLine(here, environment={"PGPASSWORD": PASSWORD, "HPOTOOL_HOME": str(tmp_path)})


def test_a_password_of_any_characters_reaches_every_command(service: CommandLine) -> None:
    service.run("create-study", "studies/quadratic.yaml", "--set", "budget.trials=3")
    service.run("worker", "--study", "quadratic", "--gpu", "none")
    status = service.json("status", "--study", "quadratic")
    assert (status["state"], status["trials"]["COMPLETE"]) == ("done", 3)
