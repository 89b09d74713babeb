"""What tired people type: each line is answered by a sentence that helps and a hint, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution

import hpotool
from tests.commands import Commands

FILE = """
study: corner
objective: {python: "objectives.quadratic:objective"}
metrics: {height: minimize}
search_space: {lr: {float: [0.001, 10]}, batch: {int: [8, 256]}}
budget: {trials: 4}
"""
# line, exit code, what the error says, what the hint says
ANSWERS = [
    ("show corner twelve", 2, "TRIAL must be a whole number", "hpotool show --help"),
    ("logs corner 999", 3, "has no attempt", "hpotool trials --study corner"),
    ("best corner -n 0", 2, "must be 1 or more", "hpotool best --help"),
    ("trials corner --columns lr,batchh", 2, "did you mean 'batch'?", "the columns are"),
    ("trials corner --sort loss", 2, "no trial has 'loss'", "the columns are"),
    ("trials corner --where lr:0.1", 2, "is not a comparison", "--where 'lr>0.1"),
    ("worker corner --gpu cuda", 2, "--gpu cuda", "--gpu none"),
    ("worker corner --grace 30", 2, "'30' is not a duration", "30s"),
    ("watch corner --interval soon", 2, "must be a number", "hpotool watch --help"),
    ("budget corner --trials ten", 2, "--trials ten: expected a whole number", "run the command again"),
    ("budget corner --wall +1h", 2, "no limit to add to; write --wall 1h", "again"),
    ("pause corner other", 2, "unexpected extra argument", "hpotool pause --help"),
    ("pause -s", 2, "requires an argument", "hpotool pause --help"),
    ("resume cornr", 3, "'cornr' does not exist", "did you mean 'corner'?"),
    ("stop corner --trial 9999", 3, "no trial 9999", "hpotool trials --study corner"),
    ("stop corner --trial 0", 2, "trial 0 has already ended: complete", "hpotool show 0 --study corner"),
    ("retry corner failed", 2, "must be a whole number", "hpotool retry --help"),
    ("retry corner 0", 2, "only failed trials", "hpotool trials --study corner --state fail"),
    ("retry corner --where outcome=boom", 2, "did you mean 'oom'?", "the outcomes are"),
    ("enqueue corner lr=abc", 2, "must be a float from 0.001 to 10", "nothing was queued"),
    ("enqueue corner lr 0.1", 2, "'lr' is not NAME=VALUE", "NAME=VALUE"),
    ("export param corner", 2, "did you mean 'params'?", "hpotool export --help"),
    ("plot histroy corner", 2, "'histroy' is not one of", "hpotool plot --help"),
    ("plot slice corner -o x.gif", 2, "x.gif ends in .gif", "-o x.png"),
    ("importance corner --metric acc", 3, "no metric 'acc'", "height"),
    ("rename corner corner", 2, "corner", "hpotool"),
    ("tag corner production", 2, "a tag is key=value", "again"),
    ("import old.sqlite", 3, "old.sqlite does not exist", "hpotool import sqlite:///old.db"),
    ("import corner.yaml", 2, "neither an SQLite database nor", "hpotool create-study corner.yaml"),
    ("init", 2, "a file, --from-study or --example", "hpotool init train.py"),
    ("init --example digits", 3, "did you mean 'sgd_digits'?", "quadratic"),
    ("check corner.yml", 3, "corner.yml does not exist", "did you mean corner.yaml?"),
    ("check none/corner.yaml", 3, "does not exist", "hpotool init train.py"),
    ("create-study train.py", 2, "train.py is no study file, which is YAML", "hpotool init train.py"),
    ("create-study zz.yml", 3, "zz.yml does not exist", "the YAML files there: corner.yaml"),
    ("create-study corner.yaml --set trials=9", 2, "did you mean 'budget.trials'?", "again"),
    ("create-study corner.yaml --set budget", 2, "this sets nothing", "again"),
    ("dashboard --port 99999", 2, "must be 65535 or less", "hpotool dashboard --help"),
    ("ls", 2, "did you mean 'studies'?", "hpotool --help"),
    ("run corner", 2, "run needs both --trial and --final", "hpotool run --trial 12 --final"),
    ("status --storage localhost:5432", 2, "cannot be read", "postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
]


def test_each_wrong_line_is_answered(
    study_database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HPOTOOL_STORAGE", study_database_url)
    monkeypatch.chdir(tmp_path)
    run = Commands(capsys)
    Path("corner.yaml").write_text(FILE)
    Path("train.py").write_text("def objective(trial): return {'a': 1}\n")
    run("create-study corner.yaml")
    study = optuna.load_study(study_name="corner", storage=hpotool.open_storage(study_database_url))
    study.add_trial(
        optuna.trial.create_trial(
            value=1.0,
            params={"lr": 0.5, "batch": 16},
            distributions={"lr": FloatDistribution(0.001, 10), "batch": IntDistribution(8, 256)},
        )
    )

    def state() -> list[str]:
        return [run(f"{command} corner").stdout for command in ("trials", "budget", "events")]

    before = state()
    unhelpful = []
    for line, code, error, hint in ANSWERS:
        said = run(line, code).stderr
        errors = "\n".join(one for one in said.splitlines() if one.startswith("error: "))
        hints = [one for one in said.splitlines() if one.startswith("hint: ")]
        if error not in errors or len(hints) != 1 or hint not in hints[0] or "Traceback" in said:
            unhelpful.append(f"{line}:\n{said}")
    assert unhelpful == []
    assert state() == before
