"""What is stored with a study is the study."""

import json
from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpotool.errors import StudyFileError
from hpotool.study.file.reader import read_study_data, read_study_file
from hpotool.study.file.resolved import spec_hash, to_document
from hpotool.study.spec import (
    NO_DEFAULT,
    BudgetSpec,
    ConstraintSpec,
    KeepSpec,
    MetricSpec,
    ObjectiveSpec,
    ParameterSpec,
    PrunerSpec,
    RetrySpec,
    SamplerSpec,
    StudySpec,
)
from hpotool.study.units import format_duration, format_size, parse_duration, parse_size
from hpotool.study.yaml.document import format_yaml, parse_yaml

# What no database can store, NUL and halves of a character, is in no study.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
NAMES = st.from_regex(r"[a-z][a-z0-9_.]{0,8}", fullmatch=True)
FINITE = st.floats(-1e9, 1e9)
POSITIVE = st.floats(1e-3, 1e6)
COUNT = st.integers(1, 10**6)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), FINITE, TEXTS)
DURATIONS = st.timedeltas(timedelta(microseconds=1), timedelta(days=1000))
SIZES = st.integers(1, 2**50)


@st.composite
def parameters(draw: st.DrawFn, name: str, parents: dict[str, Any]) -> ParameterSpec:
    low, high = sorted(draw(st.tuples(FINITE, FINITE)))
    whole = sorted(draw(st.tuples(COUNT, COUNT)))
    step = draw(st.integers(1, 50))
    distribution = draw(
        st.sampled_from(
            [
                FloatDistribution(low, high),
                FloatDistribution(0.25, 0.25 + 0.5 * step, step=0.5),
                FloatDistribution(1e-6, 1e-1, log=True),
                IntDistribution(*whole),
                IntDistribution(*whole, log=True),
                IntDistribution(3, 3 + 7 * step, step=step),
                CategoricalDistribution(draw(st.lists(SCALARS, min_size=1, max_size=4, unique=True))),
            ]
        )
    )
    when = {parent: (choices[0],) for parent, choices in parents.items() if draw(st.booleans())}
    default = NO_DEFAULT
    if isinstance(distribution, CategoricalDistribution) and draw(st.booleans()):
        default = distribution.choices[-1]
    return ParameterSpec(name, distribution, when, default)


@st.composite
def specs(draw: st.DrawFn) -> StudySpec:
    metric_names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    space: list[ParameterSpec] = []
    parents: dict[str, Any] = {}
    for name in draw(st.lists(NAMES, max_size=4, unique=True)):
        parameter = draw(parameters(name, parents))
        space.append(parameter)
        if isinstance(parameter.distribution, CategoricalDistribution):
            parents[name] = parameter.distribution.choices
    optional = st.none()
    metrics = tuple(MetricSpec(name, draw(st.sampled_from(["minimize", "maximize"]))) for name in metric_names)
    return StudySpec(
        name=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)),
        objective=ObjectiveSpec(
            python="pack.module:objective",
            timeout=draw(optional | st.timedeltas(timedelta(days=1001), timedelta(days=2000))),
            stall=draw(optional | DURATIONS),
            max_memory=draw(optional | SIZES),
            isolation=draw(st.sampled_from(["process", "none"])),
            environment=draw(st.dictionaries(st.just("DATA"), TEXTS.filter(bool))),
        ),
        metrics=metrics,
        search_space=tuple(space),
        sampler=SamplerSpec("tpe", draw(optional | st.integers(0, 2**32 - 1)), {"n_startup_trials": draw(COUNT)}),
        pruner=PrunerSpec("percentile", {"percentile": draw(st.floats(0, 100))}, metric_names[-1]),
        budget=BudgetSpec(
            trials=draw(optional | COUNT),
            wall=draw(optional | DURATIONS),
            gpu_hours=draw(optional | POSITIVE),
            cost=draw(POSITIVE),
            prices={"H100": draw(POSITIVE)},
            target={metric_names[0]: draw(FINITE)},
            patience=draw(optional | COUNT),
            regret=draw(optional | POSITIVE) if len(metric_names) == 1 else None,
            failed=draw(optional | COUNT),
        ),
        retry=RetrySpec(lost=draw(st.integers(0, 9)), error=draw(st.integers(0, 9))),
        warm_start=() if space else ({"anything": draw(SCALARS)},),
        constraints=tuple(
            ConstraintSpec(name, draw(st.sampled_from(["<=", ">="])), draw(FINITE))
            for name in draw(st.lists(NAMES, max_size=2, unique=True))
        ),
        strict=draw(st.booleans()),
        duplicates=draw(st.sampled_from(["allow", "skip", "replicate"])) if space else "allow",
        on_oom=draw(st.sampled_from(["fail", "infeasible"])),
        gpu_memory=draw(optional | st.integers(1, 10**12)),
        keep=KeepSpec(draw(optional | COUNT), draw(COUNT)),
    )


@given(specs())
def test_a_study_survives_json_with_its_keys_in_any_order(spec: StudySpec) -> None:
    stored = json.dumps(to_document(spec), sort_keys=True, allow_nan=False)
    assert read_study_data(json.loads(stored)) == spec


@given(specs())
def test_a_study_survives_being_written_as_a_study_file(spec: StudySpec) -> None:
    text = format_yaml(to_document(spec))
    again = read_study_file(text)
    assert again == spec
    assert spec_hash(again) == spec_hash(spec)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"], ids=ascii)
@pytest.mark.parametrize("key", ["environment", "environment's name", "choice", "warm_start", "tags", "note"])
def test_a_text_that_no_database_can_store_is_refused_as_data_and_as_a_file(key: str, text: str) -> None:
    more: dict[str, Any] = {
        "environment": {"objective": {"python": "m:f", "environment": {"A": text}}},
        "environment's name": {"objective": {"python": "m:f", "environment": {text: "a"}}},
        "choice": {"search_space": {"x": {"choice": [text]}}},
        "warm_start": {"warm_start": [{"x": text}]},
        "tags": {"tags": {"a": text}},
        "note": {"note": text},
    }
    data = {"study": "s", "objective": {"python": "m:f"}, "metrics": {"loss": "minimize"}, **more[key]}
    with pytest.raises(StudyFileError, match="no database can store"):
        read_study_data(data)
    with pytest.raises(StudyFileError):
        read_study_file(json.dumps(data))


def test_halves_of_a_character_are_joined() -> None:
    data = {"study": "s", "objective": {"python": "m:f"}, "metrics": {"loss": "minimize"}}
    assert read_study_data({**data, "tags": {"a": "\ud83d\ude00"}}).tags == {"a": "\U0001f600"}


@pytest.mark.parametrize(
    "text", ["0E0", "1e3", "yes", "1:30", "010", "0o7", "~", "", "<<", "- a", "a: b", "\x85", "2024-01-01"]
)
def test_a_text_that_looks_like_something_else_stays_a_text(text: str) -> None:
    assert parse_yaml(format_yaml({"key": [text]}), None).plain() == {"key": [text]}
    assert yaml.safe_load(format_yaml({"key": [text]})) == {"key": [text]}


@given(DURATIONS)
def test_a_duration_survives_its_text(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(SIZES)
def test_a_size_survives_its_text(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_the_hash_tells_studies_apart_and_not_spellings() -> None:
    head = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"
    written = read_study_file(head + "budget: {wall: 90m}\n")
    same = read_study_file(
        "metrics:\n- loss: minimize\n" + head.replace("metrics: {loss: minimize}\n", "") + "budget: {wall: 1h30m}"
    )
    other = read_study_file(head + "budget: {wall: 91m}\n")
    assert spec_hash(written) == spec_hash(same)
    assert spec_hash(written) != spec_hash(other)
