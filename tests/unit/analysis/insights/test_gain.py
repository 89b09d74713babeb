"""What further search may gain, as people and programs are told."""

from __future__ import annotations

import json
from dataclasses import replace

import optuna
import pytest

from hpotool.analysis.insights.gain import Gain, find_gain
from hpotool.study.file.reader import read_study_data
from hpotool.study.rules.regret import Regret
from hpotool.study.spec import StudySpec, TierSpec
from tests.unit.analysis.studies import add, make_study

GAIN = Gain("loss", Regret(0.0123, 0.0456, 40, 7), 61.5)


def spec() -> StudySpec:
    return read_study_data(
        {
            "study": "known",
            "objective": {"python": "m:f"},
            "metrics": {"loss": "minimize"},
            "search_space": {"drop": {"float": [0, 1]}},
        }
    )


def searched(count: int) -> optuna.Study:
    study = make_study("loss")
    for place in range(count):
        drop = (place * 0.618) % 1.0
        add(study, [(drop - 0.4) ** 2], {"drop": drop})
    return study


def test_the_sentence_says_of_which_trial_and_how_sure() -> None:
    assert GAIN.sentence == (
        "further search can improve loss over trial 7 by 0.012 (expected), "
        "and with probability 0.9 by at most 0.046"
    )


def test_the_data_is_strict_json() -> None:
    assert json.loads(json.dumps(GAIN.as_data(), allow_nan=False)) == {
        "metric": "loss",
        "expected": 0.0123,
        "at_most": 0.0456,
        "probability": 0.9,
        "trials": 40,
        "best": 7,
        "trial_s": 61.5,
        "sentence": GAIN.sentence,
    }


def test_it_is_found_from_twenty_trials_on() -> None:
    assert find_gain(searched(19), spec()) is None
    found = find_gain(searched(25), spec(), 3.0)
    assert found is not None
    assert (found.metric, found.trial_s, found.regret.trials) == ("loss", 3.0, 25)
    assert find_gain(searched(25)) is not None, "a study of plain Optuna too"


@pytest.mark.parametrize("directions", [("minimize", "minimize")])
def test_several_metrics_have_none(directions: tuple[str, ...]) -> None:
    study = make_study("loss", "size", directions=directions)
    for place in range(25):
        add(study, [float(place), float(-place)], {"drop": place / 25})
    assert find_gain(study) is None


def test_trials_that_continue_others_have_none() -> None:
    tiered = replace(spec(), tiers=(TierSpec(20, 1), TierSpec(5, 3)))
    assert find_gain(searched(25), tiered) is None
