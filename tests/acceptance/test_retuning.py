"""The lines of docs/retuning.md for three days, with other data on the second: runs, ships, does not ship."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

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


def _airflow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Airflow runs of the snippet: `bash -c`, in the operator's folder."""
    [block] = [one for one in _blocks("python") if "airflow" in one]
    tasks: list[dict[str, Any]] = []
    _stand_in(
        monkeypatch,
        {
            "airflow.sdk": {"DAG": lambda *_, **__: contextlib.nullcontext()},
            "airflow.providers.standard.operators.bash": {"BashOperator": lambda **task: tasks.append(task)},
            "pendulum": {"datetime": datetime},
        },
    )
    exec(block, {})
    [task] = tasks
    assert not task["bash_command"].endswith((".sh", ".bash")), "Airflow takes that for the name of a template"
    return ["bash", "-c", f"cd {task['cwd']} && exec {task['bash_command']}"]


def _kubeflow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Kubeflow runs of the snippet: the command of its only container."""
    [block] = [one for one in _blocks("python") if "kfp" in one]
    run: list[dict[str, Any]] = []

    class Dsl:
        class ContainerSpec:
            def __init__(self, **content: Any) -> None:
                run.append(content)

            def set_caching_options(self, is_on: bool) -> Any:
                assert not is_on
                return self

            def set_retry(self, times: int) -> Any:
                assert times
                return self

        @staticmethod
        def container_component(component: Callable[[], Any]) -> Callable[[], Any]:
            return component

        @staticmethod
        def pipeline(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
            return lambda pipeline: pipeline

    class Kubernetes:
        @staticmethod
        def use_secret_as_env(task: Any, secret: str, keys: dict[str, str]) -> None:
            run[0]["keys"] = keys

        @staticmethod
        def mount_pvc(task: Any, claim: str, path: str) -> None:
            run[0]["path"] = path

    _stand_in(monkeypatch, {"kfp": {"dsl": Dsl, "kubernetes": Kubernetes}})
    names: dict[str, Any] = {}
    exec(block, names)
    names["pipeline"]()
    [container] = run
    assert list(container["keys"]) == ["HPOTOOL_STORAGE"]
    assert container["path"] == "/srv/churn/shipped", "what is shipped outlives the pod"
    return list(container["command"])


def _stand_in(monkeypatch: pytest.MonkeyPatch, modules: dict[str, dict[str, Any]]) -> None:
    """Modules with these names in place of packages that are too large to install for a test."""
    for path, content in modules.items():
        for name in accumulate(path.split("."), lambda one, other: f"{one}.{other}"):
            module = types.ModuleType(name)
            vars(module).update(content if name == path else {})
            monkeypatch.setitem(sys.modules, name, module)


def test_every_snippet_calls_the_same_line(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [_cron(), _systemd(), _kubernetes(), _airflow(monkeypatch), _kubeflow(monkeypatch)]
    assert all(LINE in command[-1] for command in commands)
    assert len(_blocks("python")) == 2


@pytest.mark.timeout(1800)  # dozens of commands, one after the other, on a machine that may be busy
def test_three_days_run_ship_and_do_not_ship(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And two more, so that each snippet has its day."""
    [script] = [block for block in _blocks("sh") if "retune.sh" in block]
    (tmp_path / "retune.sh").write_text(script)
    (tmp_path / "retune.sh").chmod(0o755)
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "study.yaml").write_text(STUDY)

    def day(command: list[str], rows: str, is_killed_at: str = "") -> str:
        (tmp_path / "rows.csv").write_text(rows)
        killer = tmp_path / "bin" / "hpotool"
        killer.parent.mkdir(exist_ok=True)
        killer.write_text(f'#!/bin/sh\n[ "$1" != "{is_killed_at}" ] || kill -9 $PPID\nexec {HPOTOOL} "$@"\n')
        killer.chmod(0o755)
        environment = {
            **os.environ,
            "PATH": os.pathsep.join(
                [*([str(killer.parent)] if is_killed_at else []), str(HPOTOOL.parent), os.environ["PATH"]]
            ),
            "HPOTOOL_STORAGE": database_url,
            "HPOTOOL_HOME": str(tmp_path / "home"),
        }
        own = [part.replace("/srv/churn", str(tmp_path)) for part in command]
        done = subprocess.run(own, env=environment, capture_output=True, text=True, timeout=400)
        log = tmp_path / "retune.log"
        said = done.stderr + (log.read_text() if log.exists() else "")
        assert done.returncode == (-signal.SIGKILL if is_killed_at else 0), said
        return (tmp_path / "shipped" / "study").read_text().strip()

    first = day(_cron(), "0.1")
    assert re.fullmatch(r"churn-\d{4}-\d{2}-\d{2}", first), "it runs"
    before = (tmp_path / "shipped" / "best.json").read_text()
    second = day(_systemd(), "0.9")
    assert second != first, "it ships: the old parameters are worse on today's data"
    assert (tmp_path / "shipped" / "best.json").read_text() != before
    assert day(_kubernetes(), "0.9") == second, "nothing has changed"
    assert day(_airflow(monkeypatch), "0.2", is_killed_at="export") == second, "it was killed after its search"
    third = day(_airflow(monkeypatch), "0.2")
    assert third not in (first, second)
    assert day(_kubeflow(monkeypatch), "0.2") == third
