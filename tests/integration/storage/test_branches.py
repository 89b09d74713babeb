"""Branches: places that a claim leaves free, and one successor for each trial however many workers ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from optuna.trial import TrialState

from hpotool.storage.control import orders
from hpotool.storage.control.queueing import queue_branch
from hpotool.storage.database.connection import Connection
from hpotool.storage.fleet.attempts import Attempt, Ending, NoTrial, finish_attempt
from hpotool.study.branch import Branch
from hpotool.study.outcome import Outcome
from tests.integration.conftest import StudyOnPostgres

Make = Callable[..., StudyOnPostgres]


def _study(make_study: Make, trials: int, branches: int) -> StudyOnPostgres:
    study = make_study(budget=trials)
    study.set_budget(trials, branches)
    return study


def _run(study: StudyOnPostgres, outcome: Outcome = Outcome.COMPLETE) -> Attempt | NoTrial:
    attempt = study.claim(study.worker())
    if isinstance(attempt, Attempt):
        state = TrialState.COMPLETE if outcome is Outcome.COMPLETE else TrialState.FAIL
        values = [1.0] if outcome is Outcome.COMPLETE else None
        assert finish_attempt(study.connection.run, attempt, "test", state, values, Ending(outcome))
    return attempt


def _branch(study: StudyOnPostgres, predecessor: int, connection: Connection | None = None) -> int | None:
    branch = Branch(predecessor, predecessor, predecessor, 6)
    run = (connection or study.connection).run
    return queue_branch(run, study.study_id, branch, {"x": 0.5}, "because", "test")


def test_new_trials_leave_the_places_of_branches_free(make_study: Make) -> None:
    study = _study(make_study, 5, 3)
    assert [isinstance(_run(study), Attempt) for _ in range(2)] == [True, True]
    waits = _run(study)
    assert isinstance(waits, NoTrial)
    assert waits.kind == "wait"

    assert _branch(study, 0) == 2
    claimed = _run(study)
    assert isinstance(claimed, Attempt)
    assert claimed.number == 2
    [trial] = [trial for trial in study.optuna.get_trials() if trial.number == 2]
    assert Branch.of(trial.system_attrs) == Branch(0, 0, 0, 6)
    assert trial.system_attrs["fixed_params"] == {"x": 0.5}


def test_twenty_workers_queue_one_successor(make_study: Make) -> None:
    study = _study(make_study, 30, 25)
    _run(study)
    connections = [Connection(study.url) for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda connection: _branch(study, 0, connection), connections))
    for connection in connections:
        connection.close()
    assert sorted(answers, key=str) == [1, *[None] * 19]


def test_no_more_branches_are_queued_than_there_are_places(make_study: Make) -> None:
    study = _study(make_study, 5, 2)
    for _ in range(3):
        _run(study)
    assert [_branch(study, number) is not None for number in range(3)] == [True, True, False]
    assert [isinstance(_run(study), Attempt) for _ in range(3)] == [True, True, False]
    assert orders.count_budget(study.connection.run, study.study_id).finished == 5


def test_a_branch_that_failed_for_good_gives_its_place_to_another_one(make_study: Make) -> None:
    study = _study(make_study, 2, 1)
    _run(study)
    assert _branch(study, 0) == 1
    _run(study, Outcome.ERROR)
    waits = _run(study)
    assert isinstance(waits, NoTrial), "its place is a branch's, not a new trial's"
    assert _branch(study, 0) == 2
    _run(study)
    assert [event.kind for event in orders.read_events(study.connection.run, study.study_id)].count("branch") == 2
    assert Counter(study.states().values()) == {"COMPLETE": 2, "FAIL": 1}


def test_the_retry_of_a_branch_is_that_branch(make_study: Make) -> None:
    study = _study(make_study, 2, 1)
    _run(study)
    _branch(study, 0)
    attempt = study.claim(study.worker())
    assert isinstance(attempt, Attempt)
    lost = Ending(Outcome.LOST, follow_up="retry")
    assert finish_attempt(study.connection.run, attempt, "test", TrialState.FAIL, None, lost)

    assert _branch(study, 0) is None
    retry = _run(study)
    assert isinstance(retry, Attempt)
    [trial] = [trial for trial in study.optuna.get_trials() if trial.number == retry.number]
    assert Branch.of(trial.system_attrs) == Branch(0, 0, 0, 6)
    done = _run(study)
    assert isinstance(done, NoTrial)
    assert done.kind == "done"


def test_a_study_that_does_not_run_queues_nothing(make_study: Make) -> None:
    study = _study(make_study, 5, 3)
    _run(study)
    orders.set_state(study.connection.run, study.study_id, "paused", "", "test")
    assert _branch(study, 0) is None
