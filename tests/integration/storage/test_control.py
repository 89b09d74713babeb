"""What people say to a study and what comes of it: states, single trials, the registry, the event log."""

from __future__ import annotations

import pytest
from optuna.trial import TrialState

from hpotool.errors import InputError, NotFoundError
from hpotool.storage.control import orders
from hpotool.storage.fleet.attempts import Attempt, Ending, beat, fail_and_queue, finish_attempt
from hpotool.study.outcome import Outcome
from hpotool.study.rules.retry import judge_worker


def _fail(study, attempt: Attempt, outcome: Outcome = Outcome.ERROR, actor: str = "test") -> None:
    finish_attempt(study.connection.run, attempt, actor, TrialState.FAIL, None, Ending(outcome))


def _complete(study, attempt: Attempt) -> None:
    finish_attempt(study.connection.run, attempt, "test", TrialState.COMPLETE, [1.0], Ending(Outcome.COMPLETE))


def test_a_state_that_is_set_twice_is_one_event(make_study) -> None:
    study = make_study()
    move = (study.connection.run, study.study_id, "paused", "lunch", "ann@desk")

    assert orders.set_state(*move) is None
    assert orders.set_state(*move) == "paused"

    [event] = [e for e in orders.read_events(study.connection.run, study.study_id) if e.kind == "state"]
    assert (event.from_state, event.to_state, event.reason, event.actor) == (
        "running",
        "paused",
        "lunch",
        "ann@desk",
    )


def test_only_a_running_study_becomes_done(make_study) -> None:
    study = make_study()
    orders.set_state(study.connection.run, study.study_id, "paused", "", "test")

    assert not orders.finish_study(study.connection.run, study.study_id, "patience", "worker")
    assert orders.read_settings(study.connection.run, study.study_id).state == "paused"


def test_a_done_study_can_only_be_resumed_unless_trials_are_open(make_study) -> None:
    study = make_study()
    run, study_id = study.connection.run, study.study_id
    assert orders.finish_study(run, study_id, "patience", "worker")

    assert [orders.set_state(run, study_id, state, "", "ann") for state in ("stopped", "paused")] == ["done"] * 2
    assert orders.read_settings(run, study_id).state == "done"

    study.optuna.enqueue_trial({"x": 1})
    assert orders.set_state(run, study_id, "stopped", "", "ann") is None
    assert orders.set_state(run, study_id, "running", "", "ann") is None


def test_a_cancelled_waiting_trial_fails_at_once(make_study) -> None:
    study = make_study()
    study.optuna.enqueue_trial({"x": 1})

    assert orders.cancel_trial(study.connection.run, study.study_id, 0, "no use", "ann") == "failed"
    assert study.states() == {0: "FAIL"}


def test_a_cancelled_running_trial_hears_of_it_and_is_not_retried_when_its_worker_dies_first(make_study) -> None:
    study = make_study()
    worker = study.worker()
    attempt = study.claim(worker)

    assert orders.cancel_trial(study.connection.run, study.study_id, 0, "no use", "ann") == "told"
    assert beat(study.connection.run, worker, attempt).cancel_reason == "no use"

    lost = Ending(Outcome.LOST, follow_up="retry")
    fail_and_queue(study.connection.run, study.study_id, attempt.trial_id, "reaper", lost, event="reap")
    assert study.states() == {0: "FAIL"}


def test_what_cannot_be_cancelled_is_refused(make_study) -> None:
    study = make_study()
    study.optuna.ask()
    _fail(study, study.claim(study.worker()))

    for number, sentence in ((0, "plain Optuna"), (1, "already ended: fail")):
        with pytest.raises(InputError, match=sentence):
            orders.cancel_trial(study.connection.run, study.study_id, number, "", "ann")
    with pytest.raises(NotFoundError):
        orders.cancel_trial(study.connection.run, study.study_id, 7, "", "ann")


def test_a_failed_trial_is_tried_again_on_request_and_once(make_study) -> None:
    study = make_study()
    worker = study.worker()
    _fail(study, study.claim(worker))

    assert orders.retry_trial(study.connection.run, study.study_id, 0, "ann") == 1
    again = study.claim(worker)
    assert (again.number, again.root_number, again.history) == (1, 0, (Outcome.ERROR,))
    with pytest.raises(InputError, match="already being retried, as trial 1"):
        orders.retry_trial(study.connection.run, study.study_id, 0, "ann")
    with pytest.raises(InputError, match="trial 1 is RUNNING"):
        orders.retry_trial(study.connection.run, study.study_id, 1, "ann")


def test_the_registry_knows_who_lives_and_what_they_run(make_study) -> None:
    study = make_study()
    first, second = study.worker(slot="gpu 0"), study.worker()
    orders.register_worker(study.connection.run, study.study_id, first)
    study.claim(first)
    orders.end_worker(study.connection.run, second.worker_id, "drained")

    [record] = orders.list_workers(study.connection.run, study.study_id)

    assert (record.worker_id, record.slot, record.trial_number) == (first.worker_id, "gpu 0", 0)
    assert record.silent_s < 60


def test_a_worker_that_fails_every_point_alone_is_told_from_a_trial_that_fails_everywhere(make_study) -> None:
    study = make_study()
    bad, good, third = study.worker(), study.worker(), study.worker()
    for _ in range(3):
        _complete(study, study.claim(third))
    for _ in range(3):
        _fail(study, study.claim(bad), Outcome.CRASH)

    ended = orders.read_ended_attempts(study.connection.run, study.study_id, bad.worker_id)
    assert judge_worker(bad.worker_id, ended) is not None

    for number in (3, 4, 5):
        orders.retry_trial(study.connection.run, study.study_id, number, "ann")
        attempt = study.claim(good)
        study.optuna._storage.set_trial_user_attr(attempt.trial_id, "of", number)
        _fail(study, attempt, Outcome.CRASH)
    for worker in (bad, good):
        ended = orders.read_ended_attempts(study.connection.run, study.study_id, worker.worker_id)
        assert judge_worker(worker.worker_id, ended) is None, "the same points fail on both"


def test_memory_as_an_answer_and_a_success_long_ago_count_for_the_worker(make_study) -> None:
    study = make_study()
    alone = study.worker()
    _complete(study, study.claim(alone))
    for _ in range(25):
        _fail(study, study.claim(alone), Outcome.CRASH)
    ended = orders.read_ended_attempts(study.connection.run, study.study_id, alone.worker_id)
    assert ended[0].outcome is Outcome.COMPLETE
    assert judge_worker(alone.worker_id, ended) is None

    attempt = study.claim(alone)
    finish_attempt(study.connection.run, attempt, "test", TrialState.PRUNED, None, Ending(Outcome.OOM))
    ended = orders.read_ended_attempts(study.connection.run, study.study_id, alone.worker_id)
    assert ended[-1].outcome is Outcome.PRUNED


def test_events_can_be_followed_without_missing_or_repeating_one(make_study) -> None:
    study = make_study()
    worker = study.worker()
    before = orders.read_events(study.connection.run, study.study_id)
    study.claim(worker)

    after = orders.read_events(study.connection.run, study.study_id, after=before[-1].event_id)

    assert [(event.kind, event.number, event.from_state, event.to_state) for event in after] == [
        ("claim", 0, None, "RUNNING")
    ]
    assert orders.read_events(study.connection.run, study.study_id, last=1) == after
