"""A study of plain Optuna becomes a study file that suggests what its trials were suggested."""

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpotool.analysis.exports.draft_study import draft_study
from hpotool.study.draft.write import format_draft
from hpotool.study.file.reader import read_study_file
from hpotool.study.spec import StudySpec


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
