"""Whatever numbers and shapes another tool's sweep has, a draft comes of it that is YAML, or a sentence."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hpotool.errors import InputError
from hpotool.study.draft.sweeps import draft_sweep
from hpotool.study.draft.write import format_draft
from hpotool.study.yaml.document import format_yaml, parse_yaml

NUMBERS = (
    st.integers(-(2**62), 2**62) | st.floats() | st.sampled_from([0, 1, -1, 1e308, float("inf"), float("nan")])
)
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["a", "", "a b", "${env}", "no", "x: y", "0x1"])
DISTRIBUTIONS = [
    "uniform", "int_uniform", "q_uniform", "log_uniform", "log_uniform_values", "q_log_uniform_values", "normal",
    "inv_log_uniform", "constant", "categorical", "beta",
]  # fmt: skip
WANDB_PARAMETERS = st.dictionaries(
    st.sampled_from(["lr", "a b", "x.y", "no"]),
    SCALARS
    | st.fixed_dictionaries(
        {},
        optional={
            "min": SCALARS,
            "max": SCALARS,
            "q": SCALARS,
            "value": SCALARS,
            "values": SCALARS | st.lists(SCALARS, max_size=3),
            "distribution": st.sampled_from(DISTRIBUTIONS) | SCALARS,
        },
    ),
    max_size=3,
)
WANDB = st.fixed_dictionaries(
    {"parameters": WANDB_PARAMETERS},
    optional={
        "metric": SCALARS | st.fixed_dictionaries({}, optional={"name": SCALARS, "goal": SCALARS}),
        "run_cap": SCALARS,
        "name": SCALARS,
        "method": SCALARS,
        "program": SCALARS,
        "command": SCALARS | st.lists(SCALARS, max_size=3),
        "early_terminate": SCALARS
        | st.fixed_dictionaries(
            {"type": st.just("hyperband")}, optional={"min_iter": SCALARS, "max_iter": SCALARS, "eta": SCALARS}
        ),
    },
)
OVERRIDES = st.builds(
    "{}({}, {}{})".format,
    st.sampled_from(["interval", "range", "choice", "tag", "int", "glob", "shuffle"]),
    NUMBERS | st.sampled_from(["log", "a", "interval(1, 9)"]),
    NUMBERS | st.sampled_from(["range(5)", "interval(.inf, 3)", ""]),
    st.sampled_from(["", ", step=2", ", step=0", ", step=-1e400", ", 0", ")("]),
)
HYDRA_PARAMETER = (
    SCALARS
    | OVERRIDES
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["int", "float", "categorical", 3])},
        optional={"low": SCALARS, "high": SCALARS, "step": SCALARS, "log": SCALARS, "choices": st.lists(SCALARS)},
    )
)
HYDRA = st.builds(
    lambda sweeper, params: {"hydra": {"sweeper": sweeper | {"params": params}}},
    st.fixed_dictionaries(
        {},
        optional={
            "direction": SCALARS | st.lists(SCALARS, min_size=1, max_size=3),
            "n_trials": SCALARS,
            "study_name": SCALARS,
            "sampler": st.none() | st.fixed_dictionaries({"_target_": SCALARS}),
        },
    ),
    st.dictionaries(st.sampled_from(["lr", "a.b"]), HYDRA_PARAMETER, max_size=3),
)


@given(WANDB | HYDRA)
@example({"parameters": {"lr": {"distribution": "log_uniform", "min": -3, "max": 1000}}})
@example({"parameters": {"n": {"distribution": "int_uniform", "min": 1, "max": float("inf")}}})
@example({"hydra": {"sweeper": {"params": {"n": "range(0, .inf)"}}}})
@example({"hydra": {"sweeper": {"params": {"n": "int(interval(1, .nan))"}}}})
def test_any_sweep_becomes_yaml_or_a_sentence(data: dict[str, Any]) -> None:
    try:
        draft = draft_sweep(format_yaml(data), "sweep.yaml", "sweep")
    except InputError:
        return
    parse_yaml(format_draft(draft, "sweep.yaml"), None)


@pytest.mark.parametrize(
    ("override", "content"),
    [
        ("range(5)", {"int": [0, 4]}),
        ("range(1, 8, step=3)", {"int": [1, 7], "step": 3}),
        ("range(1, 7, 3)", {"int": [1, 4], "step": 3}),
        ("interval(1, 5)", {"float": [1.0, 5.0]}),
        ("tag(log, int(interval(1, 5)))", {"int": [1, 5], "log": True}),
        ("choice(a, 'b, c', 3)", {"choice": ["a", "'b", "c'", 3]}),
        ("a, b", {"choice": ["a", "b"]}),
        ("7", {"const": 7}),
        ("[1, 2], [3]", {"choice": ["[1, 2]", "[3]"]}),
        ("range(5, 1)", None),
        ("interval(1)", None),
    ],
)
def test_an_override_of_hydra_s_is_read(override: str, content: dict[str, Any] | None) -> None:
    text = format_yaml({"hydra": {"sweeper": {"params": {"x": override}}}})
    [parameter] = draft_sweep(text, "sweep.yaml", "sweep").parameters
    assert parameter.content == content
    assert bool(parameter.comment) is (content is None)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"type": "categorical", "choices": ["a", 1, None]}, {"choice": ["a", 1, None]}),
        ({"type": "int", "low": 1, "high": 9, "step": 2}, {"int": [1, 9], "step": 2}),
        ({"type": "int", "low": 1, "high": 9, "log": True}, {"int": [1, 9], "log": True}),
        ({"type": "float", "low": 0.1, "high": 2, "log": True}, {"float": [0.1, 2], "log": True}),
        ({"type": "float", "low": 0, "high": 1}, {"float": [0, 1]}),
    ],
)
def test_hydras_mappings_mean_what_its_optuna_sweeper_takes_them_for(content: Any, expected: Any) -> None:
    sweep = {"hydra": {"sweeper": {"_target_": "hydra_plugins.hydra_optuna_sweeper.x", "params": {"x": content}}}}
    document = parse_yaml(format_draft(draft_sweep(format_yaml(sweep), "s.yaml", "s"), "s.yaml"), None).plain()
    assert document["search_space"] == {"x": expected}


@pytest.mark.parametrize(
    "content",
    [
        {"type": "categorical", "choices": "a"}, {"type": "int", "low": 1}, {},
        {"type": "float", "low": "a", "high": 1}, {"type": "normal", "low": 0, "high": 1},
    ],
)  # fmt: skip
def test_a_mapping_of_hydra_that_is_not_understood_is_left_to_the_reader(content: Any) -> None:
    sweep = {"hydra": {"sweeper": {"_target_": "hydra_plugins.hydra_optuna_sweeper.x", "params": {"x": content}}}}
    text = format_draft(draft_sweep(format_yaml(sweep), "s.yaml", "s"), "s.yaml")
    assert "x" in text
    assert "search_space" not in parse_yaml(text, None).plain() or "x" not in (
        parse_yaml(text, None).plain()["search_space"] or {}
    )


@pytest.mark.parametrize(
    "early", [{"type": "hyperband", "min_iter": "few"}, {"type": "envelope"}, "hyperband", None]
)
def test_early_stopping_that_is_not_hyperband_with_numbers_is_left_out(early: Any) -> None:
    sweep = {"method": "bayes", "parameters": {"lr": {"min": 0.1, "max": 1.0}}, "early_terminate": early}
    text = format_draft(draft_sweep(format_yaml(sweep), "s.yaml", "s"), "s.yaml")
    assert "hyperband" not in str(parse_yaml(text, None).plain().get("pruner"))
