"""A reaper fails what it has itself seen silent for a whole grace period, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import optuna
import pytest

from hpotool.storage.control import orders
from hpotool.storage.database.connection import TransientDatabaseError
from hpotool.storage.fleet.attempts import beat
from hpotool.worker.membership.reaper import FOREIGN_PATIENCE, Reaper

GRACE_S = 30.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """A reaper on a study, a clock of its own, and a database whose beats can be made old."""

    def __init__(self, study, **options) -> None:
        self.study = study
        self.clock = Clock()
        self.is_database_away = False
        defaults = {
            "is_gone": lambda _: False,
            "decide": lambda _, history: "retry" if len(history) < 3 else "none",
        }
        options = defaults | options
        self.reaper = Reaper(
            self._run,
            study.study_id,
            "reaper",
            interval=timedelta(seconds=10),
            grace=timedelta(seconds=GRACE_S),
            clock=self.clock,
            **options,
        )

    def _run(self, sql, params):
        if self.is_database_away:
            raise TransientDatabaseError("away")
        return self.study.connection.run(sql, params)

    def make_beats_old(self, seconds: float = 3600) -> None:
        self.study.connection.run(
            "UPDATE trial_heartbeats SET heartbeat = heartbeat - make_interval(secs => %s)", (seconds,)
        )

    def look_for(self, seconds: float) -> None:
        for _ in range(int(seconds // 5)):
            self.reaper.step()
            self.clock.now += 5
        self.reaper.step()


def test_what_is_silent_for_a_whole_grace_period_is_retried_once(make_study) -> None:
    study = make_study(budget=3)
    study.claim(study.worker())
    scene = Scene(study)
    scene.make_beats_old()

    scene.look_for(GRACE_S - 5)
    assert study.states() == {0: "RUNNING"}
    scene.look_for(10)

    assert study.states() == {0: "FAIL", 1: "WAITING"}
    kinds = [event.kind for event in orders.read_events(study.connection.run, study.study_id)]
    assert kinds[-2:] == ["reap", "retry"] or kinds[-2:] == ["retry", "reap"]


def test_a_beat_in_between_starts_the_watch_again(make_study) -> None:
    study = make_study(budget=3)
    worker = study.worker()
    attempt = study.claim(worker)
    scene = Scene(study)
    scene.make_beats_old()
    scene.look_for(GRACE_S - 5)
    beat(study.connection.run, worker, attempt)
    scene.make_beats_old()

    scene.look_for(GRACE_S - 5)

    assert study.states() == {0: "RUNNING"}


def test_an_outage_starts_the_watch_again_for_every_trial(make_study) -> None:
    study = make_study(budget=3)
    study.claim(study.worker())
    scene = Scene(study)
    scene.make_beats_old()
    scene.look_for(GRACE_S - 5)
    scene.is_database_away = True
    scene.look_for(10 * GRACE_S)
    scene.is_database_away = False

    scene.look_for(GRACE_S - 5)

    assert study.states() == {0: "RUNNING"}


def test_a_reaper_that_was_stopped_itself_starts_its_watch_again(make_study) -> None:
    study = make_study(budget=3)
    study.claim(study.worker())
    scene = Scene(study)
    scene.make_beats_old()
    scene.look_for(GRACE_S - 5)

    scene.clock.now += 10 * GRACE_S
    scene.look_for(5)

    assert study.states() == {0: "RUNNING"}


@pytest.mark.parametrize("age_s", [-3600, -9 * 3600, 0, 3600, 10 * 365 * 86400])
def test_no_clock_or_time_zone_of_anybody_decides_how_long_a_beat_was_silent(make_study, age_s) -> None:
    study = make_study(budget=3)
    silent, alive = study.worker(), study.worker()
    study.claim(silent)
    beating = study.claim(alive)
    scene = Scene(study)
    scene.make_beats_old(age_s)

    for _ in range(int(GRACE_S)):
        assert study.states() == {0: "RUNNING", 1: "RUNNING"}
        beat(study.connection.run, alive, beating)
        scene.reaper.step()
        scene.clock.now += 1
    scene.reaper.step()

    assert study.states() == {0: "FAIL", 1: "RUNNING", 2: "WAITING"}


def test_a_process_that_is_provably_gone_is_replaced_at_once(make_study) -> None:
    study = make_study(budget=3)
    dead, alive = study.worker(), study.worker()
    study.claim(dead)
    study.claim(alive)
    scene = Scene(study, is_gone=lambda worker: worker.worker_id == dead.worker_id)

    scene.reaper.step()

    assert study.states() == {0: "FAIL", 1: "RUNNING", 2: "WAITING"}


def test_a_result_that_the_dead_left_on_this_disk_is_sent_before_its_trial_is_failed(make_study) -> None:
    study = make_study(budget=3)
    attempt = study.claim(study.worker())
    rescued = []
    scene = Scene(study, is_gone=lambda _: True, rescue=lambda attempt_id: rescued.append(attempt_id) or True)

    scene.reaper.step()

    assert rescued == [attempt.attempt_id]
    assert study.states() == {0: "RUNNING"}


def test_the_retry_limit_ends_a_lineage(make_study) -> None:
    study = make_study(budget=9)
    worker = study.worker()
    for _ in range(5):
        study.claim(worker)
        scene = Scene(study)
        scene.make_beats_old()
        scene.look_for(GRACE_S + 5)

    states = study.states()
    assert states == dict.fromkeys(range(5), "FAIL") | {5: "WAITING"}
    roots = study.connection.run("SELECT root_number FROM hpotool.attempts ORDER BY started_at")
    assert roots == [(0,), (0,), (0,), (0,), (4,)]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_trials_of_plain_optuna_are_given_much_longer(make_study) -> None:
    study = make_study(budget=3)
    storage = optuna.storages.RDBStorage(study.url.sqlalchemy, heartbeat_interval=60)
    plain = optuna.load_study(study_name=study.optuna.study_name, storage=storage)
    storage.record_heartbeat(plain.ask()._trial_id)
    scene = Scene(study)
    scene.make_beats_old()

    scene.look_for(2 * GRACE_S)
    assert study.states() == {0: "RUNNING"}
    scene.look_for(FOREIGN_PATIENCE * GRACE_S)

    assert study.states() == {0: "FAIL", 1: "WAITING"}
    storage.engine.dispose()
