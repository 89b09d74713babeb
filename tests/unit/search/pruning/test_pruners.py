import warnings
from typing import Any

import optuna
import pytest
from optuna import pruners
from optuna.exceptions import ExperimentalWarning

from hpotool.errors import InputError
from hpotool.search.pruning.learned import LearnedPruner
from hpotool.search.pruning.pruners import LearnedMedianPruner, build_pruner
from hpotool.study.file.grammar.algorithms import PRUNERS
from hpotool.study.file.reader import read_study_file
from hpotool.study.spec import PrunerSpec

optuna.logging.set_verbosity(optuna.logging.ERROR)
HEAD = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"

PYTHON: dict[str, Any] = {
    "": pruners.NopPruner,
    "pruner: none": pruners.NopPruner,
    "pruner: learned": LearnedPruner,
    "pruner: {name: learned, n_startup_trials: 9}": lambda: LearnedPruner(9),
    "pruner: median": LearnedMedianPruner,
    "pruner: {name: median, max_resource: 81}": lambda: pruners.MedianPruner(10, 20, n_min_trials=5),
    "pruner: {name: median, n_startup_trials: 2, n_warmup_steps: 3, interval_steps: 4, n_min_trials: 6}": (
        lambda: pruners.MedianPruner(2, 3, 4, n_min_trials=6)
    ),
    "pruner: {name: percentile, percentile: 25, n_startup_trials: 2, n_warmup_steps: 3, interval_steps: 4,"
    " n_min_trials: 6}": lambda: pruners.PercentilePruner(25.0, 2, 3, 4, n_min_trials=6),
    "pruner: {name: hyperband, max_resource: 81}": lambda: pruners.HyperbandPruner(max_resource=81),
    "pruner: {name: hyperband, min_resource: 2, max_resource: 81, reduction_factor: 4, bootstrap_count: 3}": (
        lambda: pruners.HyperbandPruner(2, 81, 4, 3)
    ),
    "pruner: asha": pruners.SuccessiveHalvingPruner,
    "pruner: {name: asha, min_resource: 2, reduction_factor: 3, min_early_stopping_rate: 1}": (
        lambda: pruners.SuccessiveHalvingPruner(2, 3, 1)
    ),
    "pruner: {name: asha, min_resource: 2, bootstrap_count: 2}": (
        lambda: pruners.SuccessiveHalvingPruner(2, bootstrap_count=2)
    ),
    "pruner: {name: patient, patience: 3, min_delta: 0.5, wrapped: {name: median, n_warmup_steps: 2}}": (
        lambda: pruners.PatientPruner(pruners.MedianPruner(10, 2, n_min_trials=5), 3, 0.5)
    ),
    "pruner: {name: patient, patience: 3, wrapped: asha}": (
        lambda: pruners.PatientPruner(pruners.SuccessiveHalvingPruner(), 3)
    ),
    "pruner: {name: patient, patience: 3}": lambda: pruners.PatientPruner(None, 3),
    "pruner: {name: threshold, lower: 1, upper: 2, n_warmup_steps: 3, interval_steps: 4}": (
        lambda: pruners.ThresholdPruner(1.0, 2.0, 3, 4)
    ),
    "pruner: {name: wilcoxon, p_threshold: 0.2, n_startup_steps: 3}": (
        lambda: pruners.WilcoxonPruner(p_threshold=0.2, n_startup_steps=3)
    ),
    "pruner: {name: 'optuna.pruners:MedianPruner', n_startup_trials: 3}": lambda: pruners.MedianPruner(3),
}


def attributes(value: Any) -> Any:
    if isinstance(value, pruners.BasePruner):
        return (type(value), {key: attributes(item) for key, item in vars(value).items()})
    return value


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("text", PYTHON)
def test_a_pruner_by_name_is_the_object_that_python_code_builds(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        in_python = PYTHON[text]()
    assert attributes(build_pruner(read_study_file(HEAD + text).pruner)) == attributes(in_python)


def test_every_name_and_argument_of_the_grammar_is_in_that_comparison() -> None:
    for name, row in PRUNERS.items():
        texts = " ".join(text for text in PYTHON if f" {name}" in text)
        assert texts, name
        assert [key for key in row.keys if f"{key}:" not in texts] == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (PrunerSpec("medina"), "there is no pruner 'medina'"),
        (PrunerSpec("median", {"warmup": 1}), "the pruner 'median' has no argument 'warmup'"),
        (PrunerSpec("hyperband"), "the pruner 'hyperband' needs 'max_resource'"),
        (PrunerSpec("threshold"), "the pruner 'threshold' does not accept its arguments"),
        (PrunerSpec("optuna.samplers:TPESampler"), "is not a pruner"),
    ],
)
def test_what_cannot_be_built_is_an_input_error(spec: PrunerSpec, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_pruner(spec)


def add_completed(study: optuna.Study, steps: int, value: float, times: int = 1) -> None:
    for _ in range(times):
        study.add_trial(
            optuna.trial.create_trial(value=value, intermediate_values=dict.fromkeys(range(steps), value))
        )


def verdicts(study: optuna.Study, pruner: pruners.BasePruner, steps: int, value: float) -> list[bool]:
    """What ``pruner`` says after each step of a trial that reports ``value`` at all of them."""
    study.pruner = pruner
    trial = study.ask()
    said = []
    for step in range(steps):
        trial.report(value, step)
        said.append(trial.should_prune())
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return said


def test_median_without_a_length_leaves_a_quarter_of_the_longest_completed_trial_alone() -> None:
    study = optuna.create_study()
    add_completed(study, steps=20, value=1.0)
    add_completed(study, steps=4, value=1.0, times=8)
    assert verdicts(study, LearnedMedianPruner(), 20, value=9.0) == [False] * 20  # nine have completed
    add_completed(study, steps=20, value=1.0, times=4)
    assert verdicts(study, LearnedMedianPruner(), 20, value=9.0) == [False] * 5 + [True] * 15
    known = build_pruner(PrunerSpec("median", {"max_resource": 20}))
    assert verdicts(study, known, 20, value=9.0) == [False] * 5 + [True] * 15


def test_median_prunes_nothing_where_completed_trials_report_nothing() -> None:
    study = optuna.create_study()
    add_completed(study, steps=0, value=1.0, times=12)
    assert verdicts(study, LearnedMedianPruner(), 3, value=9.0) == [False] * 3


def test_workers_that_look_at_different_moments_prune_by_the_same_warm_up() -> None:
    study = optuna.create_study()
    add_completed(study, steps=8, value=1.0, times=10)
    early = LearnedMedianPruner()
    assert verdicts(study, early, 8, value=9.0) == [False] * 2 + [True] * 6
    add_completed(study, steps=20, value=1.0, times=30)
    assert verdicts(study, LearnedMedianPruner(), 20, value=9.0) == verdicts(study, early, 20, value=9.0)
