from typing import Any

import pytest

from hpotool.errors import StudyFileError
from hpotool.study.file.flags import StudyFlags, read_study_flags
from hpotool.study.file.reader import read_study_file


def test_flags_and_a_file_that_say_the_same_are_the_same_study() -> None:
    flags = StudyFlags(
        study="digits",
        objective="objectives.digits:objective",
        metrics=["val/acc:maximize", "size:minimize"],
        constraints=["latency_ms<=50", "recall >= 0.9"],
        parameters=[
            "lr=float(1e-5, 1e-1, log)",
            "depth=int(2,12,step=2)",
            "booster=choice(gbtree, dart, 'a, b', true, 3)",
            "drop=float(0, 0.5, step=0.1, when=booster:dart|gbtree, when=depth:2, default=0.1)",
            "version=const(7)",
        ],
        trials="40",
        timeout="30m",
        sampler="nsga2",
        seed="3",
    )
    text = """
study: digits
objective: {python: "objectives.digits:objective", timeout: 30m}
metrics: {val/acc: maximize, size: minimize}
constraints: {latency_ms: "<= 50", recall: ">= 0.9"}
search_space:
  lr: {float: [1e-5, 1e-1], log: true}
  depth: {int: [2, 12], step: 2}
  booster: {choice: [gbtree, dart, "a, b", true, 3]}
  drop: {float: [0, 0.5], step: 0.1, when: {booster: [dart, gbtree], depth: 2}, default: 0.1}
  version: {const: 7}
sampler: {name: nsga2, seed: 3}
budget: {trials: 40}
"""
    assert read_study_flags(flags) == read_study_file(text)
    again = read_study_flags(flags, ["budget.trials=50", "sampler.population_size=8"])
    assert again == read_study_file(text, None, ["budget.trials=50", "sampler.population_size=8"])


def test_a_command_is_split_as_a_shell_would_and_keeps_its_templates() -> None:
    flags = StudyFlags(
        study="c",
        command="""python train.py --lr {lr} --name 'two words'""",
        metrics=["loss:minimize"],
        parameters=["lr=float(0, 1)"],
        pruner="median",
    )
    spec = read_study_flags(flags)
    assert spec.objective.command == ("python", "train.py", "--lr", "{lr}", "--name", "two words")
    assert spec.pruner.name == "median"


GOOD: dict[str, Any] = {"study": "s", "objective": "m:f", "metrics": ["loss:minimize"]}
FORM = "expected name=kind(…), like lr=float(1e-5, 1e-1, log) or booster=choice(gbtree, dart)"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {},
            [
                "--study: this is required without a study file; write --study NAME",
                "--objective: this is required without a study file; write --objective module:function",
                "--metric: this is required without a study file; write --metric NAME:maximize",
            ],
        ),
        (
            GOOD | {"parameters": ["x=float(1, 0)", "y", "z=flaot(1, 2)", "u=int(1,", "x=int(1, 2)", "v=int(1:)"]},
            [
                f"--param y: {FORM}",
                "--param z=flaot(1, 2): 'flaot' is not a kind of parameter; did you mean 'float'?",
                f"--param u=int(1,: {FORM}",
                "--param x=int(1, 2): an earlier --param already defines the parameter 'x'; rename one",
                "--param x=float(1, 0): high 0 is below low 1; write [0, 1]",
                "--param v=int(1:): expected a whole number, got a mapping",
            ],
        ),
        (
            GOOD | {"metrics": ["loss"], "trials": "many"},
            ["--metric loss: a metric needs a direction; write accuracy:maximize or loss:minimize"],
        ),
        (
            GOOD | {"trials": "many", "seed": "-1", "timeout": "3", "sampler": "tpee", "pruner": "medan"},
            [
                "--timeout 3: '3' is not a duration: write a number with a unit, like 90s, 30m, 12h or 1h30m",
                "--trials many: expected a whole number, 1 or more, got 'many'",
                "--sampler tpee: there is no sampler 'tpee'; did you mean 'tpe'?",
                "--pruner medan: there is no pruner 'medan'; did you mean 'median'?",
            ],
        ),
        (
            GOOD | {"seed": "-1"},
            ["--seed -1: expected a whole number from 0 to 4294967295, got -1"],
        ),
        (
            GOOD | {"command": "echo 'x", "constraints": ["fast"]},
            [
                "--command echo 'x: the command's quotes do not match (No closing quotation); close them",
                '--constraint fast: a constraint needs a bound; write "latency_ms <= 50"',
            ],
        ),
    ],
)
def test_a_problem_names_the_flag_it_stands_in(given: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(StudyFileError) as raised:
        read_study_flags(StudyFlags(**given))
    assert str(raised.value).splitlines() == said


@pytest.mark.parametrize(
    ("parameter", "says"),
    [
        ("lr=float(1, [2)", "the text in brackets cannot be read"),
        ("lr=flaot(1, 2)", "'flaot' is not a kind of parameter"),
        ("lr", "expected name=kind(…)"),
        ("lr=float", "expected name=kind(…)"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_named_by_its_flag(parameter: str, says: str) -> None:
    flags = StudyFlags(study="s", objective="m:f", metrics=["loss:minimize"], parameters=[parameter])
    with pytest.raises(StudyFileError) as error:
        read_study_flags(flags)
    assert says in str(error.value)
    assert f"--param {parameter}" in str(error.value)
