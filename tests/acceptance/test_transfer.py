"""A study that begins with the best points of another one."""

from __future__ import annotations

import optuna

from hpotool.storage.url import DatabaseUrl
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
    assert "1 of the best trials of 'old' lie outside the search space of 'new'; left out" in done.stderr
    new = optuna.load_study(study_name="new", storage=DatabaseUrl.parse(hpotool.url).sqlalchemy)
    queued = [trial.system_attrs["fixed_params"] for trial in new.trials]
    assert queued == [{"x": 2.0, "n": 2}, {"x": 3.0, "n": 2}]

    again = hpotool.run("enqueue", "--study", "new", "--from-study", "old", "--top", "3")
    assert "2 of them are in 'new' already; left out" in again.stderr
    assert len(hpotool.json("trials", "--study", "new")) == 2
    assert "no complete trial" in hpotool.run("enqueue", "-s", "old", "--from-study", "new", code=2).stderr
