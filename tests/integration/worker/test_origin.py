"""A worker's origin in the database: recorded once, compared with the study's, noted when it changes."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.analysis.origins.lineage import read_lineage
from hpotool.analysis.status import read_status
from hpotool.api.fleet import read_fleet
from hpotool.cli.screen.study_parts import warning_lines
from hpotool.errors import EXIT_WRONG_INPUT, InputError
from hpotool.origins.data import DataReader
from hpotool.origins.hash_cache import HashCache
from hpotool.origins.origin import OriginWatch
from hpotool.origins.study import remember_origin
from hpotool.storage.control.creation import create_or_resume, find_study_id
from hpotool.storage.control.keeping import delete_study
from hpotool.storage.control.orders import read_events, register_worker
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import (
    Attempt,
    Ending,
    claim_trial,
    fail_and_queue,
    finish_late,
    new_attempt_id,
)
from hpotool.storage.fleet.origins import read_different_workers
from hpotool.storage.fleet.trial_content import TrialContent
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.study.outcome import Outcome
from hpotool.study.spec import MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.origin import WorkerOrigin

SPEC = StudySpec(
    "s", ObjectiveSpec(command=("sh", "train.sh")), (MetricSpec("loss", "minimize"),), data=("rows.csv",)
)


class Bench:
    """A study, and machines that work on it: a folder each."""

    def __init__(self, url: str, tmp_path: Path) -> None:
        self.url = DatabaseUrl.parse(url)
        self.connection = Connection(self.url)
        self.tmp_path = tmp_path
        self._opened: list[WorkerStorage] = []

    def machine(self, name: str, rows: str | None) -> Path:
        folder = self.tmp_path / name
        folder.mkdir()
        (folder / "train.sh").write_text("echo")
        if rows is not None:
            (folder / "rows.csv").write_text(rows)
        return folder

    @property
    def study_id(self) -> int:
        return find_study_id(self.connection, "s")

    def worker(self, folder: Path, spec: StudySpec = SPEC) -> tuple[WorkerOrigin, WorkerStorage]:
        identity = WorkerIdentity(f"worker-{len(self._opened)}", folder.name, 1, "boot", "1", "cpu")
        register_worker(self.connection.run, self.study_id, identity)
        storage = WorkerStorage(self.url, identity)
        self._opened.append(storage)
        reader = DataReader(spec.data, HashCache(folder / "home"), folder)
        watch = OriginWatch(spec, reader, clock=lambda: 0.0)
        return WorkerOrigin(storage, self.study_id, spec, watch), storage

    def claim(self, storage: WorkerStorage) -> Attempt:
        found = claim_trial(
            self.connection.run, self.study_id, storage.worker, new_attempt_id(), origin=storage.origin
        )
        assert isinstance(found, Attempt)
        return found

    def drifts(self) -> list[tuple[str, str | None]]:
        events = read_events(self.connection.run, self.study_id)
        return [(event.reason, event.to_state) for event in events if event.kind == "drift"]

    def close(self) -> None:
        for storage in self._opened:
            storage.connection.close()


@pytest.fixture
def bench(study_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = Bench(study_database_url, tmp_path)
    with closing(found.connection):
        home = found.machine("home", "1")
        monkeypatch.chdir(home)
        create_or_resume(found.connection, SPEC, "test")
        yield found
        found.close()


def _stored(bench: Bench) -> dict[str, int]:
    return dict(bench.connection.run("SELECT kind, count(*) FROM hpotool.origins GROUP BY kind"))


def test_equal_origins_are_stored_once_and_attempts_point_to_them(bench: Bench) -> None:
    assert remember_origin(bench.connection, SPEC) == []
    for name in ("a", "b"):
        origin, storage = bench.worker(bench.machine(name, "1"))
        assert origin.differences == []
        assert origin.before_claim() is None
        bench.claim(storage)
    assert _stored(bench) == {"code": 1, "data": 1, "environment": 1}
    [shared] = read_lineage(bench.connection, "s").origins
    assert (shared.numbers, shared.hosts) == ((0, 1), ("a", "b"))
    assert shared.hashes["data"] == storage.origin.data
    assert bench.drifts() == []
    assert read_different_workers(bench.connection.run, bench.study_id) == []


def test_a_study_whose_creator_saw_no_data_takes_that_of_its_first_worker(bench: Bench) -> None:
    (Path.cwd() / "rows.csv").unlink()
    assert remember_origin(bench.connection, SPEC) == []
    without, _ = bench.worker(bench.machine("without", None))
    assert without.differences == ["rows.csv: it is not there"]
    first, _ = bench.worker(bench.machine("first", "1"))
    same, _ = bench.worker(bench.machine("same", "1"))
    other, _ = bench.worker(bench.machine("other", "2"))
    assert (first.differences, same.differences) == ([], [])
    assert other.differences[0].startswith("rows.csv has another content")


def test_data_that_changes_between_trials_is_noted_and_so_is_its_return(bench: Bench) -> None:
    remember_origin(bench.connection, SPEC)
    folder = bench.machine("a", "1")
    origin, storage = bench.worker(folder)
    assert origin.before_claim() is None
    bench.claim(storage)
    (folder / "rows.csv").write_text("22")
    assert origin.before_claim() is None, "the study is not strict"
    bench.claim(storage)
    [worker] = read_different_workers(bench.connection.run, bench.study_id)
    assert worker["differs"].startswith("rows.csv has another content")
    [row] = read_fleet(bench.connection.run, bench.study_id).rows
    assert row.why.startswith("differs from the study: rows.csv has another content")
    status = read_status(bench.connection, optuna.load_study(study_name="s", storage=storage))
    assert status.as_data()["drift"] == [worker]
    assert any("differs from the study" in line.plain for line in warning_lines(status))
    (folder / "rows.csv").write_text("1")
    assert origin.before_claim() is None
    bench.claim(storage)
    assert [reason.partition(":")[0] for reason, _ in bench.drifts()] == [
        "rows.csv has another content",
        "its code and data are those of the study again",
    ]
    assert read_different_workers(bench.connection.run, bench.study_id) == []
    found = read_lineage(bench.connection, "s")
    assert sorted(one.numbers for one in found.origins) == [(0, 2), (1,)]
    [changed] = read_lineage(bench.connection, "s", 1).origins
    assert set(found.differences(changed)) == {"data rows.csv"}


def test_nothing_is_asked_while_nothing_changes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_origin(bench.connection, SPEC)
    origin, storage = bench.worker(bench.machine("a", "1"))
    origin.before_claim()
    trips: list[str] = []
    monkeypatch.setattr(storage.connection, "run", lambda statement, _=(): trips.append(statement))
    for _ in range(3):
        assert origin.before_claim() is None
    assert trips == []


def test_a_strict_study_refuses_at_the_start_and_ends_a_worker_whose_data_changes(bench: Bench) -> None:
    strict = replace(SPEC, strict=True)
    remember_origin(bench.connection, strict)
    other, _ = bench.worker(bench.machine("other", "2"), strict)
    with pytest.raises(InputError, match=r"the study is strict\nrows\.csv has another content"):
        other.check()
    assert bench.drifts()[-1][1] == "refused"

    folder = bench.machine("a", "1")
    origin, _ = bench.worker(folder, strict)
    origin.check()
    assert origin.before_claim() is None
    (folder / "rows.csv").unlink()
    departure = origin.before_claim()
    assert departure is not None
    assert departure.exit_code == EXIT_WRONG_INPUT
    assert departure.reason == "the study is strict, and rows.csv: it is not there"


def test_names_that_are_no_text_are_stored(bench: Bench) -> None:
    folder = bench.machine("a", "1")
    (folder / "rows.csv").unlink()
    (folder / "rows.csv").mkdir()
    (folder / "rows.csv" / "\udcff").write_text("x")
    bench.worker(folder)
    assert _stored(bench)["data"] == 1


def test_a_study_whose_file_changed_takes_the_state_of_that_machine(bench: Bench) -> None:
    remember_origin(bench.connection, SPEC)
    (Path.cwd() / "rows.csv").write_text("22")
    [said] = remember_origin(bench.connection, SPEC)
    assert said.startswith("rows.csv has another content"), "it is only told"
    assert bench.worker(bench.machine("old", "1"))[0].differences == []
    assert remember_origin(bench.connection, SPEC, anew=True) == []
    assert bench.worker(bench.machine("new", "22"))[0].differences == []
    assert bench.worker(bench.machine("older", "1"))[0].differences != []


def test_a_worker_with_other_code_says_so(bench: Bench) -> None:
    remember_origin(bench.connection, SPEC)
    (Path.cwd() / "train.sh").write_text("echo other")
    other, storage = bench.worker(bench.machine("a", "1"))
    assert other.differences == ["train.sh has another content"]
    assert other.before_claim() is None
    bench.claim(storage)
    [origin] = read_lineage(bench.connection, "s").origins
    found = read_lineage(bench.connection, "s").differences(origin)
    assert set(found) == {"code train.sh"}


def test_a_late_result_keeps_where_it_came_from(bench: Bench) -> None:
    """Its retry is completed by the attempt that was taken for lost, which saw the data of then."""
    remember_origin(bench.connection, SPEC)
    _, storage = bench.worker(bench.machine("a", "1"))
    lost = bench.claim(storage)
    run, ending = bench.connection.run, Ending(Outcome.LOST, follow_up="retry")
    fail_and_queue(run, bench.study_id, lost.trial_id, "reaper", ending, event="reap")
    complete = Ending(Outcome.COMPLETE)
    assert finish_late(run, lost, "worker-0", TrialContent(), TrialState.COMPLETE, [1.0], complete)
    [origin] = read_lineage(bench.connection, "s", 1).origins
    assert origin.hashes["data"] == storage.origin.data
    assert origin.contents["code"] is not None


def test_deleting_a_study_leaves_the_origins_of_others(bench: Bench) -> None:
    remember_origin(bench.connection, SPEC)
    origin, storage = bench.worker(bench.machine("a", "22"))
    origin.before_claim()
    bench.claim(storage)
    create_or_resume(bench.connection, replace(SPEC, name="other"), "test")
    remember_origin(bench.connection, replace(SPEC, name="other"))
    assert _stored(bench) == {"code": 1, "data": 2, "environment": 1}
    delete_study(bench.connection, bench.study_id)
    assert _stored(bench) == {"code": 1, "data": 1}, "what only the deleted study had is gone"
    assert read_lineage(bench.connection, "other").of_study.contents["data"] is not None
