"""Which trial of another study counts as the same, and may lend its result."""

from __future__ import annotations

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from hpotool.storage.fleet.reuse import REUSED, Candidate
from hpotool.study.file.reader import read_study_file
from hpotool.study.file.resolved import to_document
from hpotool.study.rules.replicates import point_key
from hpotool.worker.attempt.duplicates import SAME_POINT
from hpotool.worker.attempt.reuse import _is_equal

TEXT = """
study: new
objective: {python: m:f, timeout: 1h}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
sampler: {name: tpe, seed: 5}
reuse: true
"""
SPACE = {"x": FloatDistribution(0, 1)}
SPEC = read_study_file(TEXT)
POINT = point_key({"x": 0.5}, SPACE)


def candidate(x: float = 0.5, reason: str = "", change: str = "study=earlier") -> Candidate:
    trial = create_trial(value=0.1, params={"x": x}, distributions=SPACE)
    return Candidate("earlier", 7, to_document(read_study_file(TEXT, None, [change])), reason, trial)


@pytest.mark.parametrize("change", ["study=earlier", "budget.trials=500", "keep=all", "pool=gpus", "strict=true"])
def test_a_trial_of_the_same_point_is_equal_whatever_only_people_and_claims_read(change: str) -> None:
    assert _is_equal(candidate(change=change), SPEC, POINT)


@pytest.mark.parametrize("change", ["objective.python=m:g", "metrics.loss=maximize", "holdout=[8, 9]"])
def test_what_measures_something_else_is_not_equal(change: str) -> None:
    assert not _is_equal(candidate(change=change), SPEC, POINT)


def test_another_point_is_not_equal() -> None:
    assert not _is_equal(candidate(x=0.25), SPEC, POINT)


def test_a_result_that_was_copied_within_its_study_has_another_seed_and_is_not_equal() -> None:
    assert not _is_equal(candidate(reason=f"{SAME_POINT} trial 3; not run again"), SPEC, POINT)


def test_a_result_that_was_reused_itself_names_where_it_really_ran() -> None:
    first = {"study": "first", "trial": 2}
    trial = create_trial(value=0.1, params={"x": 0.5}, distributions=SPACE, system_attrs={REUSED: first})
    assert Candidate("earlier", 7, {}, "", trial).origin == first
    assert candidate().origin == {"study": "earlier", "trial": 7}
