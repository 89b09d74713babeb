"""The scratch study on a real database: its own name, its progress, its guests, over an outage, and gone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from hpotool.drill.scratch import Progress, Scratch
from hpotool.storage.control import orders
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.worker.membership.identity import identify_worker, process_space, process_start
from tests.child_processes import child_process
from tests.postgres import TestServer
from tests.unit.drill.plans import PLAN


@pytest.fixture
def scratch(study_database_url: str) -> Iterator[Scratch]:
    connection = Connection(DatabaseUrl.parse(study_database_url))
    yield Scratch.create(connection, PLAN, "test")
    connection.close()


def register(scratch: Scratch, worker: WorkerIdentity) -> str:
    orders.register_worker(scratch.connection.run, scratch.study_id, worker)
    return worker.worker_id


def test_two_drills_have_two_studies_and_deleting_one_leaves_the_other(scratch: Scratch) -> None:
    other = Scratch.create(scratch.connection, PLAN, "test")
    assert scratch.name != other.name
    assert scratch.name.startswith("drill-")
    scratch.delete()
    names = scratch.connection.run("SELECT study_name FROM studies")
    assert names == [(other.name,)]


def test_its_progress_counts_its_trials_and_workers(scratch: Scratch) -> None:
    assert scratch.progress() == Progress(waiting=4), "one point of each kind waits"
    worker = register(scratch, identify_worker("cpu"))
    assert scratch.progress() == Progress(waiting=4, workers=frozenset([worker]))


def test_guests_are_workers_whose_process_lives_here_and_is_not_the_drills(scratch: Scratch) -> None:
    with child_process([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        start = process_start(process.pid) or ""
        here = WorkerIdentity("here", "h", process.pid, process_space(), start, "cpu")
        register(scratch, here)
        register(scratch, WorkerIdentity("elsewhere", "h", process.pid, "another machine", start, "cpu"))
        register(scratch, WorkerIdentity("earlier", "h", process.pid, process_space(), "1", "cpu"))
        own = identify_worker("cpu")
        register(scratch, own)
        assert [guest.worker_id for guest in scratch.guests(frozenset([os.getpid()]))] == ["here"]
        assert len(scratch.guests(frozenset())) == 2
        process.kill()
    assert scratch.guests(frozenset([os.getpid()])) == []


def test_who_joined_is_asked_to_leave_and_waited_for_but_not_for_long(scratch: Scratch) -> None:
    worker = register(scratch, identify_worker("cpu"))
    scratch.end(within_s=0.3)
    settings = orders.read_settings(scratch.connection.run, scratch.study_id)
    assert settings is not None
    assert (settings.state, settings.reason) == ("stopped", "the drill is over")
    orders.end_worker(scratch.connection.run, worker, "left")
    scratch.end(within_s=3600)


def test_a_study_that_is_done_stays_done(scratch: Scratch) -> None:
    orders.set_state(scratch.connection.run, scratch.study_id, "done", "", "test")
    scratch.end(within_s=0)
    settings = orders.read_settings(scratch.connection.run, scratch.study_id)
    assert settings is not None
    assert settings.state == "done"


def test_a_drill_waits_for_a_database_that_somebody_has_away(own_postgres: TestServer) -> None:
    scratch = Scratch.create(Connection(DatabaseUrl.parse(own_postgres.url("postgres"))), PLAN, "test")
    own_postgres.stop()
    assert scratch.progress() == Progress(is_known=False)
    assert scratch.guests(frozenset()) == []
    found: list[int] = []
    asking = threading.Thread(target=lambda: found.append(len(scratch.evidence().trials)))
    asking.start()
    own_postgres.start()
    asking.join(60)
    assert found == [4]
    scratch.connection.close()
