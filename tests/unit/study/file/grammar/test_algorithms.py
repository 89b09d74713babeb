"""What a row of grammar/algorithms.py still needs elsewhere, and that the row alone decides the rest."""

import re
from collections.abc import Mapping
from importlib.metadata import metadata, requires
from pathlib import Path

import optuna
import pytest

from hpotool.errors import StudyFileError
from hpotool.search import samplers
from hpotool.search.pruning import pruners
from hpotool.study.file.grammar.algorithms import PRUNER, PRUNERS, SAMPLER, SAMPLERS, Row
from hpotool.study.file.grammar.kinds import Flag, Key
from hpotool.study.file.reader import read_study_file
from hpotool.study.spec import PrunerSpec, SamplerSpec

ROOT = Path(__file__).parents[5]
TIERS = "tiers: [{trials: 2, steps: 1}, {trials: 1, steps: 2}]\n"
HEAD = "study: s\nobjective: {python: m:f}\n"


@pytest.mark.parametrize("name", sorted(SAMPLERS.keys() - {"grid"}))
def test_each_sampler_has_its_class(name: str) -> None:
    is_own = name in samplers._OWN
    assert is_own or name in samplers._CLASSES, "name its class in hpotool/search/samplers.py"
    assert is_own or hasattr(optuna.samplers, samplers._CLASSES[name])


def test_each_pruner_has_its_builder() -> None:
    assert PRUNERS.keys() == pruners._BUILDERS.keys(), "name its class in hpotool/search/pruning/pruners.py"


def test_one_row_of_each_is_the_default_and_the_spec_s_own() -> None:
    assert SAMPLER.default == SamplerSpec().name
    assert PRUNER.default == PrunerSpec().name


@pytest.mark.parametrize("name", [*SAMPLERS, *PRUNERS])
def test_what_a_row_needs_can_be_installed(name: str) -> None:
    needs = {**SAMPLERS, **PRUNERS}[name].needs
    if needs is None:
        return
    extra = re.fullmatch(r"hpotool\[(\w+)\]", needs[1])
    declared = [re.split(r"[<>=\[; ]", each)[0] for each in requires("hpotool") or []]
    extras = metadata("hpotool").get_all("Provides-Extra") or []
    assert extra[1] in extras if extra else needs[1] in declared, "declare it in pyproject.toml"


@pytest.mark.parametrize("option", ["sampler", "pruner"])
def test_the_help_names_what_there_is(option: str) -> None:
    source = (ROOT / "hpotool" / "cli" / "commands" / "describe" / "create_study.py").read_text()
    [shown] = re.findall(rf'"--{option}", "NAME", "(.*), … \[default', source)
    assert set(shown.split(", ")) <= {"sampler": SAMPLERS, "pruner": PRUNERS}[option].keys(), (
        "describe/create_study.py"
    )


@pytest.mark.parametrize(
    ("row", "rest", "problem"),
    [
        (
            Row({}, one_metric="use tpe"),
            "metrics: {a: minimize, b: minimize}\n",
            "new works with one metric, .* use tpe",
        ),
        (
            Row({key: Key(Flag(), "whether it does") for key in ("x", "y")}, only_one_of=("x", "y")),
            "",
            "new accepts only one of x, y; remove the others",
        ),
        (
            Row({}, space="countable"),
            "search_space: {lr: {float: [0, 1]}}\n",
            "new needs a finite number of values",
        ),
        (Row({}, space="grid"), "", "grid needs to know the parameters"),
        (
            Row({}, ends_by_itself=True),
            TIERS,
            "new ends the study",
        ),
        (
            Row({}, decides_steps=True),
            TIERS,
            "new itself decides",
        ),
    ],
)
def test_the_checks_follow_a_new_row(monkeypatch: pytest.MonkeyPatch, row: Row, rest: str, problem: str) -> None:
    known: Mapping[str, Row] = SAMPLERS
    monkeypatch.setitem(known, "new", row)  # type: ignore[arg-type]
    sampler = ", ".join(["name: new", *(f"{key}: true" for key in row.keys)])
    metrics = "" if "metrics" in rest else "metrics: {a: minimize}\n"
    with pytest.raises(StudyFileError, match=problem):
        read_study_file(f"{HEAD}{metrics}sampler: {{{sampler}}}\n{rest}")


PROBLEMS = [
    ("sampler: {name: 'mine:'}", "does not name a class; write module:Class"),
    ("sampler: {name: 7}", "a sampler's name, one of"),
    ("sampler: {name: [tpe]}", "a sampler's name, one of"),
    ("sampler: {name: TPESampler}", "did you mean 'tpe'"),
    ("pruner: {name: HyperbandPruner}", "did you mean 'hyperband'"),
    ("sampler: {name: 'm:C', arguments: {x: .nan}}", ""),
]


@pytest.mark.parametrize(("line", "says"), PROBLEMS)
def test_a_name_that_is_none_gets_a_sentence(line: str, says: str) -> None:
    with pytest.raises(StudyFileError) as error:
        read_study_file(f"{HEAD}metrics: {{loss: minimize}}\n{line}\n")
    assert says in str(error.value)


def test_arguments_of_a_users_own_class_may_be_nested() -> None:
    arguments = {"deep": [{"a": [1, 2.5, None, True]}, []], "word": "x"}
    sampler = "{name: 'm:C', deep: [{a: [1, 2.5, null, true]}, []], word: x}"
    text = f"{HEAD}metrics: {{loss: minimize}}\nsampler: {sampler}\n"
    assert dict(read_study_file(text).sampler.arguments) == arguments


def test_a_patient_pruner_may_wrap_nothing() -> None:
    text = f"{HEAD}metrics: {{loss: minimize}}\npruner: {{name: patient, patience: 2, wrapped: null}}\n"
    assert read_study_file(text).pruner.arguments["wrapped"] is None
