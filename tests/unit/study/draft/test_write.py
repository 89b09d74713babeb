"""Study files drafted from scripts and other tools' sweeps are read without a mistake, and say what those said."""

from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpotool.errors import InputError
from hpotool.study.draft.script import draft_script
from hpotool.study.draft.sweeps import draft_sweep
from hpotool.study.draft.write import Draft, DraftParameter, format_draft, name_like
from hpotool.study.file.reader import read_study_file
from hpotool.study.spec import StudySpec

ARGPARSE = """
import argparse
p = argparse.ArgumentParser()
p.add_argument("--lr", type=float, default=1e-3)
p.add_argument("-b", "--batch-size", type=int, default=64)
p.add_argument("--dropout", default=0.1, type=float)
p.add_argument("--layers", type=int, default=3)
p.add_argument("--optimizer", choices=["adam", "sgd", "no"], default="adam")
p.add_argument("--epochs", type=int, default=10)
p.add_argument("--data", required=True)
p.add_argument("--amp", action="store_true")
p.add_argument("positional")
args = p.parse_args()
1 / 0
for epoch in range(args.epochs):
    print(f"epoch {epoch} train_loss={1.0} val_loss: {epoch:.4f} val_acc {1}")
"""
OPTUNA = """
import optuna
LOW = 1
def objective(trial):
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    depth = trial.suggest_int(name="depth", low=1, high=9, step=2)
    if trial.suggest_categorical("kind", ["a", "b"]) == "a":
        trial.suggest_int("n", LOW, 5)
    loss, accuracy = train(lr)
    return loss, accuracy
study = optuna.create_study(directions=["minimize", "maximize"])
"""
WANDB = """
program: train.py
name: my sweep
method: random
run_cap: 30
metric: {name: val_loss, goal: minimize}
early_terminate: {type: hyperband, min_iter: 3, eta: 2}
command: ["${env}", "${interpreter}", "${program}", "--data", "${envvar:DATA}", "${args}"]
parameters:
  lr: {distribution: log_uniform_values, min: 1e-5, max: 0.1}
  old: {distribution: log_uniform, min: -3, max: 0}
  depth: {min: 2, max: 8}
  momentum: {min: 0.0, max: 0.9}
  batch: {values: [16, 32, 64]}
  width: {distribution: q_uniform, min: 8, max: 64, q: 8}
  noise: {distribution: normal, mu: 0, sigma: 1}
  epochs: {value: 10}
  optimizer: {parameters: {name: {values: [adam, sgd]}, decay: {min: 0.0, max: 0.5}}}
"""
HYDRA = """
defaults:
  - override hydra/sweeper: optuna
  - override hydra/sweeper/sampler: tpe
hydra:
  sweeper:
    direction: maximize
    n_trials: 25
    study_name: sphere
    params:
      x: interval(-5.5, 5.5)
      lr: tag(log, interval(1e-4, 1))
      n: int(interval(1, 9))
      y: choice(a, b, 3)
      z: range(0, 10, step=3)
      w: range(1.0, 2.0, 0.5)
      v: 1,2,5
      u: glob(*)
"""


def read(draft: Draft, origin: str = "it") -> StudySpec:
    return read_study_file(format_draft(draft, origin), "draft.yaml")


def spaces(spec: StudySpec) -> dict[str, object]:
    return {parameter.name: parameter.distribution for parameter in spec.search_space}


def test_options_of_argparse_become_a_command_and_a_search_space() -> None:
    draft = draft_script(ARGPARSE, "train.py", "train")
    spec = read(draft)
    assert spaces(spec) == {
        "lr": FloatDistribution(1e-4, 1e-2, log=True),
        "batch-size": IntDistribution(16, 256, log=True),
        "dropout": FloatDistribution(0.0, 0.99),
        "layers": IntDistribution(1, 12),
        "optimizer": CategoricalDistribution(("adam", "sgd", "no")),
    }
    assert spec.objective.command == ("python", "train.py", "{args}")
    assert [(metric.name, metric.direction) for metric in spec.metrics] == [("val_loss", "minimize")]
    [pattern] = spec.objective.patterns.values()
    import re

    assert re.search(pattern, "epoch 3 train_loss=1.0 val_loss: 0.42 val_acc 1")[1] == "0.42"  # type: ignore[index]
    text = format_draft(draft, "train.py")
    assert "#   epochs: {int: [2, 40], log: true}" in text
    assert "#   data:  # required: give it a value in the command" in text
    assert "#   amp:  # a switch" in text


def test_suggestions_are_left_to_the_objective_and_shown() -> None:
    draft = draft_script(OPTUNA, "pkg/mine.py", "pkg.mine")
    spec = read(draft)
    assert spec.objective.python == "pkg.mine:objective"
    assert [(metric.name, metric.direction) for metric in spec.metrics] == [
        ("loss", "minimize"),
        ("accuracy", "maximize"),
    ]
    assert spec.search_space == ()
    text = format_draft(draft, "it")
    assert "#   lr: {float: [1e-05, 0.1], log: true}" in text
    assert "#   depth: {int: [1, 9], step: 2}" in text
    assert "#   kind: {choice: [a, b]}" in text
    assert "#   n:  # its range is in the code" in text


def test_a_wandb_sweep_is_read() -> None:
    spec = read(draft_sweep(WANDB, "sweep.yaml", "sweep"))
    assert spec.name == "my-sweep"
    assert spec.objective.command == ("python", "train.py", "--data", "${DATA}", "{args}")
    assert (spec.sampler.name, spec.budget.trials, spec.pruner.name) == ("random", 30, "hyperband")
    assert dict(spec.pruner.arguments) == {"min_resource": 3, "max_resource": 48, "reduction_factor": 2}
    found = spaces(spec)
    assert found["lr"] == FloatDistribution(1e-5, 0.1, log=True)
    assert found["old"] == FloatDistribution(0.0497871, 1.0, log=True)
    assert found["depth"] == IntDistribution(2, 8)
    assert found["width"] == FloatDistribution(8.0, 64.0, step=8)
    assert found["optimizer.name"] == CategoricalDistribution(("adam", "sgd"))
    assert "noise" not in found
    assert len(found) == 9


def test_a_config_of_hydras_sweeper_is_read() -> None:
    spec = read(draft_sweep(HYDRA, "config.yaml", "config"))
    assert (spec.name, spec.budget.trials, spec.metrics[0].direction) == ("sphere", 25, "maximize")
    assert spec.objective.command == ("python", "train.py", "{overrides}")
    assert spaces(spec) == {
        "x": FloatDistribution(-5.5, 5.5),
        "lr": FloatDistribution(1e-4, 1.0, log=True),
        "n": IntDistribution(1, 9),
        "y": CategoricalDistribution(("a", "b", 3)),
        "z": IntDistribution(0, 9, step=3),
        "w": FloatDistribution(1.0, 1.5, step=0.5),
        "v": CategoricalDistribution((1, 2, 5)),
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def f(:\n", "train.py:1: this is not valid Python"),
        ("print(1)\n", "has no argparse options and no suggest_"),
        ("x = '\0'", "this is not valid Python"),
    ],
)
def test_a_script_without_anything_to_read_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=r"train\.py") as refused:
        draft_script(text, "train.py", "train")
    assert says in refused.value.message


@pytest.mark.parametrize("text", ["a: 1\n", "- 1\n", "parameters: 3\n", "hydra: {sweeper: 3}\n", ""])
def test_a_yaml_that_is_no_sweep_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        draft_sweep(text, "sweep.yaml", "sweep")


def test_odd_names_and_values_survive_the_writing() -> None:
    parameters = [
        DraftParameter("größe#1", {"choice": ["yes", "a: b", "", None, True, 1e-7]}, "a\ncomment: #"),
        DraftParameter("no", {"const": "x"}),
    ]
    spec = read(Draft("n", {"python": "m:f"}, {"a/b": "minimize"}, parameters))
    assert spec.search_space[0].distribution == CategoricalDistribution(("yes", "a: b", "", None, True, 1e-7))
    assert [parameter.name for parameter in spec.search_space] == ["größe#1", "no"]


@pytest.mark.parametrize(
    ("text", "name"), [("a b/c", "a-b-c"), ("実験", "study"), ("../x", "x"), ("ok_1", "ok_1")]
)
def test_a_name_like_it(text: str, name: str) -> None:
    assert name_like(text) == name
