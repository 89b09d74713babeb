"""Exporting from a real database to real trackers, with kills between any two trials."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import optuna
import pytest

from hpotool.errors import InputError
from hpotool.storage.control.keeping import delete_study, rename_study
from hpotool.storage.control.orders import adopt_study, set_state
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.open import open_storage
from hpotool.storage.tracking.exported import ExportReader
from hpotool.storage.tracking.jobs import Arrived, Job, list_jobs
from hpotool.tracking.exporter import Exporter, Sent, Until
from hpotool.tracking.targets.target import RefusedByTargetError, Target, TargetAwayError
from hpotool.tracking.targets.tensorboard import TensorboardTarget
from hpotool.tracking.tenure import Tenure
from hpotool.tracking.tracked_run import Point, TrackedRun
from tests.acceptance.command_line import wait_until

pytest.importorskip("tensorboardX")


class Moody(TensorboardTarget):
    """A tracker that is away or refuses when it likes; what it takes, it takes as ever."""

    def __init__(self, folder: Path, away: set[int] = frozenset(), refused: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        super().__init__(str(folder))
        self.away, self.refused = set(away), refused
        self.sent: list[int] = []
        self.forgot = 0
        self.closed = 0

    def send(self, run: TrackedRun) -> None:
        assert run.number is not None
        if run.number in self.refused:
            raise RefusedByTargetError("never")
        super().send(run)
        if run.number in self.away:  # it has heard the request, and the answer was lost
            self.away.remove(run.number)
            raise TargetAwayError("it is away")
        self.sent.append(run.number)

    def forget(self) -> None:
        self.forgot += 1

    def close(self) -> None:
        self.closed += 1


class StudyAtHand:
    """A study of plain Optuna, whose trials end as the test says."""

    def __init__(self, url: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.connection = Connection(DatabaseUrl.parse(url))
        self.study = optuna.create_study(study_name="s", storage=open_storage(url))
        self.study_id = self.study._study_id
        adopt_study(self.connection.run, self.study_id)

    def begin(self) -> optuna.Trial:
        trial = self.study.ask()
        trial.suggest_float("x", 0, 1)
        trial.report(0.5, 0)
        return trial

    def finish(self, count: int) -> None:
        for _ in range(count):
            self.study.tell(self.begin(), 0.25)

    @contextmanager
    def exporting(self, target: Target) -> Iterator[Exporter]:
        job = Job(self.study_id, "test", "me")
        with Tenure(self.connection.run, job, timedelta(hours=1)) as tenure:
            assert tenure.held is not None
            yield Exporter(
                self.connection.run, job, tenure.held, target, threading.Event(), tenure.is_lost, look_every_s=0.01
            )

    def export(self, target: Target, until: Until = "sent") -> Sent:
        with self.exporting(target) as exporter:
            return exporter.export(until)


@pytest.fixture
def at_hand(study_database_url: str) -> Iterator[StudyAtHand]:
    study = StudyAtHand(study_database_url)
    yield study
    study.connection.close()


def test_only_what_is_new_is_sent_whenever_it_ends(at_hand: StudyAtHand, tmp_path: Path) -> None:
    slow = at_hand.begin()
    at_hand.finish(2)
    target = Moody(tmp_path)
    assert at_hand.export(target).trials == 2
    assert sorted(target.sent[:2]) == [1, 2]
    assert target.sent[2:] == [0]  # the last one as it runs
    at_hand.finish(1)
    at_hand.study.tell(slow, state=optuna.trial.TrialState.FAIL)
    target.sent.clear()
    assert at_hand.export(target).trials == 2
    assert sorted(target.sent) == [0, 3]
    assert at_hand.export(target).trials == 0
    [job] = list_jobs(at_hand.connection.run, at_hand.study_id)
    assert (job.arrived, job.missing, job.trouble) == (4, 0, None)


def test_what_runs_is_shown_less_often_where_that_takes_long(at_hand: StudyAtHand, tmp_path: Path) -> None:
    """Each look reads and sends all reports of all trials that run, beside the trials themselves."""

    class Slow(Moody):
        def send(self, run: TrackedRun) -> None:
            time.sleep(0.05 if run.status == "RUNNING" else 0)
            super().send(run)

    running, target = [at_hand.begin() for _ in range(4)], Slow(tmp_path)
    with at_hand.exporting(target) as exporter:
        began = time.monotonic()
        thread = threading.Thread(target=exporter.export, args=("told",))
        thread.start()
        at_hand.finish(20)
        wait_until(lambda: len({*range(4, 24)} & {*target.sent}) == 20, "what has ended is sent")
        wait_until(lambda: target.sent.count(0) >= 3, "what runs is shown again")
        took = time.monotonic() - began
        exporter._leaving.set()
        thread.join()
    shown = sum(target.sent.count(trial.number) for trial in running)
    assert shown * 0.05 <= 0.2 * took + 4 * 0.05


def test_an_exporter_that_lags_sends_in_order_and_catches_up(at_hand: StudyAtHand, tmp_path: Path) -> None:
    running = at_hand.begin()
    at_hand.finish(120)
    target = Moody(tmp_path)
    assert at_hand.export(target).trials == 120
    assert sorted(target.sent[:-1]) == [*range(1, 121)]
    assert all(abs(place - number) < 5 for place, number in enumerate(target.sent[:-1], 1)), (
        "a few at once, in order"
    )
    assert target.sent[-1] == running.number


def test_a_tracker_that_is_away_is_tried_again_and_asked_what_it_has(at_hand: StudyAtHand, tmp_path: Path) -> None:
    at_hand.finish(4)
    target = Moody(tmp_path, away={2})
    assert at_hand.export(target).trials >= 4
    assert set(target.sent) == {0, 1, 2, 3}
    assert target.forgot == 1
    assert len(list(tmp_path.rglob("*tfevents*"))) == 4
    assert list_jobs(at_hand.connection.run, at_hand.study_id)[0].trouble is None


def test_a_tracker_that_fails_now_and_then_still_gets_on(
    at_hand: StudyAtHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it took beside the one that failed is not sent again."""
    monkeypatch.setattr("hpotool.tracking.exporter._FIRST_WAIT_S", 0.01)

    class Flaky(Moody):
        tries = 0

        def send(self, run: TrackedRun) -> None:
            self.tries += 1
            if self.tries % 3 == 0:
                raise TargetAwayError("it answers 500")
            super().send(run)

    at_hand.finish(24)
    target = Flaky(tmp_path)
    assert at_hand.export(target).trials == 24
    assert sorted(target.sent) == list(range(24)), "each once"
    assert target.tries <= 40


def test_a_trial_that_a_tracker_never_takes_keeps_no_other_one(at_hand: StudyAtHand, tmp_path: Path) -> None:
    at_hand.finish(3)
    sent = at_hand.export(Moody(tmp_path, refused={1}))
    assert (sent.trials, sent.refused) == (2, (1,))
    [job] = list_jobs(at_hand.connection.run, at_hand.study_id)
    assert (job.arrived, job.refused, job.missing) == (2, (1,), 0)


def test_it_leaves_when_the_study_is_over_or_gone(at_hand: StudyAtHand, tmp_path: Path) -> None:
    at_hand.finish(1)
    set_state(at_hand.connection.run, at_hand.study_id, "stopped", "enough", "ann")
    assert at_hand.export(Moody(tmp_path), "over").why == "done"
    with at_hand.exporting(Moody(tmp_path)) as exporter:
        delete_study(at_hand.connection, at_hand.study_id)
        assert exporter.export("told").why == "deleted"


def test_it_leaves_when_another_process_has_the_job(at_hand: StudyAtHand, tmp_path: Path) -> None:
    at_hand.finish(1)
    with at_hand.exporting(Moody(tmp_path)) as exporter:
        at_hand.connection.run("UPDATE hpotool.side_jobs SET holder = 'another'", {})
        exporter._is_lost = lambda: True
        assert exporter.export("told").why == "taken"


def test_gaps_in_the_numbers_are_waited_for(at_hand: StudyAtHand) -> None:
    """A number that is committed late is below others that have arrived."""
    reader = ExportReader(at_hand.connection.run, at_hand.study_id)
    at_hand.finish(4)
    study = reader.read_study()
    assert study is not None
    arrived = Arrived().with_more([0, 2])
    assert (arrived.below, arrived.beyond) == (1, {2})
    assert [trial.number for trial in reader.read_finished(study, arrived, 50)] == [1, 3]
    assert arrived.with_more([1, 3]) == Arrived(4)
    assert (1 in arrived, 0 in arrived, 2 in arrived) == (False, True, True)


@pytest.mark.parametrize("kills", [6])
def test_killed_between_any_two_trials_it_goes_on(at_hand: StudyAtHand, tmp_path: Path, kills: int) -> None:
    at_hand.finish(8)
    command = [
        sys.executable,
        "-m",
        "hpotool",
        "track",
        "s",
        "--to",
        "tensorboard",
        "--address",
        str(tmp_path / "runs"),
    ]
    environment = {
        **os.environ,
        "HPOTOOL_STORAGE": at_hand.connection.url.libpq,
        "HPOTOOL_GRACE_PERIOD_S": "0.5",
        "HPOTOOL_HEARTBEAT_INTERVAL_S": "0.1",
    }
    killed = 0
    for kill in range(kills):
        fault = {"HPOTOOL_FAULT": f"export.sent:kill:{tmp_path}/kill-{kill}"}
        (tmp_path / f"kill-{kill}").mkdir()
        done = subprocess.run(
            [*command, "--once"], env=environment | fault, capture_output=True, text=True, timeout=120
        )
        killed += done.returncode == -signal.SIGKILL
    assert killed, "the fault was never met"
    done = subprocess.run([*command, "--once"], env=environment, capture_output=True, text=True, timeout=120)
    while "another process does this already" in done.stderr:  # until the killed one's hold is over
        done = subprocess.run([*command, "--once"], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = {
        str(path.relative_to(tmp_path)): path.read_bytes() for path in (tmp_path / "runs").rglob("*tfevents*")
    }
    assert len(found) == 8
    subprocess.run([*command, "--once", "--again"], env=environment, check=True, timeout=120)
    assert found == {str(p.relative_to(tmp_path)): p.read_bytes() for p in (tmp_path / "runs").rglob("*tfevents*")}


class WithoutStudy(Moody):
    """Takes trials; the first times that it is told of the study it is away."""

    def __init__(self, folder: Path, times: int) -> None:
        super().__init__(folder)
        self.times = times
        self.points: list[int] = []
        self.opened = 0

    def open(self, study: TrackedRun, job_id: str) -> None:
        super().open(study, job_id)
        self.opened += 1

    def send_study(self, study: TrackedRun, points: tuple[Point, ...]) -> None:
        self.times -= 1
        if self.times >= 0:
            raise TargetAwayError("not now")
        self.points += [point.step for point in points]


def test_trials_are_noted_after_the_study_has_their_values(at_hand: StudyAtHand, tmp_path: Path) -> None:
    at_hand.finish(3)
    target = WithoutStudy(tmp_path, times=1)
    at_hand.export(target)
    assert target.points == [0, 1, 2]
    assert sorted(target.sent) == [0, 0, 1, 1, 2, 2], "nobody knew whether they had arrived"
    assert target.opened == 2, "and whatever it had before is looked for again"


def test_two_exports_of_one_study_know_nothing_of_each_other(at_hand: StudyAtHand, tmp_path: Path) -> None:
    at_hand.finish(2)
    at_hand.export(Moody(tmp_path / "one"))
    job = Job(at_hand.study_id, "another place", "me")
    with Tenure(at_hand.connection.run, job, timedelta(hours=1)) as tenure:
        assert tenure.held is not None
        target = Moody(tmp_path / "two")
        Exporter(at_hand.connection.run, job, tenure.held, target, threading.Event()).export("sent")
    assert sorted(target.sent) == [0, 1]
    assert [each.arrived for each in list_jobs(at_hand.connection.run, at_hand.study_id)] == [2, 2]
    assert len(list(tmp_path.glob("*/s/trial-*"))) == 4


def test_a_study_keeps_its_place_when_it_is_renamed(at_hand: StudyAtHand, tmp_path: Path) -> None:
    at_hand.finish(1)
    at_hand.export(Moody(tmp_path))
    rename_study(at_hand.connection, "s", "another", "ann")
    at_hand.finish(1)
    at_hand.export(Moody(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert len(list((tmp_path / "s").glob("trial-*"))) == 2


def test_a_target_is_let_go_of_however_an_export_ends(at_hand: StudyAtHand, tmp_path: Path) -> None:
    at_hand.finish(1)
    target = Moody(tmp_path)
    at_hand.export(target)
    assert target.closed == 1
    with at_hand.exporting(target) as exporter:
        exporter._leaving.set()
        assert exporter.export("told").why == "told"
    assert target.closed == 2
    target.open = refuse  # type: ignore[method-assign]
    with pytest.raises(InputError):
        at_hand.export(target)
    assert target.closed == 3


def refuse(study: TrackedRun, job_id: str) -> None:
    raise InputError("it can never be used", "use another")
