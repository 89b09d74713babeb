"""The checks can fail: each finds the one thing that is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hpotool.drill.invariants import INVARIANTS, Facts, judge
from hpotool.storage.monitoring.evidence import AttemptEvidence, Evidence, Start, TrialEvidence

TRIALS = (
    TrialEvidence(0, 0, "COMPLETE", 0.5, 1, x=0.5, start=Start(0)),
    TrialEvidence(1, 1, "FAIL", has_retry=True, reported=4, x=0.25, start=Start(0)),
    TrialEvidence(2, 1, "COMPLETE", 0.25, 1, reported=7, x=0.25, start=Start(5, 0.25)),
    TrialEvidence(3, 3, "COMPLETE", 0.125, 1, is_taken_over=True, x=0.125),
)
ATTEMPTS = (AttemptEvidence(0, 0, "complete"), AttemptEvidence(1, 1, "lost"), AttemptEvidence(2, 1, "complete"))
GOOD = Facts(
    2, Evidence(TRIALS, ATTEMPTS, 1), returned=((0, 0.5), (2, 0.25)), is_value_safe=True, expected=lambda x: x
)


def _sentences(facts: Facts) -> list[str]:
    return [
        f"{verdict.invariant.guarantee}: {sentence}" for verdict in judge(facts) for sentence in verdict.violations
    ]


def _with_trial(which: int, /, **changes: Any) -> Facts:
    trials = [replace(trial, **changes) if trial.number == which else trial for trial in TRIALS]
    return replace(GOOD, evidence=replace(GOOD.evidence, trials=trials))


def _with_attempts(*attempts: AttemptEvidence) -> Facts:
    return replace(GOOD, evidence=replace(GOOD.evidence, attempts=attempts))


def test_a_good_study_violates_nothing() -> None:
    assert _sentences(GOOD) == []
    assert all(verdict.holds for verdict in judge(GOOD))


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (replace(GOOD, budget=3), "G1: 2 trials are finished, not 3"),
        (
            replace(GOOD, evidence=replace(GOOD.evidence, taken_over=2)),
            "G1: 1 trial is taken over, 2 counted so",
        ),
        (_with_trial(3, is_taken_over=False), "G1: 3 trials are finished, not 2"),
        (_with_trial(3, number=7), "G1: the numbers are not dense"),
        (_with_trial(3, number=2), "G1: the numbers are not dense"),
        (_with_trial(2, state="RUNNING"), "G3: trial 2 is still RUNNING"),
        (_with_trial(2, state="WAITING"), "G3: trial 2 is still WAITING"),
        (
            _with_attempts(*ATTEMPTS, replace(ATTEMPTS[0], has_ended=False)),
            "G3: an attempt of trial 0 never ended",
        ),
        (_with_trial(1, has_retry=False), "G3: trial 1 ended lost and was never tried again"),
        (
            _with_attempts(*ATTEMPTS, *[ATTEMPTS[1]] * 4),
            "G3: trial 1 ended lost 5 times, its limit of retries is 3",
        ),
        (_with_trial(2, root=0), "G4: trial 0 has 2 results"),
        (_with_trial(0, values=2), "G4: trial 0 has 2 values"),
        (_with_trial(0, value=0.75), "G2: trial 0 returned 0.5, which is nowhere"),
        (_with_trial(0, state="FAIL"), "G2: trial 0 returned 0.5, which is nowhere"),
        (_with_trial(0, value=0.75), "G2: trial 0 has the value 0.75, which is not that of x = 0.5"),
        (_with_trial(0, x=None), "G2: trial 0 has the value 0.5, which is not that of x = None"),
        (replace(GOOD, unsent=("a.json is still on the disk",)), "G2: a.json is still on the disk"),
        (replace(GOOD, endings=("worker 1 ended",)), "G6: worker 1 ended"),
        (replace(GOOD, processes=("process 7 is left",)), "G7: process 7 is left"),
        (_with_trial(2, start=Start(4, 0.25)), "G9: trial 2 began at step 4, after step 4 was reported"),
        (_with_trial(2, start=Start(0)), "G9: trial 2 began at step 0, after step 4 was reported"),
        (_with_trial(2, start=Start(5, 0.5)), "G9: trial 2 found the checkpoint of another one"),
    ],
)
def test_what_is_wrong_is_found(facts: Facts, sentence: str) -> None:
    assert any(found.startswith(sentence) for found in _sentences(facts)), _sentences(facts)


def test_a_retry_begins_anywhere_if_nothing_was_reported() -> None:
    trials = [replace(TRIALS[1], reported=None), replace(TRIALS[2], start=Start(0))]
    facts = replace(GOOD, budget=1, evidence=Evidence([TRIALS[3], *trials], ATTEMPTS, 1), returned=())
    assert not any(found.startswith("G9") for found in _sentences(facts))


def test_an_attempt_beyond_its_limit_needs_no_retry() -> None:
    lost = [AttemptEvidence(number, 1, "lost") for number in range(4)]
    trials = [TrialEvidence(number, 1, "FAIL", has_retry=number < 3) for number in range(4)]
    facts = Facts(0, Evidence(trials, lost))
    assert _sentences(facts) == []
    assert any(
        "never tried again" in each for each in _sentences(replace(facts, evidence=Evidence(trials[1:], lost[1:])))
    )


def test_without_knowing_values_a_lost_value_is_still_missed() -> None:
    facts = replace(_with_trial(0, value=0.75), is_value_safe=False, expected=None)
    assert _sentences(facts) == []
    assert _sentences(replace(facts, returned=((9, 1.0),))) == ["G2: trial 9 returned 1.0, which is nowhere"]


def test_what_only_processes_show_is_not_claimed_without_them() -> None:
    facts = replace(GOOD, unsent=("a",), endings=("b",), processes=("c",), returned=((0, 9.0),))
    broken = [verdict.invariant.guarantee for verdict in judge(facts) if not verdict.holds]
    assert broken == ["G2", "G2", "G6", "G7"]
    seen = judge(facts, has_processes=False)
    assert len(seen) == len(INVARIANTS) - 4
    assert all(verdict.holds for verdict in seen)


def test_each_promise_names_its_guarantee_and_is_said_once() -> None:
    assert {each.guarantee for each in INVARIANTS} == {"G1", "G2", "G3", "G4", "G6", "G7", "G9"}
    assert len({each.promise for each in INVARIANTS}) == len(INVARIANTS)
    assert all(len(each.promise) <= 66 for each in INVARIANTS), "a report fits 80 columns"
