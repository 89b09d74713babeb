"""Processes beside workers: one is elected, another follows it, and none outlives its worker."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import optuna
import psutil
import pytest

from hpotool.storage.control.keeping import rename_study
from hpotool.storage.control.orders import adopt_study, set_state
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.open import open_storage
from hpotool.storage.tracking.jobs import list_jobs
from hpotool.worker.membership.side_processes import SideCommand, SideProcesses
from tests.acceptance.command_line import wait_until
from tests.child_processes import child_process

pytest.importorskip("tensorboardX")
LEASE = timedelta(seconds=6)


@pytest.fixture
def connection(study_database_url: str) -> Iterator[Connection]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    connection = Connection(DatabaseUrl.parse(study_database_url))
    study = optuna.create_study(study_name="s", storage=open_storage(study_database_url))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    adopt_study(connection.run, study._study_id)
    yield connection
    connection.close()


def beside(connection: Connection, worker: str, folder: Path, *words: str) -> SideProcesses:
    command = SideCommand(
        f"tensorboard {folder / 'runs'}",
        words or ("track", "--to", "tensorboard", "--address", str(folder / "runs")),
    )
    environment = {
        **os.environ,
        "HPOTOOL_STORAGE": connection.url.libpq,
        "HPOTOOL_GRACE_PERIOD_S": "6",
        "HPOTOOL_HEARTBEAT_INTERVAL_S": "2",
    }
    return SideProcesses(connection.run, connection.run, 1, worker, [command], environment, folder / worker, LEASE)


def process_of(side: SideProcesses) -> "subprocess.Popen[bytes] | None":
    return side._all[0].process


def holder(connection: Connection) -> str | None:
    jobs = list_jobs(connection.run, 1)
    return jobs[0].holder if jobs else None


def test_one_worker_is_elected_and_another_follows_it(connection: Connection, tmp_path: Path) -> None:
    first, second = beside(connection, "w1", tmp_path), beside(connection, "w2", tmp_path)
    with second:
        with first:
            first.step()
            second.step()
            started = process_of(first)
            assert started is not None
            assert process_of(second) is None
            wait_until(
                lambda: first.step() and list_jobs(connection.run, 1) and (tmp_path / "runs" / "s").exists(),
                "it exports",
            )
            assert holder(connection) == "w1"
        assert started.poll() is not None
        wait_until(lambda: second.step() and process_of(second), "the other one is elected")
        followed = process_of(second)
        assert followed is not None
        wait_until(lambda: len(list((tmp_path / "runs" / "s").glob("trial-*"))) == 3, "it goes on with the export")
    assert followed.poll() is not None
    assert len(list((tmp_path / "runs" / "s").glob("trial-*"))) == 3


def test_a_study_that_was_renamed_is_exported_by_its_new_name(connection: Connection, tmp_path: Path) -> None:
    """The worker was started with the old one."""
    with beside(connection, "w1", tmp_path) as side:
        rename_study(connection, "s", "another", "ann")
        side.step()
        wait_until(lambda: list(tmp_path.glob("runs/another/trial-*")), "it exports")


def test_a_process_that_is_killed_is_started_again(connection: Connection, tmp_path: Path) -> None:
    with beside(connection, "w1", tmp_path) as side:
        side.step()
        first = process_of(side)
        assert first is not None
        first.kill()
        first.wait()
        wait_until(lambda: side.step() and process_of(side) not in (None, first), "another one runs")


def test_what_can_never_work_is_not_tried_again(
    connection: Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("hpotool").propagate = True
    with beside(connection, "w1", tmp_path, "track", "--to", "nowhere") as side:
        side.step()
        first = process_of(side)
        assert first is not None
        first.wait()
        side.step()
        assert process_of(side) is None
        assert side._all[0].is_given_up
    assert "'nowhere' is not one of mlflow, tensorboard" in caplog.text


def test_a_study_that_is_over_is_sent_whole_by_the_last_to_leave(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpotool.worker.membership.side_processes._LAST_WORDS_S", 120.0)  # on a busy machine
    set_state(connection.run, 1, "done", "enough", "ann")
    with beside(connection, "w1", tmp_path) as side:
        side.is_over = True  # nobody had been elected yet
    assert len(list((tmp_path / "runs" / "s").glob("trial-*"))) == 3
    assert holder(connection) is None


def test_none_outlives_a_worker_that_was_killed(connection: Connection, tmp_path: Path) -> None:
    code = f"""
import os, sys, time
from datetime import timedelta
from pathlib import Path
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from tests.integration.worker.test_side_processes import beside, process_of
side = beside(Connection(DatabaseUrl.parse(os.environ["URL"])), "w1", Path({str(tmp_path)!r}))
side.step()
print(process_of(side).pid, flush=True)
time.sleep(600)
"""
    environment = {**os.environ, "URL": connection.url.libpq}
    with child_process([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        process = psutil.Process(int(worker.stdout.readline()))
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "it is gone")
