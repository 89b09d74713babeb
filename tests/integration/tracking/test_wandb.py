"""W&B's real client, against files for `wandb sync` and a stand-in for its server (tests/wandb_server.py)."""

import gc
import json
import math
import os
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hpotool.errors import InputError
from hpotool.storage.tracking.exported import ExportedTrial
from hpotool.tracking.targets import wandb as wandb_target
from hpotool.tracking.targets.target import RefusedByTargetError, TargetAwayError
from hpotool.tracking.targets.wandb import Place, WandbTarget
from hpotool.tracking.targets.wandb_file import read_records
from hpotool.tracking.tracked_run import describe_study, describe_trial
from tests.tracked import exported_study, exported_trial, final_training
from tests.wandb_server import KEY, StoredRun, WandbServer

pytest.importorskip("wandb")
STUDY = exported_study("description: digits again\ntags: {owner: ann, nightly: 'yes'}\n")
JOB = "0f8fad5b-d9cb-469f-a165-70867728950e"
ID = "0f8fad5bd9cb469f"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    server = WandbServer()
    monkeypatch.setenv("WANDB_BASE_URL", server.address)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def a_client_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """W&B's client keeps the address of its first server for the whole process."""
    yield
    monkeypatch.undo()
    import wandb

    wandb.teardown()


def open_target(address: str = "ann/digits", most_bytes: int = 0) -> WandbTarget:
    target = WandbTarget(address, most_bytes)
    target.open(describe_study(STUDY, None), JOB)
    return target


def send(target: WandbTarget, *trials: ExportedTrial) -> None:
    for trial in trials:
        target.send(describe_trial(STUDY, trial))


def running(trial: ExportedTrial, count: int) -> ExportedTrial:
    steps = {"loss": dict(list(trial.steps["loss"].items())[:count])}
    return replace(trial, state="RUNNING", ended=None, values={}, steps=steps, attempts=())


def run_of(server: WandbServer, number: int) -> StoredRun:
    return server.runs[f"{ID}-{number}"]


def all_of(run: StoredRun) -> str:
    """What a run shows, but for how long it took to send it."""
    summary = {key: value for key, value in run.summary.items() if key not in ("_runtime", "_wandb")}
    return json.dumps([run.history, summary, run.config, run.state], sort_keys=True)


def test_what_is_sent_twice_by_two_processes_is_there_once(server: WandbServer) -> None:
    failed = {"attempts": ({**exported_trial().attempts[0], "outcome": "error"},)}
    trials = [
        exported_trial(0, params={"lr": 0.1, "kind": "b", "_odd/ %": 2, "hpotool": None}),
        exported_trial(1, state="FAIL", values={}, **failed),
        exported_trial(2, values={"loss": math.inf}, steps={"loss": {0: math.nan, 1: -math.inf}}, lineage=(1,)),
        exported_trial(3, params={"text": "x" * 9000, "big": 10**400}, state="PRUNED"),
    ]
    shown = []
    for _ in range(2):
        target = open_target()
        send(target, *trials)
        target.close()
        shown.append({name: all_of(run) for name, run in server.runs.items()})
    assert shown[0] == shown[1]
    assert list(server.runs) == [f"{ID}-{number}" for number in range(4)]
    assert [run.begun for run in server.runs.values()] == [2] * 4

    first = run_of(server, 0)
    assert first.history == [{"steps/loss": value, "_step": step} for step, value in enumerate((3, 2, 0.25))]
    assert first.fields["groupName"] == "digits"
    assert (first.fields["entity"], first.fields["project"]) == ("ann", "digits")
    assert (first.fields["displayName"], first.fields["jobType"]) == ("trial 0", "trial")
    assert first.fields["tags"] == ["owner:ann", "nightly:yes"]
    assert first.config["lr"] == 0.1
    assert first.config["own/hpotool"] is None
    assert first.config["hpotool"]["outcome"] == "complete"
    assert first.summary["loss"] == 0.25
    assert first.summary["cost/gpu_hours"] == 0.02
    assert [run.state for run in server.runs.values()] == ["finished", "failed", "finished", "finished"]
    assert run_of(server, 2).config["hpotool"]["retry_of"] == "1"
    assert run_of(server, 2).summary["loss"] == math.inf
    assert math.isnan(run_of(server, 2).history[0]["steps/loss"])
    assert len(run_of(server, 3).config["text"]) == 6000
    assert "loss" not in run_of(server, 3).summary


def test_a_running_trial_grows_and_ends_in_one_run(server: WandbServer) -> None:
    whole = exported_trial(0)
    target = open_target()
    for count in (0, 1, 1, 3):
        send(target, running(whole, count))
    assert run_of(server, 0).state == "running"
    send(target, whole)
    assert (run_of(server, 0).begun, run_of(server, 0).state) == (1, "finished")
    assert [row["_step"] for row in run_of(server, 0).history] == [0, 1, 2]
    assert run_of(server, 0).config["hpotool"]["outcome"] == "complete"


def test_a_report_out_of_order_is_there_in_the_end(server: WandbServer) -> None:
    whole = exported_trial(0, steps={"loss": {5: 1.0, 2: 2.0, 9: 3.0}})
    target = open_target()
    send(target, running(whole, 1), running(whole, 2), whole)
    assert [(row["_step"], row["steps/loss"]) for row in run_of(server, 0).history] == [
        (2, 2.0),
        (5, 1.0),
        (9, 3.0),
    ]


def test_a_trial_that_still_runs_is_left_as_interrupted_and_continued(server: WandbServer) -> None:
    target = open_target()
    send(target, running(exported_trial(0), 2))
    target.close()
    assert run_of(server, 0).state == "preempted"
    send(open_target(), exported_trial(0))
    assert (run_of(server, 0).state, len(run_of(server, 0).history)) == ("finished", 3)


def test_what_the_server_refuses_is_not_taken_for_sent(
    server: WandbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W&B's own client ends such a run as if nothing were missing."""
    monkeypatch.setattr(wandb_target, "_SHOWN_AFTER_S", (0.0, 0.1))
    target = open_target()
    server.refused["file_stream"] = 400
    with pytest.raises(RefusedByTargetError, match="does not show all that was sent of trial 0"):
        send(target, exported_trial(0))
    server.refused = {"upsertBucket": 403}
    with pytest.raises(RefusedByTargetError, match="W&B refused"):
        send(target, exported_trial(0))
    server.refused = {}
    send(target, exported_trial(0))
    assert run_of(server, 0).state == "finished"


def test_a_server_that_is_away_is_found_again(server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb_target, "_BEGIN_S", 2)
    monkeypatch.setattr(wandb_target, "_END_S", 2)
    target = open_target()
    send(target, exported_trial(0), running(exported_trial(1), 1))
    server.stop()
    for trial in (exported_trial(1), exported_trial(2)):  # one that was begun, and one that was not
        with pytest.raises(TargetAwayError, match="does not answer well"):
            send(target, trial)
    target.forget()
    with pytest.raises(TargetAwayError):
        target.open(describe_study(STUDY, None), JOB)
    server.start()
    target.open(describe_study(STUDY, None), JOB)
    send(target, exported_trial(1), exported_trial(2))
    assert [run.state for run in server.runs.values()] == ["finished"] * 3


def test_who_is_not_logged_in_is_told_how(server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "local-" + "b" * 40)
    with pytest.raises(InputError, match="does not let us in") as raised:
        open_target()
    assert "WANDB_API_KEY" in str(raised.value.hint)
    assert "bbbb" not in f"{raised.value} {raised.value.hint}"


def test_the_files_of_a_final_training_are_a_model(server: WandbServer, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "model.pt").write_bytes(b"12345")
    (tmp_path / "sub" / "words.txt").write_bytes(b"one")
    final = exported_trial(0, **final_training(tmp_path, {"model.pt": 5, "sub/words.txt": 3}))
    for most_bytes in (0, 7, 8, 8):
        send(open_target(most_bytes=most_bytes), final)
        left_out = run_of(server, 0).config["hpotool"].get("artifacts_left_out")
        assert left_out == ("8B are more than 7B" if most_bytes == 7 else None)
    assert list(server.artifacts.values()) == [{"model.pt": b"12345", "sub/words.txt": b"one"}]
    assert run_of(server, 0).fields["displayName"] == "final_model"
    assert run_of(server, 0).config["hpotool"]["point"] == "trial 12"


def test_offline_each_trial_is_a_folder_that_wandb_sync_sends(
    server: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    trials = [exported_trial(0), exported_trial(1, values={"loss": math.nan}, steps={"loss": {0: math.inf}})]
    for _ in range(2):
        target = open_target("digits")
        send(target, running(exported_trial(2), 1), *trials)
        target.close()
    folders = sorted((tmp_path / "wandb").iterdir())
    assert [folder.name for folder in folders] == [
        f"offline-run-20260102_03040{5 + number}-{ID}-{number}" for number in (0, 1)
    ]
    times = [path.stat().st_mtime_ns for path in (tmp_path / "wandb").rglob("*.wandb")]
    send(open_target("digits"), *trials)
    assert [path.stat().st_mtime_ns for path in (tmp_path / "wandb").rglob("*.wandb")] == times
    assert server.runs == {}

    own = ("WANDB_MODE", "WANDB_SERVICE")  # of this process
    environment = {name: value for name, value in os.environ.items() if name not in own}
    words = [sys.executable, "-m", "wandb", "sync", *map(str, folders)]
    subprocess.run(words, env=environment, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    assert [run.state for run in server.runs.values()] == ["finished"] * 2
    assert [row["steps/loss"] for row in run_of(server, 0).history] == [3.0, 2.0, 0.25]
    assert run_of(server, 1).summary["loss"] == "NaN"
    assert run_of(server, 1).history == [{"steps/loss": math.inf, "_step": 0}]
    assert run_of(server, 0).fields["groupName"] == "digits"

    send(open_target("digits"), exported_trial(0, attributes={"later": "a note"}))  # it is not what is there
    assert sorted((tmp_path / "wandb").glob("offline-run-*")) == folders
    assert len(list((tmp_path / "wandb").rglob("*.synced"))) == 1  # `wandb sync` sends the other one again


def test_a_run_of_the_surroundings_is_not_taken_for_the_trials(
    server: WandbServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "mine")
    monkeypatch.setenv("WANDB_RUN_GROUP", "ours")
    monkeypatch.setenv("WANDB_TAGS", "theirs")
    send(open_target(f"{server.address}/team/digits"), exported_trial(0))
    assert list(server.runs) == [f"{ID}-0"]
    assert run_of(server, 0).fields["groupName"] == "digits"
    assert run_of(server, 0).fields["entity"] == "team"
    assert capsys.readouterr().out == ""


def test_a_library_that_is_missing_is_said_even_where_a_folder_of_runs_has_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "wandb").mkdir()
    for missing in (None, types.ModuleType("wandb")):  # what an import finds then: nothing, or a folder
        monkeypatch.setitem(sys.modules, "wandb", missing)
        with pytest.raises(InputError, match="W&B is not installed here") as raised:
            WandbTarget("ann/digits")
        assert raised.value.hint == "pip install 'hpotool[wandb]'"


def test_only_so_many_trials_are_shown_while_they_run(
    server: WandbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb_target, "_MOST_OPEN", 2)
    target = open_target()
    trials = [exported_trial(number) for number in range(3)]
    send(target, *(running(trial, 1) for trial in trials))
    assert sorted(server.runs) == [f"{ID}-0", f"{ID}-1"]
    send(target, *trials)
    assert [run.state for run in server.runs.values()] == ["finished"] * 3
    assert [run.begun for run in server.runs.values()] == [1] * 3


def test_files_are_left_out_offline_and_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    (tmp_path / "model.pt").write_bytes(b"12345")
    send(open_target(most_bytes=10), exported_trial(0, **final_training(tmp_path, {"model.pt": 5})))
    [file] = (tmp_path / "wandb").rglob("*.wandb")
    records = list(read_records(file))
    assert records[-1].WhichOneof("record_type") == "exit"
    assert any("WANDB_MODE is offline" in str(record) for record in records)


def test_a_folder_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "file"))
    with pytest.raises(TargetAwayError, match="cannot be used"):
        open_target()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("digits", Place("digits")),
        ("ann/digits/", Place("digits", "ann")),
        ("https://wandb.ai/ann/digits", Place("digits", "ann", "https://api.wandb.ai")),
        (
            "https://forge.coreweave.com/wandb/ann/digits",
            Place("digits", "ann", "https://api.forge.coreweave.com"),
        ),
        ("http://10.0.0.1:8080/ann/digits", Place("digits", "ann", "http://10.0.0.1:8080")),
    ],
)
def test_an_address_says_whose_project_it_is_and_where(address: str, expected: Place) -> None:
    assert Place.parse(address) == expected


def test_nothing_is_left_in_the_folder_for_temporary_files(
    server: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    target = open_target()
    send(target, exported_trial(0), running(exported_trial(1), 1))
    assert len(list(tmp_path.glob("hpotool-wandb-*/*"))) == 1  # of the trial that runs
    target.close()
    WandbTarget("ann/digits")  # whose job another process turned out to have
    gc.collect()
    assert list(tmp_path.glob("hpotool-wandb-*")) == []
