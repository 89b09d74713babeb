"""What each outcome declares, and that everything made from the declarations agrees with them."""

import pickle
from dataclasses import fields

import pytest

from hpotool.study.file.grammar.study import RETRY
from hpotool.study.file.reader import read_study_file
from hpotool.study.file.resolved import to_document
from hpotool.study.outcome import COUNTED, Blame, Outcome
from hpotool.study.spec import RetrySpec

COUNTED_SINCE_0_1 = {"lost": 3, "crash": 1, "error": 0, "oom": 0, "nan": 0, "timeout": 0, "stalled": 1}


def test_a_value_that_only_a_newer_release_knows_is_unknown() -> None:
    assert Outcome("melted") is Outcome.UNKNOWN
    with pytest.raises(ValueError, match="3"):
        Outcome(3)


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_travels_as_its_value(outcome: Outcome) -> None:
    assert Outcome(outcome.value) is outcome
    assert pickle.loads(pickle.dumps(outcome)) is outcome


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_declares_one_thing_that_follows(outcome: Outcome) -> None:
    facts = outcome.facts
    assert facts.meaning, "say in study/outcome.py when it is the outcome"
    kinds = (outcome.is_finished, facts.retries is not None, bool(facts.consequence))
    assert sum(kinds) == 1, "a result, a number of retries, or a consequence: see study/outcome.py"
    assert bool(facts.after_failure) == (facts.retries is not None), "after_failure completes the key of `retry`"


def test_no_outcome_both_blames_its_worker_and_shows_that_it_works() -> None:
    assert not [one for one in Outcome if one.facts.shows_worker and one.facts.blames is Blame.WORKER]


def test_the_file_s_retry_its_defaults_and_its_keys_are_the_counted_outcomes() -> None:
    counted = {outcome.value: retries for outcome, retries in COUNTED.items()}
    assert {field.name: field.default for field in fields(RetrySpec)} == counted
    assert list(RETRY.keys) == list(counted)


def test_an_outcome_younger_than_the_first_release_is_silent_in_retry() -> None:
    stored = {outcome.value: retries for outcome, retries in COUNTED.items() if not outcome.facts.is_silent}
    assert stored == COUNTED_SINCE_0_1, "set is_silent in study/outcome.py: old studies keep their hash"
    smallest = read_study_file("study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n")
    assert to_document(smallest)["retry"] == stored


@pytest.mark.parametrize("outcome", Outcome)
def test_what_somebody_or_chance_ended_speaks_against_no_parameters(outcome: Outcome) -> None:
    by_others = outcome.facts.hands_back or outcome.is_finished
    assert not (by_others and outcome.blames_parameters)
    assert outcome.blames_parameters is (outcome.facts.blames in (Blame.PARAMETERS, Blame.WORKER))
