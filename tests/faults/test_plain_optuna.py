"""What plain Optuna does in the situations that hpotool is built for: the proof that our tests can fail.

Should one of these fail some day, Optuna has got better, and there is something to remove here.
"""

from __future__ import annotations

import optuna
import pytest
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

from hpotool.storage.database.url import DatabaseUrl

pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore:Heartbeat of storage"),
]


@pytest.fixture
def open_plain(study_database_url):
    opened: list[RDBStorage] = []

    def open_one(**options) -> optuna.Study:
        storage = RDBStorage(
            DatabaseUrl.parse(study_database_url).sqlalchemy,
            heartbeat_interval=1,
            grace_period=2,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=3),
            **options,
        )
        opened.append(storage)
        return optuna.create_study(study_name="plain", storage=storage, load_if_exists=True)

    yield open_one
    for storage in opened:
        storage.engine.dispose()


def _make_beats_old(study: optuna.Study) -> None:
    from sqlalchemy import text

    with study._storage._backend.engine.begin() as connection:
        connection.execute(text("UPDATE trial_heartbeats SET heartbeat = heartbeat - interval '1 hour'"))


def _states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials()]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_failed_beat_ends_the_heartbeat_for_ever(open_plain, monkeypatch) -> None:
    study = open_plain()
    beats = []

    def fail_once(self, trial_id: int) -> None:
        beats.append(trial_id)
        raise optuna.exceptions.StorageInternalError("the database was away for a moment")

    monkeypatch.setattr(RDBStorage, "record_heartbeat", fail_once)
    thread = optuna.storages._heartbeat.get_heartbeat_thread(study.ask()._trial_id, study._storage)
    thread.start()
    thread._thread.join(20)

    assert beats == [1]
    assert not thread._thread.is_alive()


def test_a_live_trial_that_was_reaped_ends_its_worker_in_spite_of_catch(open_plain) -> None:
    study, peer = open_plain(), open_plain()

    def objective(trial: optuna.Trial) -> float:
        peer._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        return 1.0

    with pytest.raises(AssertionError, match="Should not reach"):
        study.optimize(objective, n_trials=1, catch=(Exception,))


def test_a_worker_that_dies_before_its_first_beat_leaves_a_trial_that_nobody_reaps(open_plain) -> None:
    study = open_plain()
    study._storage.create_new_trial(study._study_id)

    fail_stale_trials(study)

    assert _states(study) == ["RUNNING"]


def test_a_reaper_that_dies_in_the_middle_loses_the_retry(open_plain, monkeypatch) -> None:
    study, peer = open_plain(), open_plain()
    study._storage.record_heartbeat(study.ask()._trial_id)
    _make_beats_old(study)

    def die(*_) -> None:
        raise SystemExit

    monkeypatch.setattr(RetryHeartbeatStaleTrialCallback, "__call__", die)
    with pytest.raises(SystemExit):
        fail_stale_trials(study)
    monkeypatch.undo()
    fail_stale_trials(peer)

    assert _states(peer) == ["FAIL"], "and no WAITING retry"


def test_an_outage_at_the_tell_ends_the_worker(open_plain, monkeypatch) -> None:
    study = open_plain()

    def away(*_, **__) -> None:
        raise optuna.exceptions.StorageInternalError("away for five seconds")

    def objective(_: optuna.Trial) -> float:
        monkeypatch.setattr(RDBStorage, "set_trial_state_values", away)
        monkeypatch.setattr(RDBStorage, "get_trial", away)
        monkeypatch.setattr(RDBStorage, "record_heartbeat", lambda *_: None)
        return 1.0

    with pytest.raises(UnboundLocalError):
        study.optimize(objective, n_trials=1, catch=(Exception,))


def test_the_first_worker_back_after_an_outage_fails_everybody_elses_live_trials(open_plain) -> None:
    study, live = open_plain(), open_plain()
    live._storage.record_heartbeat(live.ask()._trial_id)
    _make_beats_old(study)  # as after an hour without a database

    study.optimize(lambda _: 1.0, n_trials=1)

    assert _states(study)[0] == "FAIL"


def test_workers_that_start_together_overshoot_the_budget(open_plain) -> None:
    budget = 1
    first, second = open_plain(), open_plain()

    def objective(_: optuna.Trial) -> float:
        if len(second.get_trials()) == 1:
            second.optimize(lambda _: 2.0, callbacks=[MaxTrialsCallback(budget)], n_trials=1)
        return 1.0

    first.optimize(objective, callbacks=[MaxTrialsCallback(budget)], n_trials=1)

    assert _states(first) == ["COMPLETE", "COMPLETE"]
