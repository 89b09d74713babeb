"""Old against new: what `compare` says, and the script of docs/comparing.md that ships only what is better."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.command_line import HPOTOOL, ROOT, CommandLine

NOISY = """
import random

def objective(trial):
    return (trial.params["x"] - 0.9) ** 2 + random.Random(trial.seed).gauss(0, 0.03)
"""
STUDY = """
study: old
objective: {{python: "noisy:objective"}}
metrics: {{loss: minimize}}
search_space: {{x: {{float: {space}}}}}
sampler: {{name: auto, seed: 3}}
budget: {{trials: 8}}
"""


@pytest.mark.timeout(900)  # a dozen commands, one after the other, on a machine that may be busy
@pytest.mark.parametrize(
    ("space", "ships"),
    [("[0.0, 1.0]", True), ("[0.0, 0.3]", False)],
    ids=["better", "no-better"],
)
def test_the_documented_script_ships_only_what_is_better(
    hpotool: CommandLine, tmp_path: Path, space: str, ships: bool
) -> None:
    script = re.search(r"```sh\n(.*?)```", (ROOT / "docs" / "comparing.md").read_text(), re.DOTALL)
    assert script is not None
    (tmp_path / "retune.sh").write_text(script[1])
    (tmp_path / "noisy.py").write_text(NOISY)
    (tmp_path / "old.yaml").write_text(STUDY.format(space="[0.0, 0.3]"))
    (tmp_path / "new.yaml").write_text(STUDY.format(space=space))
    here = CommandLine(hpotool.url, tmp_path)
    here.run("create-study", "old.yaml")
    here.run("worker", "--study", "old", "--gpu", "none")
    environment = {**os.environ, "PATH": f"{HPOTOOL.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "retune.sh", "old", "new", "new.yaml", "shipped.json"],
        cwd=tmp_path,
        env=environment | {"HPOTOOL_STORAGE": str(hpotool.url)},
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "shipped.json").exists() is ships
    data = here.json("compare", "old", "new")
    assert (data["verdicts"][0]["verdict"] == "better") is ships
    here.run("compare", "old", "new", "--fail-unless-better", code=0 if ships else 1)
    if ships:
        assert "search_space.x" in data["differences"]
        assert len(data["verdicts"][0]["new"]["values"]) == len(data["verdicts"][0]["old"]["values"]) == 8
        assert data["verdicts"][0]["old"]["study"] == "new", "today's code has measured the old parameters"
        assert json.loads((tmp_path / "shipped.json").read_text()) == data["studies"][1]["best"]["params"]
        assert data["studies"][1]["hours"] > 0
        shown = here.run("compare", "old", "new").stdout
        assert "new against old: better: " in shown
        assert "float [0.0, 1.0]" in shown
