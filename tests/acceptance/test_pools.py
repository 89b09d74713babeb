"""Pools from the command line: serve them, look at them, change them while they run, limit their owners."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.cli.study_word import complete_pool
from tests.acceptance.command_line import CommandLine, wait_until

STUDY = """
study: digits
objective: {python: 'mine:f'}
metrics: {loss: minimize}
sampler: random
pool: gpus
owner: ann
tags: {project: ocr}
budget: {trials: 3}
"""
MODULE = "def f(trial):\n    return trial.suggest_float('x', 0, 1)\n"


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "study.yaml").write_text(STUDY)
    found = CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")})
    found.run("create-study", "study.yaml")
    found.run(
        "create-study", "study.yaml", "--set", "study=urgent", "--set", "priority=10", "--set", "preempt=true"
    )
    return found


def test_a_pool_is_served_listed_and_summed_up(here: CommandLine) -> None:
    assert [(study["study"], study["waits"]) for study in here.json("pools")["pools"][0]["studies"]] == [
        ("urgent", None),
        ("digits", None),
    ]
    worker = here.run("worker", "--pool", "gpus", "--workers", "2")
    assert "leaving: every study of pool gpus is done or stopped" in worker.stderr
    [pool] = here.json("pools", "gpus")["pools"]
    assert (pool["pool"], pool["workers"], pool["busy"]) == ("gpus", 0, 0)
    assert [(study["priority"], study["preempts"], study["closed_because"]) for study in pool["studies"]] == [
        (10, True, "done"),
        (0, False, "done"),
    ]
    assert sum(study["share"] for study in pool["studies"]) == pytest.approx(1, abs=0.001)
    usage = here.json("usage", "--by", "project")
    [line] = usage["usage"]
    assert (usage["by"], usage["since_s"]) == ("project", 30 * 86400)
    assert (line["project"], line["attempts"], line["finished"]) == ("ocr", 6, 6)
    csv = here.run("usage", "--by", "study", "--since", "2h", "--format", "csv").stdout.splitlines()
    assert csv[0] == "study,gpu_hours,worker_hours,cost,attempts,finished"
    assert {row.split(",")[0] for row in csv[1:]} == {"digits", "urgent"}


def test_a_share_changes_live_and_says_what_changed(here: CommandLine) -> None:
    shown = here.json("share", "digits")
    assert shown == {
        "study": "digits", "pool": "gpus", "priority": 0, "weight": 1.0, "max_running": None, "owner": "ann",
        "preempt": False,
    }  # fmt: skip
    done = here.run("share", "digits", "--weight", "2.5", "--priority", "-3", "--max-running", "2", "--preempt")
    assert done.stderr.splitlines() == [
        "priority changes from 0 to -3",
        "weight changes from 1 to 2.5",
        "max_running changes from none to 2",
        "preempt changes from false to true",
    ]
    status = here.json("status", "digits")["place"]
    assert (status["priority"], status["weight"], status["max_running"], status["waits"]) == (-3, 2.5, 2, None)
    out = here.run("share", "digits", "--pool", "none", "--weight", "4")
    assert "the study is in no pool; to put it into one: hpotool share --study digits --pool NAME" in out.stderr
    assert [one["study"] for one in here.json("pools")["pools"][0]["studies"]] == ["urgent"]
    here.run("share", "digits", "--max-running", "none", "--owner", "none", "--weight", "none", "--no-preempt")
    assert "place" not in here.json("status", "digits")


def test_quotas_hold_and_the_status_says_who_waits(here: CommandLine) -> None:
    assert "hpotool quota set OWNER 100 --per week" in here.run("quota").stderr
    said = here.run("quota", "set", "ann", "0", "--per", "day").stderr
    assert said == "the studies of ann may use 0 GPU-hours a day\n"
    [found] = here.json("quota")["quotas"]
    assert (found["period"], found["gpu_hours"], found["is_used_up"]) == ("day", 0.0, True)
    waits = here.json("status", "digits")["place"]["waits"]
    assert waits.startswith("is over quota: ann has used 0.00 of 0 GPU-hours of this day, and may go on at ")
    shown = here.run("status", "digits").stdout
    assert "pool gpus · priority 0 · weight 1 · owner ann" in shown
    assert "the study is over quota: ann has used 0.00 of 0" in shown
    assert here.run("quota", "remove", "ann", "--per", "day").stderr == "removed 1 quota of ann\n"
    assert "ann has no quota" in here.run("quota", "remove", "ann", code=3).stderr


def test_a_worker_serves_a_pool_that_there_is_or_a_study(here: CommandLine) -> None:
    refused = here.run("worker", "--pool", "gpus", "--study", "digits", code=2).stderr
    assert "a worker serves one study, or with --pool all of a pool\nhint: hpotool worker --pool gpus" in refused
    assert "--stay is for workers of a pool" in here.run("worker", "--study", "digits", "--stay", code=2).stderr
    assert "no study is in pool 'nope'; there are gpus" in here.run("worker", "--pool", "nope", code=3).stderr


def test_a_launch_for_a_pool_starts_workers_of_the_pool(here: CommandLine) -> None:
    plan = here.run("launch", "local", "--pool", "gpus", "--dry-run").stdout
    assert "worker --pool gpus" in plan
    assert "--study" not in plan
    here.run("launch", "local", "--pool", "gpus", "--workers", "2")
    finished = {"COMPLETE": 3}
    for study in ("urgent", "digits"):
        wait_until(lambda study=study: here.json("status", study)["trials"] == finished, f"{study} is done")
    rows = here.json("workers", "urgent")
    assert [launch["wanted"] for launch in rows["launches"]] == [2]


def test_the_names_of_pools_complete(here: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert here.url is not None
    monkeypatch.setenv("HPOTOOL_STORAGE", here.url)
    assert complete_pool("g") == ["gpus"]
    assert complete_pool("x") == []
    monkeypatch.setenv("HPOTOOL_STORAGE", "postgresql://nobody@127.0.0.1:1/x")
    assert complete_pool("g") == []
