"""The final training: told what it is, kept with all that repeats it, and run twice compared with itself."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.acceptance.command_line import ROOT, CommandLine
from tests.object_store import object_store

MODULE = """
import os, pathlib, random, sys, time

import hpotool

def final(trial):
    x = trial.suggest_float("x", 0, 1)
    with open("told", "a") as told:
        told.write(f"{hpotool.phase()} {hpotool.holdout()} {trial.seed}\\n")
    if hpotool.phase() == "final":
        pathlib.Path("model.pt").write_text(f"weights of {x}")
        hpotool.log_artifact("model.pt", "deep/model.pt")
        if pathlib.Path("random").exists():
            return random.SystemRandom().random()
        if pathlib.Path("hang").exists():
            pathlib.Path("hangs").touch()
            while not trial.should_stop():
                time.sleep(0.01)
            return None
        if pathlib.Path("break").exists():
            raise RuntimeError("broken")
    return x
"""


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "mine.py").write_text(MODULE)
    return CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")})


def _study(here: CommandLine, *more: str) -> None:
    flags = ["--metric", "loss:minimize", "--param", "x=float(0, 1)", "--trials", "3", "--seed", "1"]
    here.run("create-study", "--study", "s", "--objective", "mine:final", *flags, *more)
    here.run("worker")


def test_run_twice_it_says_whether_the_result_was_the_same(here: CommandLine) -> None:
    _study(here, "--set", "holdout=test")
    before = here.json("status")
    (here.folder / "data").mkdir()
    (here.folder / "data" / "rows.csv").write_text("1,2")
    first = here.json("run", "--trial", "1", "--final", "--artifacts", "kept", "--data", "data")
    assert (first["point"], first["repeats"]) == ("trial 1", None)
    assert first["place"] == str(here.folder / "kept")
    assert [file["name"] for file in first["files"]] == ["deep/model.pt"]
    assert (here.folder / "kept" / "deep" / "model.pt").read_text().startswith("weights of ")
    recipe = json.loads((here.folder / "kept" / "hpotool.json").read_text())
    assert recipe["params"] == first["params"]
    assert recipe["command"] == first["command"] == "hpotool run --study s --trial 1 --final --data data"
    assert set(recipe["data"]) == {"data"}
    assert {"optuna", "python", "code"} <= recipe["code"].keys()
    assert "scikit-learn" in recipe["environment"]["packages"]

    again = here.json(*first["command"].split()[1:])
    assert again["repeats"] == {
        "trial": first["trial"],
        "is_same": True,
        "sentence": f"the same as trial {first['trial']} before: the objective repeats itself",
    }
    assert again["place"] != first["place"], "below the home folder each has its own"
    (here.folder / "random").touch()
    told = here.run("run", "--trial", "1", "--final").stdout
    assert "not the same as trial" in told
    lines = (here.folder / "told").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["search"] * 3 + ["final"] * 3
    assert len(set(lines[3:])) == 1, "the same seed and hold-out each time"
    assert lines[3].startswith("final ['test'] ")

    listed = here.json("artifacts")
    assert [one["trial"] for one in listed] == [3, 4, 5]
    assert "deep/model.pt" in here.run("artifacts", "--trial", "1").stdout
    assert here.json("artifacts", "--trial", "2") == []
    after = here.json("status")
    assert (after["trials"], after["budget"], after["best"]) == (
        before["trials"],
        before["budget"],
        before["best"],
    )


def test_an_interrupted_final_training_is_gone_on_with_and_no_worker_takes_it(
    here: CommandLine, tmp_path: Path
) -> None:
    _study(here)
    (here.folder / "hang").touch()
    with here.start("run", "--trial", "0", "--final", log=tmp_path / "log") as running:
        while not (here.folder / "hangs").exists():
            assert running.poll() is None, (tmp_path / "log").read_text()
        refused = here.run("run", "--trial", "0", "--final", code=2)
        assert "runs already, as trial 3" in refused.stderr
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 75
    assert "hpotool run --study s --trial 0 --final" in (tmp_path / "log").read_text()
    assert here.json("artifacts") == [], "nothing of half a training"
    (here.folder / "hang").unlink()
    here.run("budget", "--trials", "+1")
    here.run("worker")
    assert {trial["number"]: trial["state"] for trial in here.json("trials")}[4] == "WAITING"
    found = here.json("run", "--trial", "0", "--final")
    assert found["trial"] == 4, "the one that was interrupted"
    assert here.json("status")["budget"]["finished"] == 4


def test_what_cannot_be_trained_is_refused_in_a_sentence(here: CommandLine) -> None:
    _study(here)
    refused = {
        ("--trial", "0"): (2, "hpotool run --trial 12 --final"),
        ("--final",): (2, "hpotool run --trial 12 --final"),
        ("--trial", "99", "--final"): (3, "has no trial 99"),
        ("--trial", "0", "--final", "--data", "nowhere"): (2, "nothing at nowhere"),
        ("--trial", "0", "--final", "--artifacts", "mine.py/x"): (2, "cannot be written"),
    }
    for arguments, (code, says) in refused.items():
        assert says in here.run("run", *arguments, code=code).stderr
    assert len(here.json("trials")) == 3
    (here.folder / "break").touch()
    broken = here.run("run", "--trial", "0", "--final", code=1)
    assert "broken" in broken.stderr
    assert "to continue it: hpotool run --study s --trial 0 --final" in broken.stderr


def test_artifacts_at_a_url_are_listed_and_fetched_and_a_store_away_loses_none(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    with object_store() as store:
        home = {"HPOTOOL_HOME": str(tmp_path / "home")}
        here = CommandLine(database_url, tmp_path, {**home, **store.environment})
        _study(here)
        url = f"{store.url}/models"
        final = here.json("run", "--trial", "1", "--final", "--artifacts", url)
        assert final["place"] == url
        [listed] = here.json("artifacts")
        assert (listed["place"], listed["files"]) == (url, final["files"])
        fetched = here.run("artifacts", "--fetch", "copy")
        assert f"fetched 1 file and hpotool.json of trial {final['trial']} into copy" in fetched.stderr
        assert (tmp_path / "copy" / "deep" / "model.pt").read_text().startswith("weights of ")
        assert json.loads((tmp_path / "copy" / "hpotool.json").read_text())["values"] == final["values"]
        store.go_away()
        refused = here.run("run", "--trial", "1", "--final", "--artifacts", url, code=2)
        assert "--artifacts: " in refused.stderr
        assert len(here.json("artifacts")) == 1, "nothing was trained"
        store.come_back()
        again = here.json("run", "--trial", "1", "--final", "--artifacts", url)
        assert again["repeats"]["is_same"] is True


def test_the_example_with_folds_reports_its_test_set_once(database_url: str, tmp_path: Path) -> None:
    here = CommandLine(database_url, ROOT, {"HPOTOOL_HOME": str(tmp_path / "home")})
    here.run("create-study", "studies/folds_digits.yaml", "--set", "budget.trials=12")
    here.run("worker")
    trials = here.json("trials")
    pruned = [trial for trial in trials if trial["state"] == "PRUNED"]
    assert pruned, "the pruner ends what loses fold by fold"
    assert all(1 <= len(here.json("show", str(trial["number"]))["reports"]) < 10 for trial in pruned[:1])
    here.run("confirm", "--top", "2", "--seeds", "2")
    here.run("worker")
    found = here.json("confirm", "--show")
    assert found["replicates"]["finished"] == 6
    best = next(point for point in found["points"] if not point["is_baseline"])
    final = here.json("run", "--trial", str(best["trial"]), "--final", "--artifacts", str(tmp_path / "kept"))
    assert 0 < final["values"]["error"] < 0.1
    assert (tmp_path / "kept" / "model.pkl").exists()
