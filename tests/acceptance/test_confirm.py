"""Points measured again by the study's own workers: what was lucky is found out, and every command says so."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine

MODULE = '''
import pathlib, random

import hpotool
import numpy as np
import optuna
from sklearn.datasets import load_digits
from sklearn.tree import DecisionTreeClassifier

IMAGES, LABELS = load_digits(return_X_y=True)

def tree(trial):
    """A tree on 120 images, tested on 50 others: which ones, the seed says."""
    order = np.random.RandomState(trial.seed % 2**32).permutation(len(IMAGES))
    train, valid = order[:120], order[120:170]
    model = DecisionTreeClassifier(
        max_depth=trial.suggest_int("depth", 2, 16),
        min_samples_leaf=trial.suggest_int("leaf", 1, 12),
        max_features=trial.suggest_float("features", 0.05, 1.0),
        random_state=0,
    )
    return model.fit(IMAGES[train], LABELS[train]).score(IMAGES[valid], LABELS[valid])

def noisy(trial):
    """Says what it is told; the pruner would end every trial of the search at once, were it asked."""
    x = trial.suggest_float("x", 0, 1)
    with pathlib.Path("told").open("a") as told:
        told.write(f"{trial.number} {hpotool.phase()} {trial.phase} {hpotool.holdout()} {trial.seed}\\n")
    for step in range(3):
        trial.report(x if trial.number < 3 else 100.0, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    if x > 0.9:
        raise ValueError("too large")
    return (x - 0.3) ** 2 + random.Random(trial.seed).gauss(0, 0.001)

def two(trial):
    x = trial.suggest_float("x", 0, 1)
    noise = random.Random(trial.seed).gauss(0, 0.001)
    return x + noise, (1 - x) ** 2 + noise
'''


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "mine.py").write_text(MODULE)
    return CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")})


def _study(here: CommandLine, *more: str, objective: str = "noisy", trials: int = 4) -> None:
    space = ["--metric", "loss:minimize", "--param", "x=float(0, 0.8)"]
    here.run(
        *("create-study", "--study", "s", "--objective", f"mine:{objective}", *space),
        *("--trials", str(trials), "--sampler", "random", "--seed", "1", *more),
    )


def test_on_real_data_the_lucky_best_is_not_the_best_and_is_called_so(here: CommandLine) -> None:
    space = ["--param", "depth=int(2, 16)", "--param", "leaf=int(1, 12)", "--param", "features=float(0.05, 1)"]
    here.run(
        *("create-study", "--study", "digits", "--objective", "mine:tree", "--metric", "accuracy:maximize"),
        *(*space, "--trials", "30", "--sampler", "random", "--seed", "1"),
    )
    here.run("worker")
    [lucky] = here.json("best")["trials"]
    asked = here.run("confirm", "--top", "4", "--seeds", "8")
    assert "queued 32 replicates of 4 points" in asked.stderr
    assert "hpotool worker --study digits" in asked.stderr, "nobody works on it"
    assert "0 of 32 replicates have ended" in asked.stdout
    here.run("worker")

    found = here.json("confirm", "--show")
    assert found["replicates"] == {"asked": 32, "finished": 32, "running": 0, "waiting": 0, "failed": 0}
    assert f"Trial {lucky['number']} looked best in the search, with accuracy" in found["sentence"]
    assert "it is not the best" in found["sentence"]
    by_trial = {point["trial"]: point for point in found["points"]}
    assert by_trial[lucky["number"]]["probability_best"] < 0.1
    assert by_trial[lucky["number"]]["mean"]["accuracy"] < lucky["values"]["accuracy"] - 0.05
    [best] = here.json("best")["trials"]
    assert best["number"] == found["points"][0]["trial"] != lucky["number"]
    assert best["confirmed"]["mean"] == found["points"][0]["mean"]
    assert here.json("export", "params") == best["params"], "what is shipped is what was confirmed"


def test_a_confirmation_reevaluates_from_the_search_in_everything_that_is_shown(here: CommandLine) -> None:
    _study(here, "--set", "baseline={x: 0.5}", "--set", "holdout=[8, 9]", "--set", "pruner=median")
    here.run("worker")
    before = here.json("status")
    here.run("confirm", "s", "--top", "2", "--seeds", "3")
    assert here.json("status")["confirmation"]["state"] == "open"
    assert "confirm: 0/9 replicates of 3 points" in here.run("status").stdout
    here.run("worker")

    told = [line.split(maxsplit=3) for line in (here.folder / "told").read_text().splitlines()]
    searched, confirmed = told[:4], told[4:]
    assert {tuple(line[1:3]) for line in searched} == {("search", "search")}
    assert all(line[3].startswith("[] ") for line in searched), "the search is not told of what is held out"
    assert {tuple(line[1:3]) for line in confirmed} == {("confirm", "confirm")}
    assert all(line[3].startswith("[8, 9] ") for line in confirmed)
    seeds = [line[3].split()[-1] for line in confirmed]
    assert [seeds.count(seed) for seed in dict.fromkeys(seeds)] == [3, 3, 3], (
        "a seed for each replicate of all points"
    )
    assert not set(seeds) & {line[3].split()[-1] for line in searched}

    after = here.json("status")
    assert after["trials"] == before["trials"]
    assert after["budget"] == before["budget"]
    assert (after["state"], after["confirmation"]["replicates"]["finished"]) == ("done", 9), "no pruner was asked"
    assert [study["trials"] for study in here.json("studies")] == [before["trials"]]
    rows = here.json("trials")
    assert [row.get("phase") for row in rows] == [None] * 4 + ["confirm"] * 9
    assert (rows[4]["point"], rows[4]["replicate"]) == ("baseline", 0)
    assert here.json("show", "4")["phase"] == "confirm"
    assert "baseline, replicate 1" in here.run("show", "4").stdout
    exported = list(csv.DictReader(io.StringIO(here.run("export", "trials").stdout)))
    assert [row["phase"] for row in exported] == [""] * 4 + ["confirm"] * 9
    assert all(row["trial"] not in range(4, 13) for row in csv.DictReader(io.StringIO(
        here.run("trials", "--top", "9", "--format", "csv").stdout)))  # fmt: skip
    difference = here.json("confirm", "--show")["points"][0]["difference"]["loss"]
    assert (difference["seeds"], difference["probability_better"]) == (3, pytest.approx(1, abs=0.02))


def test_what_is_not_confirmed_is_said_and_can_be_pasted(here: CommandLine) -> None:
    _study(here, trials=4)
    here.run("worker")
    here.run("confirm", "--trial", "0", "--seeds", "2")
    here.run("worker")
    shown = here.run("best", "-n", "4").stdout
    hint = next(line for line in shown.splitlines() if "not confirmed" in line)
    assert here.json("best")["trials"][0]["number"] == 0, "what was confirmed is first"
    here.run(*hint.partition(": hpotool ")[2].split())
    assert here.json("confirm", "--show")["replicates"]["asked"] >= 6


def test_a_worker_orders_the_next_round_that_another_could_not(here: CommandLine) -> None:
    """The worker that ended the last replicate died before it asked for more: the next one asks."""
    _study(here, "--set", "baseline={x: 0.3}")
    here.run("worker")
    here.run("enqueue", "x=0.3001")
    here.run("budget", "--trials", "+1")
    here.run("worker")
    here.run("confirm", "--trial", "4", "--seeds", "2")
    here.run("worker")
    # What is equal cannot be told apart: with a confidence it takes all that it may.
    asked = here.run("confirm", "--trial", "4", "--seeds", "2", "--confidence", "0.999", "--most", "8")
    assert "all requested replicates exist already" in asked.stderr
    here.run("worker")
    assert here.json("confirm", "--show")["replicates"]["finished"] == 8


def test_waiting_returns_when_the_workers_are_done(here: CommandLine, tmp_path: Path) -> None:
    _study(here)
    here.run("worker")
    with here.start(
        "confirm", "--top", "1", "--seeds", "2", "--wait", "--format", "json", log=tmp_path / "log"
    ) as asker:
        while here.json("status").get("confirmation") is None:
            assert asker.poll() is None
        here.run("worker")
        assert asker.wait(60) == 0
    answer = (tmp_path / "log").read_text()
    assert json.loads(answer[answer.index("{") :])["replicates"]["finished"] == 2


def test_a_front_is_confirmed_too(here: CommandLine) -> None:
    flags = ["--metric", "cost:minimize", "--metric", "loss:minimize", "--param", "x=float(0, 1)"]
    here.run("create-study", "--study", "s", "--objective", "mine:two", *flags, "--trials", "5", "--seed", "1")
    here.run("worker")
    here.run("confirm", "--top", "3", "--seeds", "3")
    here.run("worker")
    found = here.json("confirm", "--show")
    assert all(point["probability_best"] > 0.95 for point in found["points"])
    front = here.json("pareto")["trials"]
    assert [trial["confirmed"] is not None for trial in front] == [True] * 3 + [False] * (len(front) - 3)


def test_points_of_another_study_are_confirmed_beside_its_own(here: CommandLine) -> None:
    _study(here)
    here.run("worker")
    here.run("confirm", "--trial", "0", "--seeds", "2")
    here.run("clone", "s", "t", "--with", "trials")
    here.run("confirm", "s", "--top", "1", "--from-study", "t", "--seeds", "2")
    assert len(here.json("confirm", "s", "--show")["points"]) == 2
    copied = here.json("confirm", "t", "--show")
    assert (copied["points"][0]["point"], copied["replicates"]["waiting"]) == ("trial 0", 2), "they came along"
    assert here.json("status", "t")["budget"]["finished"] == 4
    narrow = ["--metric", "loss:minimize", "--param", "x=float(0.7, 0.8)", "--trials", "1", "--seed", "1"]
    here.run("create-study", "--study", "u", "--objective", "mine:noisy", *narrow)
    refused = here.run("confirm", "u", "--from-study", "s", "--seeds", "2", code=2)
    assert "is not in the search space of 'u'" in refused.stderr


REFUSED = {
    ("--show",): (3, "no point of study 's' has been confirmed yet"),
    ("--top", "0"): (2, "no point was selected"),
    ("--seeds", "1"): (2, "must be 2 or more"),
    ("--most", "9"): (2, "--most limits what --confidence adds"),
    ("--trial", "77"): (3, "has no trial 77"),
    ("--from-study", "s"): (2, "--from-study names 's' itself"),
    ("--from-study", "nothing"): (3, "does not exist"),
    (): (3, "no trial is complete yet"),
}


def test_what_cannot_be_confirmed_is_refused_in_a_sentence(here: CommandLine) -> None:
    _study(here)
    for arguments, (code, says) in REFUSED.items():
        refused = here.run("confirm", "s", *arguments, code=code)
        assert says in refused.stderr
        assert "hint: " in refused.stderr
    assert here.json("trials", "s") == []


def test_a_study_that_runs_nothing_is_not_asked(here: CommandLine) -> None:
    _study(here, "--set", "baseline={x: 0.1}")
    here.run("stop")
    assert "hpotool resume --study s" in here.run("confirm", "--top", "0", code=2).stderr
    tiers = "tiers=[{trials: 2, steps: 1}, {trials: 1, steps: 2}]"
    flags = ["--metric", "loss:minimize", "--param", "x=float(0, 1)", "--set", tiers, "--set", "baseline={x: 0.1}"]
    here.run("create-study", "--study", "t", "--objective", "mine:noisy", *flags)
    assert "continue from each other's checkpoints" in here.run("confirm", "t", "--top", "0", code=2).stderr
