"""What a worker says of packages that differ from those that the study was created with."""

from __future__ import annotations

import logging

import pytest

from hpotool.errors import InputError
from hpotool.storage.control.versions import running_versions
from hpotool.study.file.reader import read_study_file
from hpotool.study.outcome import Outcome
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt.running_attempt import AttemptResult
from hpotool.worker.serving.parts import compare_versions, forgive_nothing

TEXT = "study: s\nobjective: {python: tests.handover:objective}\nmetrics: {loss: minimize}\n"


def spec(*changes: str) -> StudySpec:
    return read_study_file(TEXT, None, changes)


def test_the_same_versions_are_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        compare_versions(spec("strict=true"), running_versions(spec().objective))
    assert caplog.messages == []


def test_another_version_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        compare_versions(spec(), {**running_versions(spec().objective), "optuna": "0.1"})
    [said] = caplog.messages
    assert "but was 0.1 when the study was created" in said


def test_a_strict_study_refuses_another_version() -> None:
    with pytest.raises(InputError, match=r"but was 0\.1 when the study was created"):
        compare_versions(spec("strict=true"), {**running_versions(spec().objective), "optuna": "0.1"})


def test_what_the_study_does_not_know_is_no_difference() -> None:
    compare_versions(spec("strict=true"), {})


@pytest.mark.parametrize("outcome", [Outcome.COMPLETE, Outcome.OOM, Outcome.ERROR])
def test_without_watched_devices_every_result_stays_as_it_is(outcome: Outcome) -> None:
    result = AttemptResult(outcome, "a reason")
    assert forgive_nothing(result) is result
