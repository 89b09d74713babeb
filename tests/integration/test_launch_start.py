"""Launches as a whole on a real database; the system that they start on is a list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hpotool.errors import HpotoolError, InputError
from hpotool.launch.code import Code
from hpotool.launch.job import Job
from hpotool.launch.plan import ProgramError, Step
from hpotool.launch.request import Request
from hpotool.launch.start import check_study, end_launch, has_work, load_cargo, scale_launch, start_launch
from hpotool.launch.target import Begun, Cargo, Target
from hpotool.storage.control.creation import create_or_resume, find_study_id
from hpotool.storage.control.launches import Launch, list_fleet, list_launches
from hpotool.storage.control.orders import read_events, register_worker, set_state
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.file.reader import read_study_file

STUDY = """
study: mine
objective: {command: [ls, "{x}"]}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
budget: {trials: 4}
"""
CARGO = Cargo(Code(Path("/code"), (), "abc"), {})


class ListTarget(Target):
    """Starts places of a list; ``is_away`` as a cluster that does not answer."""

    name = "list"

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []
        self.ended: list[str] = []
        self.is_away = False

    def steps(self, request: Request, cargo: Cargo, jobs: Sequence[Job] = ()) -> list[Step]:
        return []

    def start(self, request: Request, cargo: Cargo, jobs: Sequence[Job] = ()) -> Begun:
        if self.is_away:
            raise ProgramError("nobody answers", None, 1)
        first = len(self.jobs)
        self.jobs += [Job(f"j{first + number}", "running") for number in range(request.workers)]
        return Begun((f"array-{first}",))

    def look(self, request: Request, names: Sequence[str]) -> list[Job]:
        if self.is_away:
            raise ProgramError("nobody answers", None, 1)
        return self.jobs

    def end(self, request: Request, jobs: Sequence[Job]) -> None:
        self.ended += [job.name for job in jobs]


@pytest.fixture
def connection(study_database_url: str) -> Connection:
    connection = Connection(DatabaseUrl.parse(study_database_url))
    create_or_resume(connection, read_study_file(STUDY, "study.yaml", []), "me")
    return connection


@pytest.fixture
def study_id(connection: Connection) -> int:
    return find_study_id(connection, "mine")


def asked(workers: int) -> Request:
    return Request("list-1", "list", "mine", workers, 0, "hpotool")


def only(connection: Connection, study_id: int) -> Launch:
    [launch] = list_launches(connection.run, study_id)
    return launch


def register(connection: Connection, study_id: int, job: str) -> None:
    worker = WorkerIdentity(f"w-{job}", "a", 1, "boot", "1", "cpu")
    register_worker(connection.run, study_id, worker, "list-1", job)


def told(connection: Connection, study_id: int) -> dict[str, str | None]:
    return {str(worker.job): worker.told_to for worker in list_fleet(connection.run, study_id)}


def test_a_launch_is_entered_with_the_jobs_that_came_of_it(connection: Connection, study_id: int) -> None:
    change = start_launch(connection.run, study_id, ListTarget(), asked(2), CARGO, "me")
    assert change.started == 2
    launch = only(connection, study_id)
    assert (launch.wanted, launch.jobs, launch.is_stopped) == (2, ("array-0",), False)
    reasons = [event.reason for event in read_events(connection.run, study_id) if event.kind == "launch"]
    assert reasons == ["2 workers by list (list-1)", "job array-0"]


def test_a_launch_that_failed_is_entered_as_stopped(connection: Connection, study_id: int) -> None:
    target = ListTarget()
    target.is_away = True
    with pytest.raises(HpotoolError, match="nobody answers"):
        start_launch(connection.run, study_id, target, asked(2), CARGO, "me")
    assert only(connection, study_id).is_stopped


def test_more_are_started_on_top_and_fewer_are_told_where_they_hear_it(
    connection: Connection, study_id: int
) -> None:
    target, run = ListTarget(), connection.run
    start_launch(run, study_id, target, asked(2), CARGO, "me")
    launch = only(connection, study_id)
    fleet = list_fleet(run, study_id)
    assert scale_launch(run, study_id, target, launch, CARGO, fleet, 4, "me").started == 2
    assert [job.name for job in target.jobs] == ["j0", "j1", "j2", "j3"]
    for job in ("j0", "j2"):
        register(connection, study_id, job)
    change = scale_launch(
        run, study_id, target, only(connection, study_id), CARGO, list_fleet(run, study_id), 1, "me"
    )
    assert change.leaving == ("w-j2",), "who is registered hears it through the database"
    assert target.ended == ["j1", "j3"], "the others are ended from outside"
    assert told(connection, study_id) == {"j0": None, "j2": "stop"}
    assert only(connection, study_id).wanted == 1


def test_a_stop_holds_also_where_the_system_does_not_answer(connection: Connection, study_id: int) -> None:
    target, run = ListTarget(), connection.run
    start_launch(run, study_id, target, asked(2), CARGO, "me")
    register(connection, study_id, "j0")
    target.is_away = True
    launch = only(connection, study_id)
    assert end_launch(run, target, launch, list_fleet(run, study_id), "me") == "nobody answers"
    register(connection, study_id, "j1")
    assert told(connection, study_id) == {"j0": "stop", "j1": "stop"}
    target.is_away = False
    target.jobs.append(Job("a/", "unknown", "ssh: no", "a"))
    assert end_launch(run, target, launch, list_fleet(run, study_id)[:1], "me") == "no answer from a"
    assert target.ended == ["j1"]


@pytest.mark.parametrize(("state", "way"), [("stopped", "resume"), ("draining", "resume"), ("done", "budget")])
def test_a_study_without_work_gets_no_workers(connection: Connection, study_id: int, state: str, way: str) -> None:
    check_study(connection.run, study_id, "mine")
    assert has_work(connection.run, study_id)
    set_state(connection.run, study_id, state, "", "me")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"is {state}") as refused:
        check_study(connection.run, study_id, "mine")
    assert refused.value.hint == f"hpotool {way} --study mine"
    assert not has_work(connection.run, study_id)


def test_a_password_of_the_environment_goes_along(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.py").touch()
    bare = DatabaseUrl(connection.url.url.set(password=None))
    monkeypatch.setenv("PGPASSWORD", str(connection.url.url.password))
    target = ListTarget()
    target.is_elsewhere = False
    cargo = load_cargo(bare, target, tmp_path)
    assert DatabaseUrl.parse(cargo.variables["HPOTOOL_STORAGE"]).url.password == connection.url.url.password
    assert cargo.code.paths == ("train.py",)
    target.is_elsewhere = True
    with pytest.raises(InputError, match="cannot reach the database"):
        load_cargo(bare, target, tmp_path)
