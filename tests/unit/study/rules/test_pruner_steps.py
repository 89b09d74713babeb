"""What is said about a pruner's steps, and that Optuna's own pruners do what is said."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import create_trial

from hpotool.search.pruning.pruners import build_pruner
from hpotool.study.rules.pruner_steps import find_step_mismatch
from hpotool.study.spec import PrunerSpec

NAMED: list[dict[str, Any]] = [
    {"name": "median"},
    {"name": "percentile", "percentile": 25.0},
    {"name": "hyperband", "max_resource": 9},
    {"name": "asha"},
    {"name": "patient", "patience": 1},
    {"name": "threshold", "upper": 1.0},
    {"name": "wilcoxon"},
    {"name": "mine:Pruner"},
]


def pruner(name: str, **arguments: Any) -> PrunerSpec:
    return PrunerSpec(name, arguments)


@pytest.mark.parametrize("given", NAMED, ids=lambda given: given["name"])
def test_every_pruner_needs_reports(given: dict[str, Any]) -> None:
    said = find_step_mismatch(pruner(**given), None, 0)
    assert said is not None
    assert f"the pruner {given['name']} cannot prune such trials" in said
    assert find_step_mismatch(PrunerSpec("none"), None, 0) is None


@pytest.mark.parametrize(("last_step", "reports"), [(80, 81), (81, 81), (80, 16)])
def test_steps_may_be_counted_from_0_or_from_1(last_step: int, reports: int) -> None:
    assert find_step_mismatch(pruner("hyperband", max_resource=81), last_step, reports) is None
    assert find_step_mismatch(pruner("median", max_resource=81), last_step, reports) is None


@pytest.mark.parametrize(
    ("arguments", "last_step", "reports", "says"),
    [
        ({"max_resource": 81}, 15, 15, "2 of its 5 brackets never prune; write max_resource: 15"),
        ({"max_resource": 81}, 15, 16, "2 of its 5 brackets never prune; write max_resource: 16"),
        (
            {"max_resource": 15},
            80,
            81,
            "it lacks the brackets that prune later; write max_resource: 81",
        ),
        ({"max_resource": 81, "min_resource": 20}, 15, 15, "hyperband first prunes at min_resource 20"),
        ({"max_resource": 81}, 0, 1, "hyperband first prunes at min_resource 1"),
        # Optuna has three brackets for 9 to 26 steps: with the right number it would be the same pruner.
        ({"max_resource": 20}, 15, 16, None),
        ({"max_resource": 15}, 20, 21, None),
    ],
)
def test_hyperband_needs_the_length_of_a_whole_trial(
    arguments: dict[str, Any], last_step: int, reports: int, says: str | None
) -> None:
    said = find_step_mismatch(pruner("hyperband", **arguments), last_step, reports)
    assert said is None if says is None else said is not None and says in said


@given(st.integers(1, 300), st.integers(1, 300), st.integers(2, 5), st.integers(1, 3))
def test_hyperband_is_content_exactly_when_the_right_number_makes_the_same_brackets(
    high: int, last_step: int, factor: int, low: int
) -> None:
    def brackets(resource: int) -> int:
        built = optuna.pruners.HyperbandPruner(low, resource, factor)
        built._try_initialization(None)  # type: ignore[arg-type]
        assert built._n_brackets is not None
        return built._n_brackets

    if high < low or last_step < low:
        return
    spec = pruner("hyperband", min_resource=low, max_resource=high, reduction_factor=factor)
    is_same = brackets(high) in (brackets(last_step), brackets(last_step + 1))
    assert (find_step_mismatch(spec, last_step, last_step) is None) == is_same


def judges(spec: PrunerSpec, last_step: int, first_step: int) -> bool:
    """Whether Optuna's pruner ends the worst of trials after enough good ones that reported like it."""
    study = optuna.create_study(pruner=build_pruner(spec))
    steps = range(first_step, last_step + 1)
    for number in range(12):
        study.add_trial(create_trial(value=number, intermediate_values=dict.fromkeys(steps, number / 100)))
    for attempt in range(2):  # successive halving compares with what its own trials have left at a rung
        trial = study.ask()
        for step in steps:
            # Both get worse and worse, for the patient one.
            trial.report(1000.0 * attempt + step, step)
            if trial.should_prune() and attempt:
                return True
        study.tell(trial, 0.0)
    return False


@pytest.mark.parametrize("first_step", [0, 1])
@pytest.mark.parametrize(
    "given",
    [
        {"name": "asha", "min_resource": 3},
        {"name": "asha", "min_resource": 1, "min_early_stopping_rate": 1},
        {"name": "asha", "min_early_stopping_rate": 1, "reduction_factor": 3},
        {"name": "median", "n_warmup_steps": 4, "n_startup_trials": 1},
        {"name": "percentile", "percentile": 25.0, "n_warmup_steps": 4},
        {"name": "threshold", "upper": 1.0, "n_warmup_steps": 4},
        {"name": "patient", "patience": 3},
        {"name": "patient", "patience": 1, "wrapped": {"name": "asha", "min_resource": 4}},
    ],
    ids=str,
)
def test_it_is_said_exactly_when_the_pruner_never_judges(given: dict[str, Any], first_step: int) -> None:
    spec = pruner(**given)
    for last_step in range(1, 8):
        said = find_step_mismatch(spec, last_step, last_step + 1 - first_step)
        assert (said is None) == judges(spec, last_step, first_step), (last_step, said)


def test_wilcoxon_needs_as_many_reports_as_it_compares() -> None:
    assert find_step_mismatch(pruner("wilcoxon"), 0, 1) is not None
    assert find_step_mismatch(pruner("wilcoxon"), 1, 2) is None
    said = find_step_mismatch(pruner("wilcoxon", n_startup_steps=5), 3, 4)
    assert said is not None
    assert "wilcoxon compares at least 5 steps, but a complete trial reported 4" in said


@pytest.mark.parametrize(
    ("last_step", "fits"), [(15, False), (20, False), (24, True), (40, True), (70, True), (160, False)]
)
def test_medians_quarter_is_that_of_about_the_right_length(last_step: int, fits: bool) -> None:
    said = find_step_mismatch(pruner("median", max_resource=40), last_step, last_step)
    assert (said is None) == fits
    if said is not None:
        assert said.endswith(f"write max_resource: {last_step}")
    assert find_step_mismatch(pruner("median"), last_step, last_step) is None  # it learns the length itself


def test_a_threshold_without_a_warm_up_fits_any_steps() -> None:
    assert find_step_mismatch(pruner("threshold", upper=1.0), 0, 1) is None


def test_of_a_users_own_pruner_nothing_is_said_while_there_are_reports() -> None:
    assert find_step_mismatch(pruner("mine:Pruner"), 10, 10) is None


def test_asha_that_waits_for_a_second_step_wants_more_than_one() -> None:
    said = find_step_mismatch(pruner("asha", min_resource=1), 0, 1)
    assert said is not None
    assert "report more than one step" in said
    later = find_step_mismatch(pruner("asha", min_resource=5, min_early_stopping_rate=1), 10, 10)
    assert later is not None
    assert "asha first prunes at step 20" in later
    assert "a smaller min_resource or min_early_stopping_rate" in later
