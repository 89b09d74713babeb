"""``hpotool doctor`` as a command: on a machine that is ill in many ways, its exit codes, and its JSON."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command_line import HPOTOOL, CommandLine
from tests.capabilities import may

STUDY = """
study: mine
objective: {command: [no-such-program, "{x}"], timeout: 1h}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
budget: {trials: 4}
"""
# A machine of its own: small disks, another name, low limits.
ILL = """
hostname localhost
mount -t tmpfs -o size=16m none /dev/shm
mkdir -p {home} && mount -t tmpfs -o size=16m,nr_inodes=50 none {home}
ulimit -c unlimited; ulimit -u 500; ulimit -v 16000000; ulimit -n 400
exec {hpotool} doctor --format json
"""


def verdicts(data: dict[str, Any]) -> dict[str, str]:
    return {each["check"]: each["verdict"] for each in data["findings"] if each["verdict"] != "ok"}


@pytest.mark.skipif(not may("sys_admin"), reason="this account may make no namespaces")
def test_a_machine_that_is_ill_in_many_ways(hpotool: CommandLine, tmp_path: Path) -> None:
    script = ILL.format(home=tmp_path / "home", hpotool=HPOTOOL)
    environment = {
        **hpotool._environment(),
        "HPOTOOL_HOME": str(tmp_path / "home"),
        "TMPDIR": "/nowhere",
        "HPOTOOL_GRACE_PERIOD_S": "1",
    }
    done = subprocess.run(
        ["unshare", "--mount", "--uts", "bash", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    found = verdicts(json.loads(done.stdout))
    expected = {
        "pulse": "broken",
        "temporary folder": "broken",
        "disk": "warning",
        "inodes": "warning",
        "shared memory": "warning",
        "host name": "warning",
        "open files": "warning",
        "processes": "warning",
        "address space": "warning",
    }
    if not Path("/proc/sys/kernel/core_pattern").read_text().startswith("|"):
        expected["core files"] = "warning"
    assert {check: found.get(check) for check in expected} == expected


def test_exit_code_and_json_say_whether_a_study_can_run(hpotool: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    well = hpotool.json("doctor", "--all")
    assert well["verdict"] == "warning", "there is no table yet, and that is said"
    hpotool.run("create-study", str(tmp_path / "study.yaml"))
    done = hpotool.run("doctor", "--study", "mine", "--format", "json", code=1)
    data = json.loads(done.stdout)
    assert data["verdict"] == "broken"
    assert verdicts(data)["objective"] == "broken"
    assert data["counts"]["broken"] == 1
    shown = hpotool.run("doctor", "mine", code=1)
    assert "✗ objective: there is no program no-such-program here" in shown.stdout
    assert "→ install it, or put it on PATH" in shown.stdout
    assert "checks: 1 broken" in shown.stderr
    hpotool.run("doctor", "--study", "nobody", code=3)


def test_a_database_that_is_away_is_found_and_nothing_is_started(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = CommandLine(None, environment={"HPOTOOL_HOME": str(home)}).run("doctor", code=1)
    assert "the embedded Postgres is absent" in done.stdout
    assert "→ hpotool db up" in done.stdout
    assert not (home / "postgres").exists()
