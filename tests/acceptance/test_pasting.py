"""What hpotool prints and documents for pasting, pasted: into a shell, plain Optuna, its dashboard, psql."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from hpotool.errors import quote_word
from hpotool.server import EmbeddedPostgres
from hpotool.server.binaries import all_binaries
from hpotool.server.network import own_address
from hpotool.storage.open import open_storage
from tests.acceptance.command_line import HPOTOOL, ROOT, CommandLine, wait_until
from tests.postgres import TestServer

LOAD = "import optuna, sys; print(len(optuna.load_study(study_name='quadratic', storage=sys.argv[1]).trials))"
DOCUMENTED = sorted(
    {
        line.partition("#")[0].strip()
        for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for line in re.findall(r"^(?:\$ )?([\w-]+ .*\$\(hpotool db url\).*)$", page.read_text(), re.M)
    }
)


class Shell:
    """A shell as a person uses it, in an activated environment."""

    def __init__(self, environment: dict[str, str], folder: Path = ROOT) -> None:
        self.folder = folder
        programs = [str(HPOTOOL.parent), *(str(each.folder) for each in all_binaries())]
        path = os.pathsep.join([*programs, os.environ["PATH"]])
        self.environment = {**os.environ, "COLUMNS": "200", **environment, "PATH": path}
        if "HPOTOOL_STORAGE" not in environment:
            self.environment.pop("HPOTOOL_STORAGE", None)

    def run(self, line: str, code: int = 0) -> str:
        """What a line writes, talk and data together."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == code, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(params=["loopback", "open"])
def shell(request: pytest.FixtureRequest, hpotool_home: Path) -> Iterator[Shell]:
    """A machine with a study on its embedded Postgres, which is its own or open to others."""
    opened = Shell({"HPOTOOL_HOME": str(hpotool_home)})
    if request.param == "open":
        # Networks of others only: the printed address must work on this machine all the same.
        opened.run(f"hpotool db up --listen {own_address()} --allow 198.51.100.0/24")
    opened.run("hpotool create-study studies/quadratic.yaml")
    yield opened
    EmbeddedPostgres(hpotool_home).destroy()


def test_printed_url_in_plain_optuna_its_dashboard_and_psql(shell: Shell) -> None:
    assert "quadratic" in shell.run('optuna studies --storage "$(hpotool db url)"')
    assert shell.run(f'{sys.executable} -c "{LOAD}" "$(hpotool db url)"').strip().isdigit()
    assert "quadratic" in shell.run('psql "$(hpotool db url)" -c "SELECT study_name FROM studies"')
    _serve_dashboard(shell)
    for line in DOCUMENTED:
        if not line.startswith("optuna-dashboard"):
            shell.run(line.replace("--study-name my-model", "--study-name quadratic"))
    shell.run('optuna delete-study --study-name quadratic --storage "$(hpotool db url)"')
    assert "quadratic" not in shell.run("hpotool studies")


def test_there_are_documented_lines() -> None:
    assert {line.split()[0] for line in DOCUMENTED} >= {"optuna", "optuna-dashboard", "psql"}


def _serve_dashboard(shell: Shell) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = f'exec optuna-dashboard "$(hpotool db url)" --port {port}'
    process = subprocess.Popen(
        ["sh", "-c", line], cwd=ROOT, env=shell.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_until(lambda: process.poll() is not None or _shows_study(port), "the dashboard answers")
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
    finally:
        process.kill()
        process.wait()


def _shows_study(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies", timeout=10) as answer:
            return "quadratic" in answer.read().decode()
    except OSError:
        return False


@pytest.fixture
def several(database_url: str) -> Shell:
    """A database with two studies; plain Optuna made one of them, with a name that a shell would take apart."""
    CommandLine(database_url).run("create-study", "studies/quadratic.yaml")
    made = optuna.create_study(study_name="digits/run 1", storage=open_storage(database_url))
    made.optimize(lambda trial: trial.suggest_float("x", -10, 10), n_trials=4)
    made.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
    return Shell({"HPOTOOL_STORAGE": database_url})


@pytest.mark.parametrize("study", ["quadratic", "digits/run 1"])
def test_hints_work_where_there_are_several_studies_with_odd_names(several: Shell, study: str) -> None:
    chosen = f"--study '{study}'"
    resume = several.run(f"hpotool pause {chosen}").partition("to continue: ")[2]
    assert "running again" in several.run(resume)
    for wrong in (f"hpotool retry 99 {chosen}", f"hpotool stop --trial 99 {chosen}", f"hpotool logs 0 {chosen}"):
        several.run(_hint(several.run(wrong, code=3)))


ODD_NAMES = ["--debug", "-x $(touch x)`'\"\\n ~*\n\x1b[31m", "=größe-試験"]


@pytest.fixture(scope="module")
def oddly_named(postgres: TestServer) -> Iterator[Shell]:
    """A database with plain Optuna's studies of odd names, each with a failed trial."""
    with postgres.database(f"pasting_{uuid.uuid4().hex}") as url:
        for name in ODD_NAMES:
            made = optuna.create_study(study_name=name, storage=open_storage(url))
            made.optimize(lambda trial: trial.suggest_float("-x", -10, -9), n_trials=2)
            made.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
        yield Shell({"HPOTOOL_STORAGE": url})


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_what_is_printed_about_an_odd_name_can_be_pasted(oddly_named: Shell, name: str, tmp_path: Path) -> None:
    shell = Shell({"HPOTOOL_STORAGE": oddly_named.environment["HPOTOOL_STORAGE"]}, tmp_path)
    chosen = f"--study={quote_word(name)}"
    assert "running again" in shell.run(shell.run(f"hpotool pause {chosen}").partition("to continue: ")[2])
    for wrong in (f"retry 99 {chosen}", f"stop --trial 99 {chosen}", f"reproduce 99 {chosen}"):
        shell.run(_hint(shell.run(f"hpotool {wrong}", code=3)))
    enqueue = _hint(shell.run(f"hpotool budget {chosen}", code=3))
    if "NEW_NAME" in enqueue:
        assert "'other' does not exist" in shell.run(
            enqueue.partition(", then ")[2].replace("NEW_NAME", "other"), 3
        )
    assert "is no longer archived" in shell.run(shell.run(f"hpotool archive {chosen}").partition("undo: ")[2])
    delete = _hint(shell.run(f"hpotool delete </dev/null -- {quote_word(name)}", code=2))
    assert "is deleted" in shell.run(delete)
    assert list(tmp_path.iterdir()) == []


def test_a_retry_that_exists_is_proposed_for_its_study(several: Shell) -> None:
    several.run("hpotool retry 4 --study 'digits/run 1'")
    hint = _hint(several.run("hpotool retry 4 --study 'digits/run 1'", code=2))
    assert "trial 5 is WAITING" in several.run(hint, code=2)


@pytest.mark.parametrize("name", ["digits/run 1", "größer als 50 %", "it's $HOME", "-x"])
def test_adopting_a_study_with_a_slash(several: Shell, tmp_path: Path, name: str) -> None:
    if name != "digits/run 1":
        made = optuna.create_study(study_name=name, storage=open_storage(several.environment["HPOTOOL_STORAGE"]))
        made.optimize(lambda trial: trial.suggest_float("x", -10, 10), n_trials=4)
    hint = _hint(several.run(f"hpotool budget --study={shlex.quote(name)}", code=3))
    assert f"study: {name}" not in hint
    create, enqueue = re.findall(r"hpotool [a-z-]+ .*?(?=, then|$)", hint)
    file = tmp_path / "study.yaml"
    file.write_text((ROOT / "studies" / "quadratic.yaml").read_text().replace("quadratic", "adopted", 1))
    several.run(create.replace("FILE", str(file)))
    assert "queued 4 trials" in several.run(enqueue.replace("NEW_NAME", "adopted"))


def _hint(talk: str) -> str:
    found = re.search(r"^hint: (.+)$", talk, re.M)
    assert found, talk
    return found[1]
