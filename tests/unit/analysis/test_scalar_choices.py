import json
import warnings

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import create_trial

from hpotool.analysis.scalar_choices import with_scalar_choices

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # Optuna says that not every storage holds them; ours does
    LISTS = CategoricalDistribution([[64, 64], {"a": 1}, 2**60, "plain", None])  # type: ignore[list-item]


def study_of(space: CategoricalDistribution) -> optuna.Study:
    study = optuna.create_study(directions=["maximize"], study_name="known")
    study.set_metric_names(["score"])
    for number, choice in enumerate(space.choices):
        params = {"layers": choice, "lr": 0.1 * number}
        distributions = {"layers": space, "lr": FloatDistribution(0, 1)}
        study.add_trial(create_trial(values=[float(number)], params=params, distributions=distributions))
    return study


def test_a_study_of_scalars_is_itself() -> None:
    study = study_of(CategoricalDistribution(["a", 3, 0.5, None, True]))
    assert with_scalar_choices(study) is study


def test_what_has_no_hash_or_no_exact_float_becomes_its_json_text() -> None:
    study = study_of(LISTS)
    copied = with_scalar_choices(study)
    assert [trial.params["layers"] for trial in copied.trials] == [
        "[64, 64]",
        '{"a": 1}',
        str(2**60),
        "plain",
        None,
    ]
    assert [trial.params["lr"] for trial in copied.trials] == [trial.params["lr"] for trial in study.trials]
    assert [trial.values for trial in copied.trials] == [trial.values for trial in study.trials]
    assert (copied.direction, copied.metric_names, copied.study_name) == (study.direction, ["score"], "known")
    assert json.loads(copied.trials[0].params["layers"]) == study.trials[0].params["layers"]


def test_the_study_that_was_given_stays_as_it_is() -> None:
    study = study_of(LISTS)
    with_scalar_choices(study)
    assert study.trials[0].params["layers"] == [64, 64]
    assert study.trials[0].distributions["layers"] == LISTS


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optuna_weighs_the_copy() -> None:
    evaluator = PedAnovaImportanceEvaluator()
    weights = optuna.importance.get_param_importances(with_scalar_choices(study_of(LISTS)), evaluator=evaluator)
    assert set(weights) == {"layers", "lr"}
