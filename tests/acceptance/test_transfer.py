"""A study that begins with the best points of another one."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from hpotool.storage.database.url import DatabaseUrl
from tests.acceptance.command_line import CommandLine


def test_the_best_points_of_another_study_are_queued_once(hpotool: CommandLine) -> None:
    common = ["--objective", "objectives.quadratic:objective", "--metric", "height:minimize"]
    hpotool.run("create-study", "--study", "old", *common, "--param", "x=float(0, 10)")
    old = optuna.load_study(study_name="old", storage=DatabaseUrl.parse(hpotool.url).sqlalchemy)
    for x in (1.0, 2.0, 3.0, 9.0):
        old.enqueue_trial({"x": x})
        old.optimize(lambda trial: trial.suggest_float("x", 0, 10), n_trials=1)
    params = ["--param", "x=float(1.5, 20)", "--param", "n=int(1, 5, default=2)"]
    hpotool.run("create-study", "--study", "new", *common, *params)

    done = hpotool.run("enqueue", "--study", "new", "--from-study", "old", "--top", "3")
    assert "left out 1 of the best trials of 'old': outside the search space of 'new'" in done.stderr
    new = optuna.load_study(study_name="new", storage=DatabaseUrl.parse(hpotool.url).sqlalchemy)
    queued = [trial.system_attrs["fixed_params"] for trial in new.trials]
    assert queued == [{"x": 2.0, "n": 2}, {"x": 3.0, "n": 2}]

    again = hpotool.run("enqueue", "--study", "new", "--from-study", "old", "--top", "3")
    assert "left out 2 of them: already in 'new'" in again.stderr
    assert len(hpotool.json("trials", "--study", "new")) == 2
    assert "no complete trial" in hpotool.run("enqueue", "-s", "old", "--from-study", "new", code=2).stderr


MODULE = """
def hill(trial):
    for step in range(3):
        trial.report(trial.params["x"], step)
    return trial.params["x"]
"""


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "mine.py").write_text(MODULE)
    here = CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")})
    create(here, "old", "--param", "x=float(0, 10)", "--trials", "8", "--sampler", "random", "--seed", "3")
    here.run("worker", "--study", "old")
    return here


def create(here: CommandLine, name: str, *flags: str) -> None:
    here.run("create-study", "--study", name, "--objective", "mine:hill", "--metric", "height:minimize", *flags)


def test_finished_trials_of_another_study_are_taken_over_outside_the_budget(here: CommandLine) -> None:
    create(here, "new", "--param", "x=float(0, 20)", "--trials", "4")
    best = here.json("best", "--study", "old", "-n", "5")["trials"]
    done = here.run("enqueue", "--study", "new", "--from-study", "old", "--top", "5", "--finished")
    assert "copied 5 finished trials into study 'new'" in done.stderr
    assert done.stdout == "0\n1\n2\n3\n4\n"
    taken = here.json("trials", "--study", "new")
    assert [(trial["state"], trial["values"], trial["params"]) for trial in taken] == [
        ("COMPLETE", trial["values"], trial["params"]) for trial in best
    ]
    shown = here.json("show", "0", "--study", "new")
    assert shown["system_attributes"]["hpotool:taken_from"] == {"study": "old", "number": best[0]["number"]}
    assert list(shown["reports"]) == ["0", "1", "2"]

    again = here.run("enqueue", "--study", "new", "--from-study", "old", "--top", "5", "--finished")
    assert "left out 5 of them: already in 'new'" in again.stderr
    assert again.stdout == ""

    here.run("worker", "--study", "new", "--workers", "2")
    status = here.json("status", "--study", "new")
    assert status["trials"] == {"COMPLETE": 9}
    assert (status["state"], status["budget"]["finished"], status["budget"]["taken_over"]) == ("done", 4, 5)
    assert "4/4 (+5 from another study)" in here.run("status", "--study", "new").stdout
    limits = here.json("budget", "--study", "new")["limits"]
    assert limits["trials"] == {"limit": 4, "used": 4}


def test_a_target_that_was_reached_elsewhere_is_reached(here: CommandLine) -> None:
    create(here, "new", "--param", "x=float(0, 10)", "--set", "budget.target=9")
    here.run("enqueue", "--study", "new", "--from-study", "old", "--top", "1", "--finished")
    assert "a trial reached the target" in here.run("worker", "--study", "new").stderr
    assert len(here.json("trials", "--study", "new")) == 1


def test_trials_of_another_objective_are_refused_with_what_differs_and_what_to_do(here: CommandLine) -> None:
    (here.folder / "mine.py").write_text(MODULE + "# other data\n")
    create(here, "new", "--param", "x=float(0, 10)", "--constraint", "size <= 3")
    refused = here.run("enqueue", "--study", "new", "--from-study", "old", "--finished", code=2).stderr
    assert "error: finished trials of 'old' cannot be copied into 'new'" in refused
    assert "error: the constraints are none in 'old' and size <= 3 in 'new'" in refused
    assert "error: the objective's code (SHA-256) is" in refused
    assert "hint: without --finished, the points are queued to run here" in refused
    assert here.json("trials", "--study", "new") == []
    assert "queued 5 trials" in here.run("enqueue", "--study", "new", "--from-study", "old").stderr
    alone = here.run("enqueue", "x=1", "--study", "new", "--finished", code=2).stderr
    assert "--finished copies trials of another study, but no --from-study is given" in alone
