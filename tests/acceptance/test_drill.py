"""``hpotool drill``: passes on our workers, fails on plain Optuna's, and leaves everything else alone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from tests.acceptance.command_line import HPOTOOL, CommandLine, wait_until

QUICK = {"HPOTOOL_HEARTBEAT_INTERVAL_S": "0.4", "HPOTOOL_GRACE_PERIOD_S": "1.6", "HPOTOOL_DRILL_STEP_S": "0.15"}
MINE = """
study: mine
objective: {command: ["true"]}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
budget: {trials: 4}
warm_start: [{x: 0.5}]
"""
# The worker that Optuna's own documentation shows: it takes one trial after the other.
PLAIN = """
import sys, warnings, optuna
from hpotool.drill.objective import objective
study = optuna.load_study(study_name=sys.argv[1], storage=sys.argv[2])
study.optimize(objective, catch=Exception)
"""


@pytest.fixture
def drill(database_url: str, tmp_path: Path) -> CommandLine:
    """The command line, with a quick pulse and a temporary folder that shows what is left in it."""
    (tmp_path / "temporary").mkdir()
    return CommandLine(database_url, environment=QUICK | {"TMPDIR": str(tmp_path / "temporary")})


def report(hpotool: CommandLine, *options: str, code: int) -> tuple[dict[str, Any], str]:
    done = subprocess.run(
        [HPOTOOL, "drill", *options, "--format", "json"],
        env=hpotool._environment(),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout), done.stderr


def broken(data: dict[str, Any]) -> dict[str, list[str]]:
    """The sentences of what does not hold, by guarantee."""
    found: dict[str, list[str]] = {}
    for each in data["invariants"]:
        assert each["holds"] is not bool(each["violations"])
        if not each["holds"]:
            found.setdefault(each["guarantee"], []).extend(each["violations"])
    return found


def contents(url: str) -> list[Any]:
    """Every study but a drill's, with its trials and events."""
    connection = Connection(DatabaseUrl.parse(url))
    rows = connection.run(
        "SELECT study_name, (SELECT json_agg(t ORDER BY trial_id) FROM trials t WHERE t.study_id = s.study_id), "
        "(SELECT json_agg(e ORDER BY event_id) FROM hpotool.events e WHERE e.study_id = s.study_id) FROM studies s"
    )
    connection.close()
    return rows


def test_a_drill_passes_on_our_workers_and_leaves_nothing_but_other_studies(
    drill: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(MINE)
    drill.run("create-study", str(tmp_path / "mine.yaml"))
    assert drill.url is not None
    before = contents(drill.url)

    data, said = report(drill, "--workers", "3", "--trials", "12", "--attacks", "6", "--seed", "3", code=0)

    assert data["passed"], said
    assert broken(data) == {}
    assert {attack["kind"] for attack in data["attacks"]} == {"kill", "stop", "cut", "lock", "leave"}
    assert data["trials_by_state"]["COMPLETE"] + data["trials_by_state"]["PRUNED"] == 12
    assert data["attempts_by_outcome"]["complete"] == data["trials_by_state"]["COMPLETE"]
    assert re.search(r"^  hpotool worker --study drill-\w+$", said, re.M)
    assert contents(drill.url) == before
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_drill_fails_on_plain_optuna_and_says_what_broke(drill: CommandLine) -> None:
    data, said = report(
        drill, "--optuna", "--trials", "8", "--attacks", "3", "--seed", "4", "--patience", "70s", code=1
    )

    assert not data["passed"]
    assert any("ended by SIGKILL" in each for each in broken(data)["G6"]), (
        "a point that dies takes its worker along"
    )
    assert "hpotool drill --seed 4 --keep --workers 3 --trials 8 --attacks 3 --allow " in said


def test_plain_optuna_workers_that_join_leave_a_trial_behind(drill: CommandLine, tmp_path: Path) -> None:
    """The user's own fleet: the drill starts nothing, and whoever joins is judged."""
    log, out = tmp_path / "drill.log", tmp_path / "report.json"
    command = [
        sys.executable,
        "-m",
        "hpotool",
        "drill",
        "--workers",
        "0",
        "--trials",
        "4",
        "--keep",
        "--format",
        "json",
    ]
    with log.open("w") as errors, out.open("w") as data:
        process = subprocess.Popen(command, env=drill._environment(), stdout=data, stderr=errors)
    assert drill.url is not None
    connection = Connection(DatabaseUrl.parse(drill.url))
    plain: list[subprocess.Popen[bytes]] = []
    try:
        found = wait_until(
            lambda: re.search(r"--study (drill-\w+)", log.read_text()), "the drill to name its study"
        )
        first = _join(found[1], drill)
        plain.append(first)
        running = "SELECT count(*) FROM trials WHERE state = 'RUNNING'"
        wait_until(lambda: connection.run(running)[0][0] == 1, "a trial of plain Optuna")
        first.kill()
        while process.poll() is None:  # one point kills the process that tries it
            if plain[-1].poll() is not None:
                plain.append(_join(found[1], drill))
    finally:
        for each in plain:
            each.kill()
            each.wait()
        process.kill()
        connection.close()
    assert process.returncode == 1
    assert "trial 0 is still RUNNING" in broken(json.loads(out.read_text()))["G3"]
    assert "hpotool delete drill-" in log.read_text()
    assert found[1] in drill.run("studies").stdout, "--keep keeps it"


def _join(study: str, drill: CommandLine) -> subprocess.Popen[bytes]:
    assert drill.url is not None
    url = DatabaseUrl.parse(drill.url).sqlalchemy
    environment = {**drill._environment(), "HPOTOOL_DRILL_STEP_S": "0.3"}
    return subprocess.Popen([sys.executable, "-c", PLAIN, study, url], env=environment, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_ends_a_drill_with_its_workers_and_its_study(
    drill: CommandLine, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    log = tmp_path / "drill.log"
    with drill.start("drill", "--workers", "2", "--attacks", "0", "--trials", "500", log=log) as process:
        name = wait_until(lambda: re.search(r"--study (drill-\w+)", log.read_text()), "the name")[1]
        wait_until(lambda: len(_bearing(name)) >= 2, "two workers")
        process.send_signal(number)
        assert process.wait(90) == code, log.read_text()
    wait_until(lambda: not _bearing(name), "its processes to be gone")
    assert name not in drill.run("studies").stdout
    assert list((tmp_path / "temporary").iterdir()) == []


def _bearing(study: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if study in process.environ().get("HPOTOOL_DRILL", "") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_a_drill_that_is_not_done_in_time_says_so(drill: CommandLine) -> None:
    done = drill.run("drill", "--workers", "0", "--patience", "1s", code=1)
    assert "the study was not done in time" in done.stdout
    assert "0 trials are finished, not 24" in done.stdout
    assert "G7" not in done.stdout, "whose processes would it have seen?"
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_wrong_input_is_one_sentence_and_creates_nothing(drill: CommandLine) -> None:
    for options, said in (
        (("--allow", "burn"), "'burn' is no attack: there are kill, stop, cut, lock, leave"),
        (("--patience", "soon"), "--patience"),
    ):
        done = drill.run("drill", *options, code=2)
        assert said in done.stderr
        assert "hint: " in done.stderr
    assert drill.json("studies") == []
    assert os.listdir(drill.environment["TMPDIR"]) == []  # noqa: PTH208
