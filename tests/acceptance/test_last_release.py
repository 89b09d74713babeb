"""Workers of the last release live through ``hpotool db upgrade``, to the end of their study, beside new ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from tests.acceptance.command_line import ROOT, CommandLine, wait_until

LAST_RELEASE = "54815da"  # of this repository; a release replaces it
TRIALS = 12
STUDY = f"""
study: long
objective: {{python: slowly:objective}}
metrics: {{value: minimize}}
search_space: {{x: {{float: [0, 1]}}}}
sampler: {{name: random, seed: 1}}
budget: {{trials: {TRIALS}}}
"""
# Goes on when the test says so: nothing here depends on who is faster.
OBJECTIVE = """
import time
from pathlib import Path

def objective(trial):
    for step in range(3):
        trial.report(trial.params["x"] + step, step)
        while trial.number > 1 and not Path("go").exists():
            time.sleep(0.05)
    return trial.params["x"]
"""


@pytest.fixture(scope="module")
def last_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("last-release")
    packed = subprocess.run(
        ["git", "archive", LAST_RELEASE, "hpotool", "pyproject.toml"], cwd=ROOT, capture_output=True, check=False
    )
    if packed.returncode:
        pytest.fail(f"{LAST_RELEASE} is not in this clone; fetch its history: git fetch --unshallow")
    subprocess.run(["tar", "-x"], cwd=folder, input=packed.stdout, check=True)
    return folder


@contextmanager
def started(code: Path, folder: Path, url: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of the hpotool in ``code``, its log in ``folder``; killed at the end of the block."""
    environment = os.environ | {
        "HPOTOOL_STORAGE": url,
        "PYTHONPATH": str(code),
        "HPOTOOL_HOME": str(folder / "home"),
    }
    with (folder / f"{code.name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hpotool", *words], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_worker_of_the_last_release_finishes_its_study_through_an_upgrade(
    last_release: Path, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "slowly.py").write_text(OBJECTIVE)
    with started(last_release, tmp_path, database_url, "create-study", "study.yaml") as creating:
        assert creating.wait(60) == 0, _logs(tmp_path)
    worker = ("worker", "--study", "long", "--gpu", "none")
    with started(last_release, tmp_path, database_url, *worker) as old:
        wait_until(lambda: _count(database_url, "RUNNING") and _count(database_url, "COMPLETE") == 2, "two trials")

        hpotool = CommandLine(database_url, tmp_path)
        hpotool.run("db", "upgrade")
        with started(ROOT, tmp_path, database_url, *worker) as new:
            wait_until(lambda: _count(database_url, "RUNNING") == 2, "an old and a new worker side by side")
            (tmp_path / "go").touch()
            assert old.wait(60) == 0, _logs(tmp_path)
            assert new.wait(60) == 0, _logs(tmp_path)

    assert hpotool.json("status", "--study", "long")["trials"] == {"COMPLETE": TRIALS}
    attempts = hpotool.run("trials", "--study", "long", "--format", "csv").stdout.splitlines()
    assert len(attempts) == TRIALS + 1, "every trial once, none handed from one to the other"


def _count(url: str, state: str) -> int:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM trials WHERE state::text = %s", (state,))
        [count] = cursor.fetchone() or (0,)
    connection.close()
    return int(count)


def _logs(folder: Path) -> str:
    return "\n".join(f"--- {log.name}\n{log.read_text()[-3000:]}" for log in folder.glob("*.log"))
