"""docker-compose.yml on a real engine: built, three workers, one killed, all stopped, scaled, and what then holds.

It takes minutes and needs an engine, so it is not found by its name: ``make test-containers`` runs it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from tests.acceptance.command_line import ROOT, wait_until
from tests.faults.invariants import violations

# What .env.example says about quotes, and what a URL or a shell would change.
PASSWORD = r"p@ss:w/rd%x a$HOME'b#\c"
BUDGET = 8
# Its trials last until the test has done to the workers what it wants to do.
OBJECTIVE = """
import time
from pathlib import Path


def objective(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    trial.report(x, 0)
    while not Path("go").exists():
        time.sleep(0.05)
        if trial.should_stop():
            raise RuntimeError("asked to stop")
    with Path("/data/returned").open("a") as returned:
        returned.write(f"{trial.number} {x!r}\\n")
    return x
"""
STUDY = f"""
study: in-containers
objective: {{python: "waiting:objective"}}
metrics: {{x: minimize}}
budget: {{trials: {BUDGET}}}
"""
# Where the engine has no network of its own to build in, its machine's will do.
BUILD = """
services:
  study:
    build: {network: host}
  worker:
    environment: {HPOTOOL_HEARTBEAT_INTERVAL_S: "1", HPOTOOL_GRACE_PERIOD_S: "5"}
"""


@dataclass(frozen=True)
class Compose:
    """``docker compose`` on a copy of the project's file with a project name of its own."""

    name: str
    folder: Path
    database_port: int
    dashboard_port: int

    def run(self, *arguments: str) -> str:
        files = ["--file", str(ROOT / "docker-compose.yml"), "--file", str(self.folder / "build.yml")]
        settings = ["--project-name", self.name, "--env-file", str(self.folder / ".env"), *files]
        command = ["docker", "compose", *settings, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, f"docker compose {arguments}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def containers(self, service: str) -> list[str]:
        return self.run("ps", "--all", "--quiet", service).split()

    def connect(self) -> Connection:
        host, port = "127.0.0.1", self.database_port
        url = DatabaseUrl.parse(f"postgresql://hpotool@{host}:{port}/hpotool")
        return Connection(DatabaseUrl(url.url.set(password=PASSWORD)))


@pytest.fixture
def compose() -> Iterator[Compose]:
    """The project, with a study of its own, built and not yet started; removed with its volumes at the end."""
    folder = Path(tempfile.mkdtemp(prefix="hpotool-compose-", dir="/var/tmp"))
    folder.chmod(0o755)  # the containers' user reads it
    code = folder / "code"
    code.mkdir()
    (code / "waiting.py").write_text(OBJECTIVE)
    (code / "study.yaml").write_text(STUDY)
    (folder / "build.yml").write_text(BUILD)
    made = Compose(f"hpotool-test-{os.getpid()}", folder, _free_port(), _free_port())
    quoted = PASSWORD.replace("'", r"\'")
    example = (ROOT / ".env.example").read_text()
    assert "POSTGRES_PASSWORD=''\n" in example
    settings = {
        "STUDY_FILE": "study.yaml", "STUDY": "in-containers", "CODE": str(code), "MACHINE": "rack-7",
        "POSTGRES_PORT": str(made.database_port), "DASHBOARD_PORT": str(made.dashboard_port),
    }  # fmt: skip
    example = example.replace("POSTGRES_PASSWORD=''\n", f"POSTGRES_PASSWORD='{quoted}'\n")
    (folder / ".env").write_text(example + "".join(f"{name}={value}\n" for name, value in settings.items()))
    try:
        yield made
    finally:
        made.run("--profile", "gpu", "down", "--volumes", "--timeout", "5")
        shutil.rmtree(folder)


@pytest.mark.timeout(2400)
def test_three_workers_are_stopped_killed_and_scaled_and_every_guarantee_holds(compose: Compose) -> None:
    compose.run("build")
    compose.run("up", "--detach", "--scale", "worker=3")
    with closing(compose.connect()) as connection:
        wait_until(lambda: _states(connection).get("RUNNING", 0) == 3, "three workers run a trial each")
        _workers_bear_the_machines_name(connection)
        _the_dashboard_answers(compose)

        killed, *others = compose.containers("worker")
        subprocess.run(["docker", "kill", killed], check=True, capture_output=True)
        lost = "SELECT count(*) FROM hpotool.attempts WHERE outcome = 'lost'"
        wait_until(lambda: connection.run(lost) == [(1,)], "the others notice that one was killed")

        compose.run("stop", "worker")
        assert _exit_codes(others) == {75}
        assert "RUNNING" not in _states(connection)
        assert _outcomes(connection) >= {"lost", "preempted"}

        (compose.folder / "code" / "go").touch()
        compose.run("up", "--detach", "--scale", "worker=5")
        wait_until(lambda: _states(connection).get("COMPLETE", 0) == BUDGET, "the study is done")
        wait_until(lambda: _exit_codes(compose.containers("worker")) == {0}, "every worker leaves with 0")
        status = compose.run("run", "--rm", "worker", "status", "--format", "value")
        assert "done" in status
        compose.run("cp", "dashboard:/data/returned", str(compose.folder / "returned"))
        marker = "no process of this machine bears it"
        assert violations(connection, BUDGET, compose.folder, marker, is_value_safe=True) == []


def _workers_bear_the_machines_name(connection: Connection) -> None:
    names = [name for (name,) in connection.run("SELECT worker_id FROM hpotool.workers")]
    assert len(names) == 3
    assert all(name.startswith("rack-7-") for name in names), names


def _the_dashboard_answers(compose: Compose) -> None:
    url = f"http://127.0.0.1:{compose.dashboard_port}/api/studies"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=10) as got:
                return "in-containers" in got.read().decode()
        except OSError:
            return False

    wait_until(answers, "the dashboard shows the study")


def _states(connection: Connection) -> dict[str, int]:
    return dict(connection.run("SELECT state::text, count(*) FROM trials GROUP BY state"))


def _outcomes(connection: Connection) -> set[str]:
    return {outcome for (outcome,) in connection.run("SELECT outcome FROM hpotool.attempts")}


def _exit_codes(containers: list[str]) -> set[int | None]:
    return {_exit_code(each) for each in containers}


def _exit_code(container: str) -> int | None:
    """How the container ended; None while it runs."""
    shown = subprocess.run(
        ["docker", "inspect", "--format", "{{.State.Running}} {{.State.ExitCode}}", container],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    running, code = shown.stdout.split()
    return None if running == "true" else int(code)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
