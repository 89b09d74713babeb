"""What further search may gain, as people and programs are told."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import replace

import optuna
import pytest

from hpotool.analysis.insights.gain import Gain, GainFollower, find_gain
from hpotool.errors import DatabaseUnreachableError
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


def counts(study: optuna.Study) -> Counter[str]:
    return Counter(trial.state.name for trial in study.get_trials(deepcopy=False))


def follow(follower: GainFollower, study: optuna.Study, trials: int) -> Gain:
    """Look until the estimate is made from so many trials."""
    until = time.monotonic() + 60
    while (found := follower.look(study, counts(study), 3.0)) is None or found.regret.trials != trials:
        assert time.monotonic() < until
        time.sleep(0.01)
    return found


def test_a_follower_ends_with_the_estimate_of_status_and_reads_no_more_than_it_needs() -> None:
    reads = []
    study, follower = searched(25), GainFollower(lambda: reads.append(1) or spec())
    assert follow(follower, study, 25) == find_gain(study, spec(), 3.0)
    for _ in range(50):
        follower.look(study, counts(study), 3.0)
    assert len(reads) == 1, "nothing has ended since"
    add(study, [0.5], {"drop": 0.9})
    assert follow(follower, study, 26) == find_gain(study, spec(), 3.0)
    assert len(reads) == 2


def test_nobody_waits_for_an_estimate_and_it_is_made_once_at_a_time() -> None:
    may_read, reads = threading.Event(), []

    def read_spec() -> StudySpec:
        reads.append(1)
        assert may_read.wait(60)
        return spec()

    study, follower = searched(25), GainFollower(read_spec)
    for _ in range(50):
        assert follower.look(study, counts(study), None) is None
    assert len(reads) <= 1
    may_read.set()
    follow(follower, study, 25)
    assert len(reads) == 1


def test_below_twenty_trials_nothing_is_begun() -> None:
    def read_spec() -> StudySpec:
        raise AssertionError

    follower = GainFollower(read_spec)
    study = searched(19)
    add(study, None, {"drop": 0.1}, optuna.trial.TrialState.FAIL)
    assert follower.look(study, counts(study), None) is None


def test_a_database_that_was_away_is_asked_again() -> None:
    answers = iter([DatabaseUnreachableError("away"), None])

    def read_spec() -> StudySpec:
        error = next(answers)
        if error is not None:
            raise error
        return spec()

    assert follow(GainFollower(read_spec), searched(25), 25).regret.trials == 25


def test_the_outlook_adds_what_a_trial_takes_if_that_is_known() -> None:
    assert GAIN.outlook == f"{GAIN.sentence}; a trial takes 62 s of worker time"
    assert replace(GAIN, trial_s=None).outlook == GAIN.sentence
