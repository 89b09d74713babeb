"""Tiers and a population on the PyTorch example, as a person runs and looks at them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command_line import ROOT, CommandLine


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> CommandLine:
    return CommandLine(database_url, ROOT, {"HPOTOOL_HOME": str(tmp_path / "home")})


def _steps(here: CommandLine, number: int) -> int:
    return len(here.json("show", str(number))["reports"])


def test_tiers_give_the_best_networks_more_epochs(here: CommandLine) -> None:
    tiers = "tiers=[{trials: 9, steps: 1}, {trials: 3, steps: 3}, {trials: 1, steps: 6}]"
    here.run("create-study", "studies/pytorch_tiers.yaml", "--set", tiers)
    here.run("worker")
    trials: list[dict[str, Any]] = here.json("trials")
    assert Counter(_steps(here, trial["number"]) for trial in trials) == {1: 9, 3: 3, 6: 1}
    first = sorted((trial for trial in trials if trial["from"] is None), key=lambda t: -t["values"]["accuracy"])
    promoted = [trial for trial in trials if trial["from"] in {one["number"] for one in first}]
    assert {trial["from"] for trial in promoted} == {trial["number"] for trial in first[:3]}
    [last] = [trial for trial in trials if _steps(here, trial["number"]) == 6]
    assert here.json("status")["tiers"][1] == {"steps": 3, "trials": 3, "finished": 3, "running": 0}
    assert "tier 3: 1/1 up to step 6, 0 running" in here.run("status").stdout
    budget = {"trials": 13, "finished": 13, "taken_over": 0, "queued_beyond": 0}
    assert here.json("status")["budget"] == budget

    assert "tiers        9 trials up to step 1, 3 trials up to step 3" in here.run("show").stdout
    shown = here.run("show", str(last["number"])).stdout
    ancestry = here.json("show", str(last["number"]))["ancestry"]
    assert len(ancestry) == 2
    assert f"comes from   trial {last['from']}, up to step 6" in shown
    assert f"ancestry     {ancestry[0]} <- {ancestry[1]}" in shown


def test_a_population_repeats_itself_with_one_worker(here: CommandLine) -> None:
    settings = ["--set", "sampler.interval=1", "--set", "sampler.population_size=4", "--set", "budget.trials=16"]
    runs = []
    for name in ("one", "two"):
        here.run("create-study", "studies/pytorch_population.yaml", "--set", f"study={name}", *settings)
        here.run("worker", "--study", name)
        trials: list[dict[str, Any]] = here.json("trials", "--study", name)
        runs.append([(trial["values"], trial["params"], trial["from"]) for trial in trials])
    assert runs[0] == runs[1]
    assert len(runs[0]) == 16
    explored = [here.json("show", str(number), "--study", "one")["branch"] for number in range(4, 16)]
    replaced = [branch for branch in explored if branch["predecessor"] != branch["source"]]
    assert replaced
    assert all(set(branch["explored"]) <= {"lr", "weight_decay", "dropout"} for branch in replaced)
