"""The examples of docs/launch.md are what their systems read, and its tables say what the code does."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from hpotool.cli.commands.fleet.launch import COMMANDS
from hpotool.doctor.hosts import HOSTS
from hpotool.launch.targets.slurm import LEAST_TIME, WARNED_S

TEXT = (Path(__file__).parents[2] / "docs" / "launch.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_an_example_is_yaml_that_starts_a_worker(block: str) -> None:
    example = yaml.safe_load(block)
    commands = [example["run"]] if "run" in example else example["commands"]
    assert any(command.startswith("hpotool worker --study") for command in commands)
    assert "postgresql://" not in block, "the secret comes from the environment"


def test_the_unit_starts_a_worker_again_that_a_signal_ended() -> None:
    [block] = blocks("ini")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read_string(block)
    service = unit["Service"]
    assert service["RestartForceExitStatus"] == "75"
    assert service["RestartPreventExitStatus"].split() == ["2", "3"]
    assert "hpotool worker --study" in service["ExecStart"]


def test_the_batch_script_is_one() -> None:
    scripts = [block for block in blocks("text") if block.startswith("#!")]
    assert scripts
    for script in scripts:
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        assert "exec hpotool worker" in script, "so that the signal reaches it"


def test_each_target_has_its_chapter_and_limits_are_those_of_the_code() -> None:
    headings = [line.removeprefix("## ").lower() for line in TEXT.splitlines() if line.startswith("## ")]
    assert {"this machine" if name == "local" else name for name in COMMANDS} <= set(headings)
    assert LEAST_TIME.total_seconds() == 300, "limits under five minutes are refused"
    assert WARNED_S == 120, "two minutes before it"
    assert f"| {HOSTS.about} |" in TEXT
