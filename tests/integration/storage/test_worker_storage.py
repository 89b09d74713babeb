"""Plain `study.optimize` on a worker's storage claims, runs and finishes."""

from __future__ import annotations

import optuna
import pytest

from hpotool.storage.control.orders import retry_trial
from hpotool.storage.fleet.attempts import Ending, fail_and_queue
from hpotool.storage.fleet.worker_storage import NothingToClaim, WorkerStorage
from hpotool.study.outcome import FAILED_ATTRIBUTE, Outcome


@pytest.fixture
def make_worker_study():
    def make(study):
        storage = WorkerStorage(study.url, study.worker())
        return storage, optuna.load_study(study_name=study.optuna.study_name, storage=storage)

    return make


def test_optimize_runs_what_is_queued_first_and_stops_exactly_at_the_budget(make_study, make_worker_study) -> None:
    study = make_study(budget=4)
    study.optuna.enqueue_trial({"x": 0.5})
    _, own = make_worker_study(study)

    with pytest.raises(NothingToClaim) as stopped:
        own.optimize(lambda trial: trial.suggest_float("x", 0, 1))

    assert stopped.value.answer.kind == "done"
    assert study.states() == dict.fromkeys(range(4), "COMPLETE")
    assert study.optuna.trials[0].params == {"x": 0.5}


def test_the_ending_that_was_handed_over_is_stored_with_the_attempt(make_study, make_worker_study) -> None:
    study = make_study(budget=4)
    storage, own = make_worker_study(study)

    def objective(trial: optuna.Trial) -> float:
        storage.end_attempt_with(Ending(Outcome.CRASH, "signal 11", "last words", follow_up="retry"))
        raise RuntimeError

    own.optimize(objective, n_trials=1, catch=(RuntimeError,))

    assert study.connection.run("SELECT outcome, reason, output_tail FROM hpotool.attempts") == [
        ("crash", "signal 11", "last words")
    ]
    assert study.states() == {0: "FAIL", 1: "WAITING"}


@pytest.mark.parametrize("ends_with", ["value", "error"])
def test_an_attempt_that_was_taken_away_does_not_end_the_worker(make_study, make_worker_study, ends_with) -> None:
    study = make_study(budget=4)
    storage, own = make_worker_study(study)

    def objective(trial: optuna.Trial) -> float:
        if trial.number == 0:
            ending = Ending(Outcome.LOST, follow_up="retry")
            fail_and_queue(study.connection.run, study.study_id, trial._trial_id, "reaper", ending)
            if ends_with == "error":
                raise RuntimeError
        return 1.0

    own.optimize(objective, n_trials=1, catch=(RuntimeError,))
    assert storage.last_tell.is_fenced
    own.optimize(objective, n_trials=1)
    assert not storage.last_tell.is_fenced


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_failure_is_noted_for_the_search_once_nothing_is_tried_any_more(
    make_study, make_worker_study, outcome
) -> None:
    if outcome.is_finished:
        return
    study = make_study(budget=4)
    storage, own = make_worker_study(study)

    def objective(trial: optuna.Trial) -> float:
        storage.end_attempt_with(Ending(outcome))
        raise RuntimeError

    own.optimize(objective, n_trials=1, catch=(RuntimeError,))
    tried = 1
    while "WAITING" in study.states().values() and tried < 6:
        own.optimize(objective, n_trials=1, catch=(RuntimeError,))
        tried += 1

    to_blame = {Outcome.ERROR, Outcome.CRASH, Outcome.NAN, Outcome.OOM, Outcome.TIMEOUT}
    stored = [trial.system_attrs.get(FAILED_ATTRIBUTE) for trial in study.optuna.get_trials()]
    in_memory = [trial.system_attrs.get(FAILED_ATTRIBUTE) for trial in own.get_trials()]
    assert stored == in_memory
    last = outcome.value if outcome in to_blame else None
    assert stored[tried - 1] == last
    assert set(stored[: tried - 1]) <= {None}


def test_what_somebody_tries_again_is_not_taken_for_failed(make_study, make_worker_study) -> None:
    study = make_study(budget=4)
    storage, own = make_worker_study(study)

    def objective(trial: optuna.Trial) -> float:
        storage.end_attempt_with(Ending(Outcome.ERROR))
        raise RuntimeError

    own.optimize(objective, n_trials=1, catch=(RuntimeError,))
    retry_trial(study.connection.run, study.study_id, 0, "somebody")

    assert study.states() == {0: "FAIL", 1: "WAITING"}
    assert [FAILED_ATTRIBUTE in trial.system_attrs for trial in study.optuna.get_trials()] == [True, False]


def test_a_new_trial_sees_those_with_smaller_numbers(make_study, make_worker_study) -> None:
    """Asked a moment before the claim as well, as a grid is, it answered without what others began in between."""
    study = make_study(budget=4)
    storage, own = make_worker_study(study)
    _, other = make_worker_study(study)
    seen: list[list[int]] = []

    def objective(trial: optuna.Trial) -> float:
        seen.append([each.number for each in own.get_trials(deepcopy=False)])
        return 1.0

    own.get_trials(deepcopy=False)
    other.optimize(lambda trial: 1.0, n_trials=1)
    own.optimize(objective, n_trials=1)
    assert storage.last_tell.is_fenced is False
    assert seen == [[0, 1]]
