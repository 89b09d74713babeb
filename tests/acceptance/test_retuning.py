"""The lines of docs/retuning.md for three days, with other data on the second: runs, ships, does not ship."""

from __future__ import annotations

import ast
import configparser
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.acceptance.command_line import HPOTOOL, ROOT

DOCUMENT = (ROOT / "docs" / "retuning.md").read_text()
LINE = "./retune.sh study.yaml shipped"
# Deterministic. What is best depends on the data; the search space holds the optimum of each.
MODULE = """
import pathlib

def train(trial):
    return abs(trial.suggest_float("x", 0, 1) - float(pathlib.Path("rows.csv").read_text()))
"""
STUDY = """
study: churn
objective: {python: "mine:train"}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
sampler: {name: random, seed: 1}
budget: {trials: 6}
data: [rows.csv]
"""


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def _cron() -> list[str]:
    [line] = [one for one in _blocks("text") if "retune.sh" in one]
    return ["/bin/sh", "-c", line.split(maxsplit=5)[5].strip()]


def _systemd() -> list[str]:
    service, timer = (configparser.ConfigParser(interpolation=None) for _ in range(2))
    service.read_string(_blocks("ini")[0])
    timer.read_string(_blocks("ini")[1])
    assert timer["Timer"]["OnCalendar"]
    where = service["Service"]["WorkingDirectory"]
    return ["/bin/sh", "-c", f"cd {where} && exec {service['Service']['ExecStart']}"]


def _kubernetes() -> list[str]:
    [manifest] = [one for one in map(yaml.safe_load, _blocks("yaml")) if one["kind"] == "CronJob"]
    [container] = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return ["/bin/sh", "-c", f"cd {container['workingDir']} && exec {shlex.join(container['command'])}"]


def test_every_snippet_calls_the_same_line() -> None:
    commands = [_cron()[-1], _systemd()[-1], _kubernetes()[-1]]
    assert all(LINE in command for command in commands)
    for block in _blocks("python"):
        texts = [node.value for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Constant)]
        assert any(LINE in text for text in texts if isinstance(text, str))
    assert len(_blocks("python")) == 2


@pytest.mark.timeout(900)  # a dozen commands, one after the other, on a machine that may be busy
def test_three_days_run_ship_and_do_not_ship(database_url: str, tmp_path: Path) -> None:
    [script] = [block for block in _blocks("sh") if "retune.sh" in block]
    (tmp_path / "retune.sh").write_text(script)
    (tmp_path / "retune.sh").chmod(0o755)
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "study.yaml").write_text(STUDY)

    def day(command: list[str], rows: str) -> str:
        (tmp_path / "rows.csv").write_text(rows)
        environment = {
            **os.environ,
            "PATH": f"{HPOTOOL.parent}{os.pathsep}{os.environ['PATH']}",
            "HPOTOOL_STORAGE": database_url,
            "HPOTOOL_HOME": str(tmp_path / "home"),
        }
        own = [part.replace("/srv/churn", str(tmp_path)) for part in command]
        done = subprocess.run(own, env=environment, capture_output=True, text=True, timeout=400)
        log = tmp_path / "retune.log"
        assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")
        return (tmp_path / "shipped" / "study").read_text().strip()

    first = day(_cron(), "0.1")
    assert re.fullmatch(r"churn-\d{4}-\d{2}-\d{2}", first), "it runs"
    before = (tmp_path / "shipped" / "best.json").read_text()
    second = day(_systemd(), "0.9")
    assert second != first, "it ships: the old parameters are worse on today's data"
    assert (tmp_path / "shipped" / "best.json").read_text() != before
    assert day(_kubernetes(), "0.9") == second, "nothing has changed"
