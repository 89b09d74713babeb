"""A study of plain Optuna becomes a study file that suggests what its trials were suggested."""

from typing import Any

import optuna
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpotool.analysis.exports.draft_study import draft_study
from hpotool.study.draft.write import format_draft
from hpotool.study.file.reader import read_study_file
from hpotool.study.spec import StudySpec
from tests.examples import examples


def study_of(objective: Any, n: int = 12, **options: Any) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1), study_name="old", **options)
    study.optimize(objective, n_trials=n)
    return study


def as_spec(study: optuna.Study) -> StudySpec:
    return read_study_file(format_draft(draft_study(study), "study old"))


def conditional(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    trial.suggest_float("drop", 0.0, 0.5, step=0.1)
    trial.suggest_int("width", 8, 64, step=8)
    if trial.suggest_categorical("kind", ["cnn", "mlp", "svm"]) != "svm":
        trial.suggest_int("layers", 1, 4)
    return lr


def test_the_search_space_is_what_was_suggested_with_its_conditions() -> None:
    study = study_of(conditional)
    spec = as_spec(study)
    found = {parameter.name: parameter for parameter in spec.search_space}
    suggested = {name: space for trial in study.trials for name, space in trial.distributions.items()}
    assert {name: parameter.distribution for name, parameter in found.items()} == suggested
    assert found["layers"].when == {"kind": ("cnn", "mlp")}
    assert found["lr"].when == {}


def test_what_is_finished_counts_in_the_budget_and_failures_do_not() -> None:
    study = study_of(conditional, 3)
    study.add_trial(create_trial(state=TrialState.FAIL))
    assert as_spec(study).budget.trials == 103


def test_metrics_keep_their_names_and_directions() -> None:
    study = study_of(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), 2, directions=["maximize", "minimize"])
    study.set_metric_names(["score", "size"])
    assert [(metric.name, metric.direction) for metric in as_spec(study).metrics] == [
        ("score", "maximize"),
        ("size", "minimize"),
    ]


def test_a_condition_that_no_choice_explains_is_said() -> None:
    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_float("x", 0, 1) < 0.5:
            trial.suggest_int("rare", 1, 3)
        return 0.0

    [_, rare] = draft_study(study_of(objective)).parameters
    assert rare.content == {"int": [1, 3]}
    assert "only in 10 of 12 trials: add when" in rare.comment


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
@pytest.mark.parametrize("name", ["a b", "layers"])
def test_what_no_study_file_can_hold_stays_with_the_objective(name: str) -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.suggest_categorical(name, [1, 2] if name == "a b" else [[64], [64, 64]])
        return 0.0

    draft = draft_study(study_of(objective, 2))
    assert not draft.has_space
    assert any(f"a study file cannot express {name}" in note for note in draft.notes)
    assert as_spec(study_of(objective, 2)).search_space == ()


def test_a_study_without_trials_is_a_study_without_a_space() -> None:
    assert as_spec(study_of(conditional, 0)).search_space == ()


CHOICES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from([1, 1.0]),
)
BOUNDS = st.floats(-1e300, 1e300) | st.integers(-(2**53), 2**53).map(float)


@st.composite
def distributions(draw: st.DrawFn) -> BaseDistribution:
    low, high = sorted([draw(BOUNDS), draw(BOUNDS)])
    whole = sorted([draw(st.integers(1, 10**6)), draw(st.integers(1, 10**6))])
    return draw(
        st.sampled_from(
            [
                FloatDistribution(low, high),
                FloatDistribution(abs(low) + 1e-300, abs(low) + abs(high) + 1e-300, log=True),
                FloatDistribution(0.0, whole[1] / 8, step=0.125),
                IntDistribution(*whole),
                IntDistribution(*whole, log=True),
                IntDistribution(*whole, step=draw(st.integers(1, 1000))),
                CategoricalDistribution(draw(st.lists(CHOICES, min_size=1, max_size=4))),
            ]
        )
    )


NAMES = st.text(min_size=0, max_size=8) | st.sampled_from(
    ["lr", "true", "10", "- a", "#x", "a: b", "é", "x\x07", "x" * 501]
)


@settings(max_examples=examples(60))
@given(st.dictionaries(NAMES, distributions(), min_size=1, max_size=3))
@example({"x": CategoricalDistribution([1, True])})
@example({"x": CategoricalDistribution([float("inf"), 1.0])})
@example({"x": CategoricalDistribution([2**70, 1])})
@example({"x\x07": FloatDistribution(0, 1)})
@example({"": FloatDistribution(0, 1)})
@example({"x" * 501: FloatDistribution(0, 1)})
@example({"x": CategoricalDistribution(["\x85", "\u2028", "", "no", "1", "null", "a: b", "#x", "a\nb", "😀"])})
def test_the_draft_of_any_study_is_a_study_file_with_the_same_space_or_with_none(
    space: dict[str, BaseDistribution],
) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name="old")
    params = {name: one.to_external_repr(getattr(one, "low", 0)) for name, one in space.items()}
    study.add_trial(create_trial(params=params, distributions=space, value=1.0))
    draft = draft_study(study)
    spec = as_spec(study)
    found = {parameter.name: parameter.distribution for parameter in spec.search_space}
    assert found == (space if draft.has_space else {})
    assert spec.budget.trials == 101
