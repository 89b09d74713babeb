"""``hpotool init`` writes a study file that is read, and never over another one."""

from __future__ import annotations

import warnings
from pathlib import Path

import optuna
import pytest

import hpotool
from tests.commands import Commands


def test_a_study_of_plain_optuna_is_adopted_by_the_file_that_is_written(
    database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HPOTOOL_STORAGE", database_url)
    monkeypatch.chdir(tmp_path)
    run = Commands(capsys)

    def objective(trial: optuna.Trial) -> float:
        booster = trial.suggest_categorical("booster", ["gbtree", "dart", None])
        rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
        if booster == "dart":
            rate += trial.suggest_float("drop", 0.0, 0.5, step=0.1)
        return rate + trial.suggest_int("depth", 1, 9)

    storage = hpotool.open_storage(database_url)
    plain = optuna.create_study(storage=storage, study_name="plain", sampler=optuna.samplers.RandomSampler(1))
    plain.optimize(objective, n_trials=20)

    done = run("init --from-study plain")
    assert done.stdout == "plain.yaml\n"
    text = Path("plain.yaml").read_text()
    assert "drop: {float: [0.0, 0.5], step: 0.1, when: {booster: [dart]}}" in text
    assert "budget: {trials: 120}" in text
    assert "already exists, and init overwrites no file" in run("init --from-study plain", 2).stderr
    Path("plain.yaml").write_text(text.replace("my_module", "objectives.quadratic"))
    run("create-study plain.yaml")
    assert run.json("budget plain")["limits"]["trials"] == {"limit": 120, "used": 20}

    again = run("init --from-study plain -o again.yaml")
    assert "to fix" not in again.stderr
    assert "is resumed" in run("create-study again.yaml").stderr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lists = optuna.create_study(storage=storage, study_name="a list")
        lists.optimize(lambda t: len(t.suggest_categorical("layers", [[1], [1, 2]])), n_trials=3)
    assert "hpotool rename 'a list' NEW_NAME" in run("init --from-study 'a list'", 2).stderr
    run("rename 'a list' lists")
    run("init --from-study lists")
    text = Path("lists.yaml").read_text()
    assert "a study file cannot express layers" in text
    assert "\nsearch_space" not in text

    Path("train.py").write_text(
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr', type=float)\n"
    )
    run("init train.py -o made.yaml")
    assert "choose a range" in Path("made.yaml").read_text()
    refused = {
        "init": "a file, --from-study or --example",
        "init train.py --from-study plain": "a file, --from-study or --example",
        "init lists.yaml": "is not a sweep",
        "init .": "cannot be read",
        "init train.py -o no/such.yaml": "cannot be written",
    }
    for line, says in refused.items():
        assert says in run(line, 2).stderr
    assert "does not exist" in run("init nowhere.py", 3).stderr
