"""What an installed package brings: hpotool and nothing beside it, and examples that run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.command_line import ROOT

PIP = [sys.executable, "-m", "pip"]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with what the wheel of this checkout puts into an environment."""
    wheels, folder = tmp_path / "wheels", tmp_path / "site-packages"
    subprocess.run([*PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, ROOT], check=True)
    [wheel] = wheels.glob("hpotool-*.whl")
    subprocess.run([*PIP, "install", "--quiet", "--no-deps", "--target", folder, wheel], check=True)
    return folder


def test_an_installed_package_is_alone_and_runs_its_example(
    installed: Path, database_url: str, tmp_path: Path
) -> None:
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"hpotool", "bin"}

    folder = tmp_path / "mine"
    folder.mkdir()
    # Before the editable checkout of this environment, which brings what the wheel requires.
    environment = os.environ | {"PYTHONPATH": str(installed), "HPOTOOL_STORAGE": database_url}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    where = run("-c", "import hpotool, sys; sys.stdout.write(hpotool.__file__)")
    assert Path(where).is_relative_to(installed)
    assert run("-m", "hpotool", "init", "--example", "quadratic") == "studies/quadratic.yaml\n"
    assert {path.name for path in (folder / "objectives").iterdir()} == {"__init__.py", "quadratic.py"}
    run("-m", "hpotool", "create-study", "studies/quadratic.yaml", "--set", "budget.trials=3")
    run("-m", "hpotool", "worker", "quadratic", "--gpu", "none")
    assert len(run("-m", "hpotool", "trials", "quadratic", "--format", "csv").splitlines()) == 4
