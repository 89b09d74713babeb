"""``hpotool launch`` and ``hpotool workers`` where no second machine is needed; and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.acceptance.command_line import CommandLine, wait_until

STUDY = """
study: held
objective: {python: "held:objective"}
metrics: {loss: minimize}
search_space: {x: {float: [-1.0, 1.0]}}
budget: {trials: 6}
"""
OBJECTIVE = """
import time
from pathlib import Path

def objective(trial):
    while Path("hold").exists():
        if trial.should_stop():
            return None
        time.sleep(0.05)
    return trial.params["x"] ** 2
"""
KUBECTL = """#!/bin/sh
# Takes down what it is asked, and answers with the pods of the test.
printf '%s\\n' "$*" >> "$KUBE/asked"
case "$*" in
    *create*) cat >> "$KUBE/created"; echo --- >> "$KUBE/created" ;;
    *get*) cat "$KUBE/answer.json" ;;
esac
[ ! -e "$KUBE/broken" ] || { echo "error: the server is not reachable" >&2; exit 1; }
"""


@pytest.fixture
def hpotool(database_url: str, tmp_path: Path, hpotool_home: Path) -> Iterator[CommandLine]:
    (tmp_path / "held.py").write_text(OBJECTIVE)
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "hold").touch()
    programs = tmp_path / ".programs"
    programs.mkdir()
    (programs / "kubectl").write_text(KUBECTL)
    (programs / "kubectl").chmod(0o755)
    environment = {
        "HPOTOOL_HOME": str(hpotool_home),
        "HPOTOOL_HEARTBEAT_INTERVAL_S": "0.5",
        "HPOTOOL_GRACE_PERIOD_S": "3",
        "KUBE": str(programs),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    command_line = CommandLine(database_url, tmp_path, environment)
    command_line.run("create-study", "study.yaml")
    yield command_line
    for process in _launched(hpotool_home):
        process.kill()


def _launched(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HPOTOOL_HOME") == str(home) and "HPOTOOL_LAUNCH" in process.environ():
                found.append(process)
        except psutil.Error:
            continue
    return found


def rows(hpotool: CommandLine, *more: str) -> list[dict[str, Any]]:
    return list(hpotool.json("workers", "held", *more)["workers"])


def wait_for(hpotool: CommandLine, states: list[str]) -> list[dict[str, Any]]:
    def found() -> list[dict[str, Any]] | None:
        shown = rows(hpotool)
        return shown if [row["state"] for row in shown] == states else None

    return (
        list(wait_until(found, f"the table shows {states}"))
        if states
        else wait_until(lambda: rows(hpotool) == [], "the table is empty") and []
    )


def test_workers_on_this_machine_are_launched_scaled_killed_and_stopped(
    hpotool: CommandLine, hpotool_home: Path, tmp_path: Path
) -> None:
    plan = hpotool.run("launch", "local", "held", "--workers", "2", "--dry-run").stdout
    assert plan.count("setsid -f") == 2
    assert "no-secret" not in plan, "the password of the tests' database"
    assert not (hpotool_home / "launches").exists()
    said = hpotool.run("launch", "local", "held", "--workers", "2").stderr
    assert "hpotool workers --study held" in said
    wait_for(hpotool, ["alive", "alive"])
    hpotool.run("workers", "held", "--scale", "3")
    shown = wait_for(hpotool, ["alive"] * 3)
    assert sorted(row["job"] for row in shown) == ["here/w1", "here/w2", "here/w3"]

    # One is killed, and the table says so at once; another is stopped by its name.
    pid = int(next(iter(hpotool_home.glob("launches/*/w2.pid"))).read_text())
    psutil.Process(pid).kill()
    shown = wait_for(hpotool, ["alive", "alive", "gone"])
    assert "exit code 137" in shown[-1]["why"]
    hpotool.run("workers", "held", "--stop", "--worker", shown[0]["worker"])
    wait_for(hpotool, ["alive", "gone"])
    data = hpotool.json("workers", "held")
    assert [(each["wanted"], each["here"]) for each in data["launches"]] == [(3, 1)]
    assert "--scale 3 starts the rest" in hpotool.run("workers", "held").stderr
    assert hpotool.run("workers", "held", "--format", "value").stdout.strip() == "1"

    hpotool.run("workers", "held", "--stop")
    wait_until(lambda: not _launched(hpotool_home), "nothing is left running")
    assert hpotool.json("status", "held")["state"] == "running"
    left = [row for row in rows(hpotool, "--left") if row["state"] == "left"]
    assert {row["why"] for row in left} == {"asked to leave: hpotool workers asked this worker to leave"}

    # The code has changed: a worker of the study says so; what the objective writes beside it changes nothing.
    (tmp_path / "hold").unlink()
    (tmp_path / "output.txt").write_text("written by an objective")
    hpotool.run("launch", "local", "held")
    wait_until(lambda: hpotool.json("status", "held")["state"] == "done", "the study is done")
    logs = "".join(path.read_text() for path in hpotool_home.glob("launches/*/w1.log"))
    assert "has changed since it was launched" not in logs
    wait_until(lambda: not _launched(hpotool_home), "nothing is left running")
    refused = hpotool.run("launch", "local", "held", code=2)
    assert "is done" in refused.stderr


def test_what_cannot_work_is_refused_and_nothing_is_entered(hpotool: CommandLine, tmp_path: Path) -> None:
    for words, sentence in {
        ("ssh",): "no host is named",
        ("ssh", "--host", "gpu1"): "cannot reach the database: its URL has the address 127.0.0.1",
        ("slurm",): "workers of Slurm cannot reach the database",
        ("kubernetes",): "no image is named",
        ("kubernetes", "--image", "x", "--grace", "soon"): "--grace",
        ("local", "--code", str(tmp_path / "gone")): "there is no folder",
        ("local", "--worker-options", "'open"): "--worker-options cannot be read",
    }.items():
        refused = hpotool.run("launch", words[0], "held", *words[1:], code=2)
        assert sentence in refused.stderr, words
        assert "hint: " in refused.stderr, words
    hpotool.run("launch", "local", "nobody", code=3)
    hpotool.run("workers", "held", "--launch", "ssh-1", code=3)
    hpotool.run("workers", "held", "--stop", "--worker", "nobody", code=3)
    hpotool.run("workers", "held", "--worker", "x", code=2)
    hpotool.run("workers", "held", "--stop", "--scale", "2", code=2)
    hpotool.run("workers", "held", "--scale", "2", code=2)
    assert hpotool.json("workers", "held") == {"workers": [], "launches": []}


def test_kubernetes_gets_its_manifests_and_its_pods_are_shown(hpotool: CommandLine, database_url: str) -> None:
    elsewhere = database_url.replace("127.0.0.1", "db.example.org")
    reachable = CommandLine(database_url, hpotool.folder, hpotool.environment)
    kube = Path(hpotool.environment["KUBE"])
    refused = reachable.run("launch", "kubernetes", "held", "--image", "x:1", code=2)
    assert "127.0.0.1" in refused.stderr
    # A name of the cluster's own for a database that is here.
    hosts = {"PGHOSTADDR": "127.0.0.1"}
    reachable = CommandLine(elsewhere, hpotool.folder, {**hpotool.environment, **hosts})
    reachable.run("launch", "kubernetes", "held", "--image", "x:1", "--workers", "2", "--namespace", "ml")
    secret, job = [each for each in yaml.safe_load_all((kube / "created").read_text()) if each]
    assert secret["stringData"]["HPOTOOL_STORAGE"] == elsewhere
    assert job["spec"]["parallelism"] == 2
    assert "no-secret" not in (kube / "asked").read_text()

    launch_id = job["metadata"]["labels"]["hpotool/launch"]
    why = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    conditions = [{"type": "PodScheduled", "status": "False", "message": why}]
    pod = {"kind": "Pod", "metadata": {"name": "p-1"}, "status": {"phase": "Pending", "conditions": conditions}}
    (kube / "answer.json").write_text(json.dumps({"items": [pod]}))
    [row] = rows(reachable)
    assert (row["state"], row["why"], row["job"], row["launch"]) == ("pending", why, "p-1", launch_id)
    reachable.run("workers", "held", "--scale", "5")
    assert '--patch={"spec": {"parallelism": 5}}' in (kube / "asked").read_text()
    (kube / "broken").touch()
    assert (
        "does not answer: ask the cluster: error: the server is not reachable"
        in reachable.run("workers", "held").stderr
    )
    reachable.run("workers", "held", "--stop", code=1)
    (kube / "broken").unlink()
    reachable.run("workers", "held", "--stop")
    assert "delete --ignore-not-found" in (kube / "asked").read_text()
