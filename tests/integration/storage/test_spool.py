"""What lies on a machine's disk is sent to the attempt it belongs to; what cannot be sent stops nothing else."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.storage.control import orders
from hpotool.storage.database.connection import Connection, RefusedStatementError
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Attempt, Ending
from hpotool.storage.fleet.spool import Spool, SpooledAttempt, _short_hash
from hpotool.storage.fleet.trial_content import TrialContent
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.study.outcome import Outcome

Open = Callable[..., tuple[WorkerStorage, optuna.Study]]


@pytest.fixture
def open_worker(make_study, tmp_path: Path) -> Open:
    study = make_study(budget=20)

    def open_(name: str) -> tuple[WorkerStorage, optuna.Study]:
        worker = WorkerIdentity(name, "here", 1, "boot", "1", "cpu")
        storage = WorkerStorage(study.url, worker, home=tmp_path)
        orders.register_worker(storage.run, study.study_id, worker)
        return storage, optuna.load_study(study_name=study.optuna.study_name, storage=storage)

    return open_


def _left_behind(open_worker: Open, name: str) -> tuple[WorkerStorage, Attempt]:
    """A worker that is gone in the middle of an attempt."""
    storage, study = open_worker(name)
    study.ask()
    attempt = storage.attempt
    assert attempt is not None
    return storage, attempt


def _files(storage: WorkerStorage) -> list[str]:
    return sorted(path.name for path in storage._spool._folder.iterdir())


@pytest.mark.parametrize("text", ["cannot read \udcff\udcfe.png", "a\0b", "half \ud83d of a pair"])
def test_undecodable_name_in_error_ends_its_attempt_and_nothing_else(open_worker: Open, text: str) -> None:
    storage, study = open_worker("w")

    def objective(_: optuna.Trial) -> float:
        storage.end_attempt_with(Ending(Outcome.ERROR, text, output_tail=f"{text}\n"))
        raise ValueError("planned")  # what is logged here goes to the test's own report, in UTF-8

    study.optimize(objective, n_trials=1, catch=ValueError)
    study.optimize(lambda _: 1.0, n_trials=1)

    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    [(reason,)] = storage.run("SELECT reason FROM hpotool.attempts WHERE outcome = 'error'", {})
    assert reason.encode(errors="strict")
    assert open_worker("the next one")[0].rescue_all(lambda _: True) == 0
    assert _files(storage) == []


def _with_content(**content: object) -> Callable[[SpooledAttempt], str]:
    def spoil(spooled: SpooledAttempt) -> str:
        return replace(spooled, content=replace(TrialContent(), **content)).to_json()

    return spoil


_UNSENDABLE = {
    "an attribute's key with half a surrogate pair": _with_content(user_attrs={"bad \udcff": "1"}),
    "an attribute's key that is too long": _with_content(user_attrs={"k" * 513: "1"}),
    "a step beyond 32 bits": _with_content(steps=((2**31, 0.5),)),
    "a parameter with NUL in its name": _with_content(params=(("a\0b", 0.5, "{}"),)),
    "half a file": lambda spooled: spooled.to_json()[:200],
    "something else": lambda _: "[1, 2]",
}


@pytest.mark.parametrize("what", _UNSENDABLE)
def test_a_file_that_cannot_be_sent_is_set_aside_and_the_others_are_sent(
    open_worker: Open, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    left = [_left_behind(open_worker, f"gone {number}") for number in range(3)]
    for number, (storage, attempt) in enumerate(left):
        storage.returned_file.write_text(json.dumps({"values": [number], "extra": {}}))
        if number == 1:
            path = storage._spool._path(attempt.attempt_id)
            path.write_text(_UNSENDABLE[what](SpooledAttempt.from_json(path.read_text())))
    successor, study = open_worker("successor")
    caplog.set_level(logging.WARNING)

    assert successor.rescue_all(lambda worker: worker.worker_id.startswith("gone")) == 2

    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "RUNNING", "COMPLETE"]
    aside = [name for name in _files(successor) if name.endswith(".not-sent")]
    assert any(f"{successor._spool._folder / aside[0]}" in record.getMessage() for record in caplog.records)
    caplog.clear()
    assert successor.rescue(left[1][1].attempt_id) is False, "a reaper takes the trial for lost"
    assert successor.rescue_all(lambda _: True) == 0
    assert caplog.records == [], "said once"
    study.optimize(lambda _: 1.0, n_trials=1)


@pytest.mark.parametrize("who", ["a successor", "the worker itself"])
def test_a_result_whose_tables_are_gone_at_the_tell_waits_for_them_on_disk(who: str, open_worker: Open) -> None:
    storage, study = open_worker("w")
    admin = Connection(storage.url)

    def objective(_: optuna.Trial) -> float:
        admin.run("ALTER TABLE hpotool.attempts RENAME TO away")
        return 0.5

    with pytest.raises(RefusedStatementError, match="does not exist"):
        study.optimize(objective, n_trials=2)
    admin.run("ALTER TABLE hpotool.away RENAME TO attempts")

    if who == "a successor":
        storage, study = open_worker("successor")
        assert storage.rescue_all(lambda _: True) == 1
    study.optimize(lambda trial: trial.study.trials[0].value * 2, n_trials=1)
    assert [trial.value for trial in study.trials] == [0.5, 1.0]
    assert list(storage._spool.list()) == []


def test_a_file_of_a_newer_hpotool_waits_for_that(open_worker: Open) -> None:
    storage, attempt = _left_behind(open_worker, "gone")
    path = storage._spool._path(attempt.attempt_id)
    newer = json.dumps(json.loads(path.read_text()) | {"format": 2})
    path.write_text(newer)

    assert open_worker("successor")[0].rescue_all(lambda _: True) == 0

    assert path.read_text() == newer


def test_a_neighbour_that_sends_a_file_first_ends_nobody(open_worker: Open) -> None:
    storage, attempt = _left_behind(open_worker, "gone")
    path = storage._spool._path(attempt.attempt_id)
    path.unlink()
    path.symlink_to("removed after it was listed")  # is listed, and not there when it is looked at

    assert open_worker("successor")[0].rescue_all(lambda _: True) == 0


# ---------------------------------------------------------------- another database


def test_what_another_database_left_at_this_address_changes_no_trial_here(
    open_worker: Open, make_study, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage, attempt = _left_behind(open_worker, "gone")
    _, study = open_worker("here")
    study.enqueue_trial({"x": 0.5})
    content = TrialContent((("y", 0.1, "{}"),), ((1, 0.5),), {"note": '"foreign"'}, {"fixed_params": "{}"})
    address = f"{storage.url.url.host}:{storage.url.url.port}/{storage.url.url.database}"
    folders = [storage._spool._folder, tmp_path / "spool" / _short_hash(address)]
    folders[1].mkdir()
    before = [(t.state, t.params, t.user_attrs, t.system_attrs, t.intermediate_values) for t in study.trials]
    for folder in folders:
        for trial in study.trials:
            foreign = replace(attempt, attempt_id=str(uuid.uuid4()), trial_id=trial._trial_id)
            kept = SpooledAttempt(foreign, replace(storage.worker, worker_id="foreign"), content, None)
            (folder / f"{foreign.attempt_id}.json").write_text(kept.to_json())
            (folder / f"{foreign.attempt_id}.returned").write_text('{"values": [5.0], "extra": {}}')

    assert open_worker("successor")[0].rescue_all(lambda worker: worker.worker_id == "foreign") == 0

    after = [(t.state, t.params, t.user_attrs, t.system_attrs, t.intermediate_values) for t in study.trials]
    assert after == before
    assert len(list(folders[1].glob("*.json"))) == 2, "it may be another database's, which has it sent yet"
    assert len(list(folders[0].glob("*.not-sent"))) == 4


def test_what_the_last_release_left_at_this_address_is_sent(open_worker: Open, tmp_path: Path) -> None:
    storage, _ = _left_behind(open_worker, "gone")
    storage.returned_file.write_text('{"values": [0.25], "extra": {}}')
    address = f"{storage.url.url.host}:{storage.url.url.port}/{storage.url.url.database}"
    storage._spool._folder.rename(tmp_path / "spool" / _short_hash(address))

    successor, study = open_worker("successor")
    assert successor.rescue_all(lambda _: True) == 1

    assert [trial.value for trial in study.trials] == [0.25]
    assert list((tmp_path / "spool" / _short_hash(address)).iterdir()) == []


def test_a_database_is_itself_at_every_address_and_no_other(postgres, study_database_url: str) -> None:
    def identity(url: str) -> str:
        return Connection(DatabaseUrl.parse(url)).identify()

    assert identity(study_database_url) == identity(study_database_url.replace("127.0.0.1", "localhost"))
    assert identity(study_database_url) != identity(postgres.url("postgres"))
    assert (
        Spool(Path("/x"), "a", DatabaseUrl.parse(study_database_url))._folder
        != Spool(Path("/x"), "b", DatabaseUrl.parse(study_database_url))._folder
    )
