"""``budget: {regret: …}`` on a real database: one worker looks, decides once, and hears of a new limit."""

from __future__ import annotations

import threading
from datetime import timedelta

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.control.creation import change_spec, create_or_resume
from hpotool.storage.control.orders import read_events, read_settings, set_state
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.optuna.postgres import PostgresStorage
from hpotool.storage.tracking.jobs import list_jobs
from hpotool.study.file.reader import change_budget, read_study_data
from hpotool.study.spec import StudySpec
from hpotool.worker.membership.regret_monitor import RegretMonitor

SPEC = {
    "study": "s",
    "objective": {"python": "m:f"},
    "metrics": {"loss": "minimize"},
    "search_space": {"x": {"float": [0, 1]}},
    "budget": {"regret": 0.01},
}
EASY = timedelta(seconds=10)


class Fleet:
    """A study, and monitors of workers on it, each with a connection of its own."""

    def __init__(self, url: str) -> None:
        self.url = DatabaseUrl.parse(url)
        self.connection = Connection(self.url)
        create_or_resume(self.connection, read_study_data(SPEC), "ann")
        self.study = self.open()
        self.study_id = self.study._study_id
        self.opened = 0

    def open(self) -> optuna.Study:
        return optuna.load_study(study_name="s", storage=PostgresStorage(self.url, hides_reevaluations=True))

    def spec(self) -> StudySpec:
        settings = read_settings(Connection(self.url).run, self.study_id)
        assert settings is not None
        assert settings.spec is not None
        return read_study_data(settings.spec)

    def monitor(self, name: str, held_for: timedelta = EASY) -> RegretMonitor:
        connection = Connection(self.url)

        def open_study() -> optuna.Study:
            self.opened += 1
            return self.open()

        return RegretMonitor(
            connection.run, connection.run, self.study_id, name, EASY, held_for, self.spec, open_study
        )

    def add(self, count: int, spread: float = 1.0) -> None:
        """Finished trials, ever closer to the optimum for a small ``spread``."""
        space = {"x": FloatDistribution(0, 1)}
        for place in range(count):
            x = 0.4 + spread * ((place * 0.618) % 1.0 - 0.4)
            self.study.add_trial(create_trial(value=(x - 0.4) ** 2, params={"x": x}, distributions=space))

    def limit(self, value: str) -> None:
        change_spec(self.connection, "s", lambda old: change_budget(old, {"regret": value}), "ann")

    @property
    def state(self) -> str:
        settings = read_settings(self.connection.run, self.study_id)
        assert settings is not None
        return settings.state

    def decisions(self) -> list[tuple[str, str]]:
        events = read_events(self.connection.run, self.study_id)
        return [(event.actor, event.reason) for event in events if event.to_state == "done"]

    def holder(self) -> str | None:
        [job] = list_jobs(self.connection.run, self.study_id)
        return job.holder


@pytest.fixture
def fleet(study_database_url: str) -> Fleet:
    return Fleet(study_database_url)


def test_the_study_ends_once_and_says_why(fleet: Fleet) -> None:
    first = fleet.monitor("w1")
    assert first.step() == 10.0
    fleet.add(20)
    first.step()
    assert fleet.state == "running", "one look is not enough"
    fleet.add(10, spread=0.05)
    monitors = [first, *(fleet.monitor(f"w{place}") for place in (2, 3, 4))]
    threads = [threading.Thread(target=monitor.step) for monitor in monitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fleet.state == "done"
    [(actor, reason)] = fleet.decisions()
    assert actor == "w1", "the one that holds the job"
    assert reason.startswith("budget.regret: after 30 trials, further search gains at most ")
    assert reason.endswith(" with probability 0.9, and the budget asks for 0.01")
    assert fleet.opened == 1, "nobody else has read a trial"


def test_another_worker_goes_on_with_the_same_answer(fleet: Fleet) -> None:
    fleet.add(25)
    fleet.limit("1e-12")
    gone = fleet.monitor("w1")
    gone.step()
    assert fleet.holder() == "w1"
    fleet.monitor("w2").step()
    assert fleet.holder() == "w1"
    gone.close()
    assert gone.step() == 10.0
    assert fleet.holder() is None, "one that leaves takes nothing any more"
    fleet.monitor("w2").step()
    assert fleet.holder() == "w2"


def test_a_worker_that_vanished_holds_the_job_no_longer_than_its_grace(fleet: Fleet) -> None:
    fleet.add(25)
    fleet.monitor("w1").step()
    fleet.connection.run("UPDATE hpotool.side_jobs SET held_until = held_until - interval '1 hour'")
    fleet.connection.run("UPDATE hpotool.study_settings SET state = 'running'")
    fleet.monitor("w2").step()
    assert fleet.holder() == "w2"


def test_a_limit_is_changed_taken_away_and_set_again_while_the_study_runs(fleet: Fleet) -> None:
    fleet.limit("none")
    fleet.add(30)
    monitor = fleet.monitor("w1")
    monitor.step()
    assert list_jobs(fleet.connection.run, fleet.study_id) == [], "without the limit nobody looks"
    fleet.limit("1e-12")
    monitor.step()
    assert fleet.state == "running"
    fleet.limit("0.5")
    monitor.step()
    assert fleet.state == "done"
    fleet.limit("1e-12")
    monitor.step()
    assert fleet.state == "running", "a smaller limit takes the study up again"
    fleet.limit("0.5")
    monitor.step()
    assert [actor for actor, _ in fleet.decisions()] == ["w1", "w1"]


def test_a_study_that_does_not_run_is_left_alone(fleet: Fleet) -> None:
    fleet.add(30)
    set_state(fleet.connection.run, fleet.study_id, "paused", "lunch", "ann")
    fleet.monitor("w1").step()
    assert fleet.state == "paused"


def test_an_outage_ends_nothing(fleet: Fleet) -> None:
    def away(*_: object) -> list[object]:
        raise DatabaseUnreachableError("away")

    monitor = RegretMonitor(away, away, fleet.study_id, "w1", EASY, EASY, fleet.spec, fleet.open)  # type: ignore[arg-type]
    assert monitor.step() == 10.0
    monitor.close()
