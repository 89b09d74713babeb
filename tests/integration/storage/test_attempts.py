"""Claim, beat, finish, reap: each is one transaction, and each answers the same when it is sent twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import optuna
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import TrialState

from hpotool.storage.control import orders
from hpotool.storage.database.connection import Connection
from hpotool.storage.fleet.attempts import (
    Attempt,
    Ending,
    NoTrial,
    beat,
    claim_trial,
    fail_and_queue,
    finish_attempt,
    finish_late,
    new_attempt_id,
)
from hpotool.storage.fleet.trial_content import TrialContent
from hpotool.study.outcome import Outcome

DONE = Ending(Outcome.COMPLETE)
LOST = Ending(Outcome.LOST, "no heartbeat", follow_up="retry")


def _finish(
    study, attempt: Attempt, state: TrialState = TrialState.COMPLETE, ending: Ending = DONE
) -> datetime | None:
    return finish_attempt(
        study.connection.run, attempt, "test", state, [1.0] if state != TrialState.FAIL else None, ending
    )


def _params(study, attempt: Attempt) -> optuna.Trial:
    trial = optuna.Trial(study.optuna, attempt.trial_id)
    trial.suggest_float("x", 0, 1)
    trial.suggest_categorical("kind", ["a", "b"])
    trial.set_user_attr("note", {"deep": [1]})
    return trial


# ---------------------------------------------------------------- claim


def test_a_claim_is_a_running_trial_with_attempt_heartbeat_and_event(make_study) -> None:
    study = make_study(budget=2)
    worker = study.worker()

    attempt = study.claim(worker)

    assert isinstance(attempt, Attempt)
    assert (attempt.number, attempt.root_number, attempt.is_new, attempt.history) == (0, 0, True, ())
    assert study.states() == {0: "RUNNING"}
    [(beats,)] = study.connection.run("SELECT count(*) FROM trial_heartbeats")
    [(owner,)] = study.connection.run(
        "SELECT worker_id FROM hpotool.attempts WHERE trial_id = %s", (attempt.trial_id,)
    )
    assert (beats, owner) == (1, worker.worker_id)
    assert [event.kind for event in orders.read_events(study.connection.run, study.study_id, number=0)] == [
        "claim"
    ]


def test_a_claim_sent_twice_gives_the_same_trial(make_study) -> None:
    study = make_study(budget=5)
    worker = study.worker()
    attempt_id = new_attempt_id()

    first = claim_trial(study.connection.run, study.study_id, worker, attempt_id)
    second = claim_trial(study.connection.run, study.study_id, worker, attempt_id)

    assert isinstance(first, Attempt)
    assert first == replace(second, is_new=True)
    assert study.states() == {0: "RUNNING"}


def test_a_claim_sent_again_after_its_attempt_was_reaped_gives_another_attempt(make_study) -> None:
    study = make_study(budget=5)
    worker = study.worker()
    attempt_id = new_attempt_id()
    first = claim_trial(study.connection.run, study.study_id, worker, attempt_id)
    fail_and_queue(study.connection.run, study.study_id, first.trial_id, "reaper", LOST)

    second = claim_trial(study.connection.run, study.study_id, worker, attempt_id)

    assert second.attempt_id != attempt_id
    assert (second.number, second.root_number, second.history) == (1, 0, (Outcome.LOST,))
    assert study.states() == {0: "FAIL", 1: "RUNNING"}


def test_a_claim_sent_again_in_a_study_that_is_done_meanwhile_says_so(make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    attempt_id = new_attempt_id()
    first = claim_trial(study.connection.run, study.study_id, worker, attempt_id)
    _finish(study, first)

    answer = claim_trial(study.connection.run, study.study_id, worker, attempt_id)

    assert (answer.kind, answer.finished) == ("done", 1)


def test_an_outcome_of_a_newer_hpotool_is_read_as_unknown(make_study) -> None:
    study = make_study(budget=5)
    worker = study.worker()
    for _ in range(2):
        attempt = study.claim(worker)
        fail_and_queue(study.connection.run, study.study_id, attempt.trial_id, "reaper", LOST)
        study.connection.run("UPDATE hpotool.attempts SET outcome = 'teleported' WHERE outcome IS NOT NULL")

    retry = study.claim(worker)

    assert retry.history == (Outcome.UNKNOWN, Outcome.UNKNOWN)
    ended = orders.read_ended_attempts(study.connection.run, study.study_id, worker.worker_id)
    assert [attempt.outcome for attempt in ended] == [Outcome.UNKNOWN] * 2


def test_what_is_enqueued_is_claimed_oldest_first_and_before_anything_new(make_study) -> None:
    study = make_study(budget=3)
    study.optuna.enqueue_trial({"x": 0.1})
    study.optuna.enqueue_trial({"x": 0.2})
    worker = study.worker()

    assert [study.claim(worker).number for _ in range(3)] == [0, 1, 2]


def test_all_places_held_means_wait_and_all_finished_means_done(make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    attempt = study.claim(worker)

    assert study.claim(worker).kind == "wait"
    _finish(study, attempt, TrialState.PRUNED, Ending(Outcome.PRUNED))
    answer = study.claim(worker)
    assert (answer.kind, answer.reason) == ("done", "1 of 1 trials are finished")


def test_a_failed_trial_gives_its_place_back(make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    _finish(study, study.claim(worker), TrialState.FAIL, Ending(Outcome.ERROR))

    assert isinstance(study.claim(worker), Attempt)


def test_what_is_queued_beyond_the_budget_stays_queued(make_study) -> None:
    study = make_study(budget=2)
    for x in range(4):
        study.optuna.enqueue_trial({"x": x})
    worker = study.worker()
    for _ in range(2):
        _finish(study, study.claim(worker))

    assert study.claim(worker).kind == "done"
    assert study.states() == {0: "COMPLETE", 1: "COMPLETE", 2: "WAITING", 3: "WAITING"}


def test_a_grown_budget_takes_a_done_study_up_again(make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    _finish(study, study.claim(worker))
    orders.finish_study(study.connection.run, study.study_id, "patience", "test")

    study.set_budget(2)

    assert isinstance(study.claim(worker), Attempt)


def test_eight_claimers_never_exceed_the_budget_nor_share_a_number(make_study) -> None:
    study = make_study(budget=40)
    workers = [study.worker() for _ in range(8)]

    def work(worker) -> None:
        connection = Connection(study.url)
        while True:
            attempt = claim_trial(connection.run, study.study_id, worker, new_attempt_id())
            if isinstance(attempt, NoTrial):
                if attempt.kind == "done":
                    return connection.close()
                continue
            if attempt.number % 7 == 0:
                finish_attempt(connection.run, attempt, "t", TrialState.FAIL, None, Ending(Outcome.ERROR))
            else:
                finish_attempt(connection.run, attempt, "t", TrialState.COMPLETE, [1.0], DONE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, workers))

    states = list(study.states().values())
    assert states.count("COMPLETE") == 40
    assert study.states().keys() == set(range(len(states)))


def test_the_count_stays_right_when_plain_optuna_writes_the_same_study(make_study) -> None:
    study = make_study(budget=12)
    worker = study.worker()
    waiting = study.claim(worker)

    def plain(trial: optuna.Trial) -> float:
        if trial.number % 2:
            raise ValueError("every second one fails")
        if trial.number % 4 == 0:
            raise optuna.TrialPruned
        return 1.0

    study.optuna.optimize(plain, n_trials=16, catch=(ValueError,))
    states = list(study.states().values())
    finished = states.count("COMPLETE") + states.count("PRUNED")

    places = orders.count_budget(study.connection.run, study.study_id)
    assert (places.finished, places.running, places.failed) == (finished, 1, states.count("FAIL"))
    _finish(study, waiting)
    while isinstance(attempt := study.claim(worker), Attempt):
        _finish(study, attempt)
    assert sum(state in ("COMPLETE", "PRUNED") for state in study.states().values()) == 12


def test_failures_that_were_settled_once_are_still_counted(make_study) -> None:
    study = make_study(budget=3)
    worker = study.worker()
    for _ in range(60):
        _finish(study, study.claim(worker), TrialState.FAIL, Ending(Outcome.ERROR))
    for _ in range(3):
        _finish(study, study.claim(worker))

    [(settled, failed)] = study.connection.run("SELECT settled_below, failed_below FROM hpotool.study_settings")
    assert settled > 50
    assert failed > 50
    assert study.claim(worker).kind == "done"
    assert orders.count_budget(study.connection.run, study.study_id) == orders.BudgetCounts(3, 0, 0, 60)


def test_a_paused_study_gives_nothing_and_a_resumed_one_does(make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    for state in ("paused", "draining", "stopped", "done"):
        orders.set_state(study.connection.run, study.study_id, state, "because", "test")
        answer = study.claim(worker)
        assert (answer.kind, answer.reason) == (state, "because")

    orders.set_state(study.connection.run, study.study_id, "running", "", "test")

    assert isinstance(study.claim(worker), Attempt)


def test_a_study_that_was_deleted_gives_nothing(make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    optuna.delete_study(study_name=study.optuna.study_name, storage=study.url.sqlalchemy)

    answer = study.claim(worker)

    assert (answer.kind, answer.reason) == ("stopped", "the study no longer exists")


# ---------------------------------------------------------------- beat


def test_a_beat_moves_optunas_heartbeat_and_brings_orders_back(make_study) -> None:
    study = make_study(budget=2)
    worker = study.worker()
    attempt = study.claim(worker)
    study.connection.run("UPDATE trial_heartbeats SET heartbeat = '2000-01-01'")
    orders.set_state(study.connection.run, study.study_id, "paused", "lunch", "test")

    heard = beat(study.connection.run, worker, attempt)

    assert heard.is_owner
    assert (heard.study_state, heard.study_reason) == ("paused", "lunch")
    [(age,)] = study.connection.run("SELECT now()::timestamp - heartbeat FROM trial_heartbeats")
    assert age < timedelta(minutes=1)


def test_the_beat_of_a_fenced_attempt_says_so_and_leaves_no_trace(make_study) -> None:
    study = make_study(budget=2)
    worker = study.worker()
    attempt = study.claim(worker)
    fail_and_queue(study.connection.run, study.study_id, attempt.trial_id, "reaper", LOST)
    study.connection.run("UPDATE trial_heartbeats SET heartbeat = '2000-01-01'")

    assert not beat(study.connection.run, worker, attempt).is_owner
    [(year,)] = study.connection.run("SELECT extract(year FROM heartbeat)::int FROM trial_heartbeats")
    assert year == 2000


# ---------------------------------------------------------------- finish


def test_finishing_writes_state_values_attempt_and_event_together(make_study) -> None:
    study = make_study(budget=2, directions=["minimize", "maximize"])
    attempt = study.claim(study.worker())
    ending = Ending(Outcome.COMPLETE, output_tail="the\0 end", gpu={"used_s": 2})

    assert finish_attempt(study.connection.run, attempt, "me", TrialState.COMPLETE, [float("inf"), -0.1], ending)

    [trial] = study.optuna.get_trials()
    assert trial.values == [float("inf"), -0.1]
    assert trial.datetime_complete >= trial.datetime_start
    [(outcome, tail, gpu)] = study.connection.run("SELECT outcome, output_tail, gpu FROM hpotool.attempts")
    assert (outcome, tail, gpu) == ("complete", "the� end", {"used_s": 2})


def test_a_finish_sent_twice_is_no_fence(make_study) -> None:
    study = make_study(budget=2)
    attempt = study.claim(study.worker())

    assert _finish(study, attempt)
    assert _finish(study, attempt)


def test_a_fenced_attempt_can_write_nothing(make_study) -> None:
    study = make_study(budget=2)
    attempt = study.claim(study.worker())
    fail_and_queue(study.connection.run, study.study_id, attempt.trial_id, "reaper", LOST)

    assert not _finish(study, attempt)
    assert not finish_attempt(study.connection.run, attempt, "me", TrialState.FAIL, None, LOST)
    assert study.states() == {0: "FAIL", 1: "WAITING"}
    assert study.optuna.trials[0].values is None


# ---------------------------------------------------------------- fail and queue


def test_a_retry_is_the_same_trial_with_its_lineage(make_study) -> None:
    study = make_study(budget=5)
    worker = study.worker()
    study.claim(worker)
    attempt = study.claim(worker)
    trial = _params(study, attempt)
    study.optuna._storage.set_trial_system_attr(attempt.trial_id, "completed_rung_0", 0.5)
    study.optuna._storage.set_trial_system_attr(attempt.trial_id, "grid_id", 7)

    assert fail_and_queue(study.connection.run, study.study_id, attempt.trial_id, "reaper", LOST)
    second = study.claim(worker)
    fail_and_queue(study.connection.run, study.study_id, second.trial_id, "reaper", LOST)
    third = study.claim(worker)

    assert (second.number, second.root_number, second.history) == (2, 1, (Outcome.LOST,))
    assert (third.number, third.root_number, third.history) == (3, 1, (Outcome.LOST, Outcome.LOST))
    retry = study.optuna._storage.get_trial(third.trial_id)
    assert retry.params == trial.params
    assert retry.distributions == trial.distributions
    assert retry.user_attrs == {"note": {"deep": [1]}}
    assert RetryHeartbeatStaleTrialCallback.retried_trial_number(retry) == 1
    assert RetryHeartbeatStaleTrialCallback.retry_history(retry) == [1, 2]
    assert retry.system_attrs["grid_id"] == 7
    rungs = [trial.number for trial in study.optuna.get_trials() if "completed_rung_0" in trial.system_attrs]
    assert rungs == [3], "a rung's result moves to the retry, so that it counts once"


def test_a_retry_is_claimed_before_what_was_never_begun(make_study) -> None:
    study = make_study(budget=10)
    worker = study.worker()
    attempt = study.claim(worker)
    study.optuna.enqueue_trial({"x": 1})
    fail_and_queue(study.connection.run, study.study_id, attempt.trial_id, "reaper", LOST)

    assert study.claim(worker).root_number == 0


def test_a_reaper_that_saw_an_older_beat_does_nothing(make_study) -> None:
    study = make_study(budget=2)
    worker = study.worker()
    attempt = study.claim(worker)
    [(seen,)] = study.connection.run("SELECT heartbeat FROM trial_heartbeats")
    beat(study.connection.run, worker, attempt)

    assert not fail_and_queue(
        study.connection.run, study.study_id, attempt.trial_id, "reaper", LOST, seen_beat=seen, event="reap"
    )
    assert study.states() == {0: "RUNNING"}


def test_two_reapers_racing_a_hundred_times_queue_a_hundred_retries(make_study) -> None:
    study = make_study()
    worker = study.worker()
    stale = [study.claim(worker) for _ in range(100)]
    beats = dict(study.connection.run("SELECT trial_id, heartbeat FROM trial_heartbeats"))
    connections = [Connection(study.url) for _ in range(2)]

    def reap(connection: Connection, attempt: Attempt) -> datetime | None:
        return fail_and_queue(
            connection.run,
            study.study_id,
            attempt.trial_id,
            f"reaper-{connections.index(connection)}",
            LOST,
            seen_beat=beats[attempt.trial_id],
            event="reap",
        )

    with ThreadPoolExecutor(2) as pool:
        for attempt in stale:
            first, second = pool.map(reap, connections, [attempt] * 2)
            assert (first is None) != (second is None)

    states = list(study.states().values())
    assert (states.count("FAIL"), states.count("WAITING"), len(states)) == (100, 100, 200)


def test_a_late_result_completes_the_retry_that_nobody_claimed(make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    attempt = study.claim(worker)
    trial = _params(study, attempt)
    fail_and_queue(study.connection.run, study.study_id, attempt.trial_id, "reaper", LOST)
    known = study.optuna._storage.get_trial(attempt.trial_id)
    known.intermediate_values = {1: 0.25, 2: float("nan")}
    late = (
        study.connection.run,
        attempt,
        worker.worker_id,
        TrialContent.of(known),
        TrialState.COMPLETE,
        [0.5],
        DONE,
    )

    assert finish_late(*late)
    assert finish_late(*late), "sent twice it is still kept"

    assert study.states() == {0: "FAIL", 1: "COMPLETE"}
    retry = study.optuna.trials[1]
    assert (retry.value, retry.params) == (0.5, trial.params)
    assert retry.intermediate_values[1] == 0.25
    assert study.claim(worker).kind == "done"


def test_a_late_result_never_overwrites_a_retry_that_runs(make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    attempt = study.claim(worker)
    fail_and_queue(study.connection.run, study.study_id, attempt.trial_id, "reaper", LOST)
    study.claim(worker)
    known = study.optuna._storage.get_trial(attempt.trial_id)

    assert not finish_late(
        study.connection.run, attempt, "w", TrialContent.of(known), TrialState.COMPLETE, [0.5], DONE
    )
    assert study.states() == {0: "FAIL", 1: "RUNNING"}
