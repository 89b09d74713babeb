"""What a report says of a study that is not there for every study."""

from __future__ import annotations

from optuna.trial import TrialState

from hpotool.analysis.best import find_best
from hpotool.analysis.importance import Importance
from hpotool.analysis.report.facts import _file, _weigh
from hpotool.analysis.status import StudyStatus
from hpotool.storage.control.studies import StudyProgress, StudySummary
from hpotool.study.file.reader import read_study_file
from tests.unit.analysis.studies import add, make_study


def test_each_metric_is_explained_or_it_is_said_why_not() -> None:
    study = make_study("loss", "ms", directions=["minimize", "minimize"])
    for number in range(12):
        add(study, [number / 12, 1.0], {"lr": (number + 1) / 13, "drop": (number * 5 % 12) / 12})
    loss, ms = _weigh(study, {}, None)
    assert isinstance(loss, Importance)
    assert (loss.metric, next(iter(loss.importance))) == ("loss", "lr")
    assert isinstance(ms, str)
    assert "same ms" in ms


def test_failures_are_explained_only_where_there_are_any() -> None:
    study = make_study("loss")
    for number in range(20):
        fails = number >= 10
        state = TrialState.FAIL if fails else TrialState.COMPLETE
        lr = 0.9 - number / 1000 if fails else 0.1 + number / 1000
        add(study, None if fails else [number / 10], {"lr": lr, "drop": (number * 7 % 20) / 20}, state=state)
    attempts = {number: [{"outcome": "preempted"}, {"outcome": "error"}] for number in range(10, 20)}
    *_, failures = _weigh(study, attempts, None)  # type: ignore[arg-type]
    assert isinstance(failures, Importance)
    assert (failures.metric, next(iter(failures.importance))) == ("failures", "lr")


def test_a_study_in_which_only_machines_failed_says_so() -> None:
    study = make_study("loss")
    add(study, [1.0], {"lr": 0.1})
    add(study, None, {"lr": 0.2}, state=TrialState.FAIL)
    loss, failures = _weigh(study, {0: [{"outcome": "complete"}], 1: [{"outcome": "lost"}]}, None)  # type: ignore[dict-item]
    assert "at least 2 complete trials" in str(loss)
    assert "none failed by its own doing" in str(failures)


def test_the_study_file_of_a_report_has_what_is_set_and_nothing_of_its_state() -> None:
    spec = read_study_file("study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\nbudget: {trials: 5}\n")
    progress = StudyProgress(StudySummary("s", {"loss": "minimize"}, {}), "running", "", 5, ())
    status = StudyStatus(progress, find_best(make_study("loss")))
    shown = _file(spec, status)
    assert shown is not None
    assert (shown["study"], shown["metrics"], shown["budget"]["trials"]) == ("s", {"loss": "minimize"}, 5)
    assert not {"search", "state", "workers", "constraints", "search_space"} & set(shown)
    assert _file(None, status) is None
