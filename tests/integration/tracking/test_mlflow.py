"""On a real MLflow store in a file; a server has the same one behind it (tests/acceptance/test_tracking.py)."""

import math
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpotool.errors import InputError
from hpotool.storage.tracking.exported import ExportedTrial
from hpotool.tracking.targets.mlflow import MlflowTarget
from hpotool.tracking.targets.target import RefusedByTargetError, TargetAwayError
from hpotool.tracking.tracked_run import describe_study, describe_trial, values_by_trial
from tests.tracked import exported_study, exported_trial, final_training

pytest.importorskip("mlflow")
STUDY = exported_study("tags: {owner: ann}\n")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("mlflow"))
        yield "sqlite:///mlflow.db"


@pytest.fixture
def experiment() -> str:
    return f"digits {uuid.uuid4().hex}"


def open_target(
    address: str, experiment: str, job_id: str = "job-1", most_bytes: int = 0, model: str | None = None
) -> MlflowTarget:
    target = MlflowTarget(address, experiment, most_bytes, model)
    target.open(describe_study(STUDY, None), job_id)
    return target


def send(target: MlflowTarget, *trials: ExportedTrial) -> None:
    for trial in trials:
        target.send(describe_trial(STUDY, trial))


def read_back(address: str, experiment: str) -> tuple[Any, dict[int, Any]]:
    """MLflow's client, and its runs by trial; the study's own is -1. No two are of one trial."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(address)
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    by_trial = {int(run.data.tags.get("hpotool.trial", -1)): run for run in runs}
    assert len(by_trial) == len(runs)
    return client, by_trial


def test_what_is_sent_twice_by_two_processes_is_there_once(address: str, experiment: str) -> None:
    many = {step: step / 7 for step in range(1200)}
    trials = [
        exported_trial(0),
        exported_trial(
            1, state="FAIL", values={}, attempts=({**exported_trial().attempts[0], "outcome": "error"},)
        ),
        exported_trial(2, values={"loss": math.inf}, steps={"loss": {0: math.nan, 1: -math.inf}}, lineage=(1,)),
        exported_trial(3, params={"../lr %": 1.5, "text": "x" * 9000}, steps={"loss": many}),
        exported_trial(
            4, params={f"p{i}": i for i in range(250)}, attributes={f"a{i}": "y" * 9000 for i in range(150)}
        ),
    ]
    for _ in range(2):
        target = open_target(address, experiment)
        send(target, *trials)
        points = tuple(point for trial in trials for point in values_by_trial(trial))
        target.send_study(describe_study(replace(STUDY, state="done"), trials[0].ended), points)
    client, runs = read_back(address, experiment)

    assert {number: run.info.status for number, run in runs.items()} == {
        -1: "FINISHED", 0: "FINISHED", 1: "FAILED", 2: "FINISHED", 3: "FINISHED", 4: "FINISHED"
    }  # fmt: skip
    assert {run.data.tags["mlflow.parentRunId"] for number, run in runs.items() if number >= 0} == {
        runs[-1].info.run_id
    }
    assert runs[2].data.tags["hpotool.retry_of"] == "1"
    assert all(run.data.tags["owner"] == "ann" for run in runs.values())
    assert runs[0].info.start_time < runs[1].info.start_time < runs[2].info.start_time
    history = {n: client.get_metric_history(run.info.run_id, "steps/loss") for n, run in runs.items()}
    assert [(metric.step, metric.value) for metric in history[0]] == [(0, 3.0), (1, 2.0), (2, 0.25)]
    assert sorted((metric.step, metric.value) for metric in history[3]) == sorted(many.items())
    assert [math.isnan(metric.value) for metric in history[2]] == [True, False]
    assert runs[2].data.metrics["loss"] > 1e308  # as MLflow keeps an infinity
    assert len(runs[3].data.params["text"]) == 6000
    assert len(runs[4].data.params) == 250
    assert len(client.get_metric_history(runs[-1].info.run_id, "loss")) == 4


def test_a_running_trial_grows_and_ends_in_one_run(address: str, experiment: str) -> None:
    whole = exported_trial(0)
    target = open_target(address, experiment)
    for count in (0, 1, 3):
        steps = {"loss": dict(list(whole.steps["loss"].items())[:count])}
        send(target, replace(whole, state="RUNNING", ended=None, values={}, steps=steps, attempts=()))
        client, runs = read_back(address, experiment)
        assert runs[0].info.status == "RUNNING"
        assert len(client.get_metric_history(runs[0].info.run_id, "steps/loss")) == count
    send(open_target(address, experiment), whole)  # by another process, which remembers nothing
    client, runs = read_back(address, experiment)
    assert runs[0].info.status == "FINISHED"
    assert len(client.get_metric_history(runs[0].info.run_id, "steps/loss")) == 3
    assert runs[0].data.tags["hpotool.outcome"] == "complete"


def test_a_running_trial_that_has_nothing_new_costs_no_request(
    address: str, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = exported_trial(0)
    running = replace(whole, state="RUNNING", ended=None, values={}, steps={}, params={}, attempts=())
    target = open_target(address, experiment)
    calls: list[str] = []
    real = target._client.log_batch
    monkeypatch.setattr(
        target._client, "log_batch", lambda run_id, *what: (calls.append(run_id), real(run_id, *what))
    )
    send(target, running, running)
    assert len(calls) == 1
    send(target, replace(running, params={"lr": 0.1}), replace(running, params={"lr": 0.1}))
    assert len(calls) == 2  # an objective may suggest while it runs
    send(target, replace(running, params={"lr": 0.1}, steps={"loss": {0: 3.0}}))
    send(target, whole)
    assert read_back(address, experiment)[1][0].data.params == {"lr": "0.1", "kind": "b"}


def test_a_study_that_goes_on_is_a_run_that_goes_on(address: str, experiment: str) -> None:
    target = open_target(address, experiment)
    for state, status in (
        ("running", "RUNNING"),
        ("stopped", "KILLED"),
        ("running", "RUNNING"),
        ("done", "FINISHED"),
    ):
        target.send_study(describe_study(replace(STUDY, state=state), exported_trial().ended), ())
        assert read_back(address, experiment)[1][-1].info.status == status


def test_a_run_that_was_made_twice_is_one_after_the_next_look(address: str, experiment: str) -> None:
    """A server that is slow may hear a request that was taken for lost."""
    first, second = open_target(address, experiment), open_target(address, experiment)
    send(first, exported_trial(0))
    second._blocks.add(0)  # it has looked before the first one was heard
    send(second, exported_trial(0))
    first.forget()
    send(first, exported_trial(0), exported_trial(1))
    assert sorted(read_back(address, experiment)[1]) == [-1, 0, 1]


def test_what_somebody_deleted_in_mlflow_is_made_anew(address: str, experiment: str) -> None:
    target = open_target(address, experiment)
    send(target, exported_trial(0), exported_trial(1))
    client, runs = read_back(address, experiment)
    client.delete_run(runs[0].info.run_id)
    client.delete_run(runs[-1].info.run_id)
    with pytest.raises(RefusedByTargetError):
        send(target, exported_trial(0))
    send(target, exported_trial(0))
    with pytest.raises(TargetAwayError):
        target.send_study(describe_study(STUDY, None), ())
    target.forget()
    target.open(describe_study(STUDY, None), "job-1")
    target.send_study(describe_study(STUDY, None), ())
    assert sorted(read_back(address, experiment)[1]) == [-1, 0, 1]


def test_a_renamed_study_that_names_no_experiment_stays_where_it_began(address: str) -> None:
    first, second = f"first {uuid.uuid4().hex}", f"second {uuid.uuid4().hex}"
    for number, name in enumerate((first, second)):
        target = MlflowTarget(address, None)
        target.open(describe_study(replace(STUDY, name=name), None), "job-7")
        send(target, exported_trial(number))
    client, runs = read_back(address, first)
    assert sorted(runs) == [-1, 0, 1]
    assert client.get_experiment_by_name(second) is None
    another = MlflowTarget(address, None)
    another.open(describe_study(replace(STUDY, name=second), None), "job-8")
    assert client.get_experiment_by_name(second) is not None, "another study is another place"


def test_an_experiment_that_mlflow_does_not_take_is_said_at_once(address: str) -> None:
    with pytest.raises(InputError, match="exceeds the maximum length"):
        open_target(address, "x" * 600)


def test_two_studies_share_an_experiment_and_two_blocks_are_found_again(address: str, experiment: str) -> None:
    for job_id in ("job-1", "job-2", "job-1"):
        send(open_target(address, experiment, job_id), exported_trial(3), exported_trial(503))
    from mlflow.tracking import MlflowClient

    client = MlflowClient(address)
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    assert sorted((run.data.tags["hpotool.job"], run.data.tags.get("hpotool.trial", "")) for run in runs) == [
        ("job-1", ""), ("job-1", "3"), ("job-1", "503"), ("job-2", ""), ("job-2", "3"), ("job-2", "503")
    ]  # fmt: skip


def test_what_mlflow_refuses_is_told_from_a_server_that_is_away(address: str, experiment: str) -> None:
    target = open_target(address, experiment)
    send(target, exported_trial(0))
    with pytest.raises(RefusedByTargetError, match="MLflow refused"):
        send(target, exported_trial(0, params={"lr": "another"}))
    with pytest.raises(TargetAwayError, match="does not answer"):
        open_target("http://127.0.0.1:9", experiment)


def test_an_experiment_that_somebody_deleted_is_not_used(address: str, experiment: str) -> None:
    client, _ = read_back(address, experiment) if open_target(address, experiment) else (None, None)
    client.delete_experiment(client.get_experiment_by_name(experiment).experiment_id)
    with pytest.raises(InputError, match="was deleted there") as raised:
        open_target(address, experiment)
    assert raised.value.hint is not None
    assert "tracking.experiment" in raised.value.hint


def test_an_experiment_that_is_deleted_meanwhile_refuses_no_trial(address: str, experiment: str) -> None:
    """Else each would count as one that MLflow never takes, and be missing once the experiment is restored."""
    target = open_target(address, experiment)
    send(target, exported_trial(0))
    client, _ = read_back(address, experiment)
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    client.delete_experiment(experiment_id)
    for number in (0, 1):
        with pytest.raises(TargetAwayError, match="deleted"):
            send(target, exported_trial(number))
    client.restore_experiment(experiment_id)
    target.forget()
    send(target, exported_trial(0), exported_trial(1))
    assert sorted(read_back(address, experiment)[1]) == [-1, 0, 1]


def test_nothing_is_written_to_stdout(address: str, experiment: str, capsys: pytest.CaptureFixture[str]) -> None:
    send(open_target(address, experiment), exported_trial(0))
    assert capsys.readouterr().out == ""
    assert Path("mlflow.db").exists()


def test_a_final_training_is_a_model_with_one_version_however_often_it_is_sent(
    address: str, experiment: str, tmp_path: Path
) -> None:
    from mlflow.tracking import MlflowClient

    (tmp_path / "sub").mkdir()
    (tmp_path / "model.pt").write_bytes(b"12345")
    (tmp_path / "sub" / "words.txt").write_bytes(b"one")
    final = final_training(tmp_path, {"model.pt": 5, "sub/words.txt": 3})
    for _ in range(2):
        target = open_target(address, experiment, most_bytes=8, model=experiment)
        send(target, exported_trial(4, **final), exported_trial(5))
    client, runs = read_back(address, experiment)
    run = runs[4]
    assert run.info.run_name == "final_model"
    assert (run.data.tags["hpotool.phase"], run.data.tags["hpotool.point"]) == ("final", "trial 12")
    assert sorted(file.path for file in client.list_artifacts(run.info.run_id, "model")) == [
        "model/model.pt", "model/sub"
    ]  # fmt: skip
    assert (
        Path(client.download_artifacts(run.info.run_id, "model/sub/words.txt", str(tmp_path))).read_text() == "one"
    )
    assert client.list_artifacts(runs[5].info.run_id) == []
    [version] = MlflowClient(address).search_model_versions(f"name = '{experiment}'")
    assert (version.run_id, version.status) == (run.info.run_id, "READY")
    assert (version.tags["hpotool.study"], version.tags["hpotool.trial"]) == ("digits", "4")
    assert version.source.endswith("/model")
    send(open_target(address, experiment, most_bytes=8, model=experiment), exported_trial(6, **final))
    assert len(client.search_model_versions(f"name = '{experiment}'")) == 2


def test_files_that_cannot_be_sent_hold_up_nothing_and_are_said(
    address: str, experiment: str, tmp_path: Path
) -> None:
    (tmp_path / "model.pt").write_bytes(b"12345")
    final = exported_trial(4, **final_training(tmp_path, {"model.pt": 5}))
    send(open_target(address, experiment, most_bytes=4, model=experiment), final)
    client, runs = read_back(address, experiment)
    assert runs[4].info.status == "FINISHED"
    assert runs[4].data.tags["hpotool.artifacts_left_out"] == "5B are more than 4B"
    assert client.search_model_versions(f"name = '{experiment}'") == []

    send(open_target(address, experiment, most_bytes=5, model=experiment), final)
    assert "hpotool.artifacts_left_out" not in read_back(address, experiment)[1][4].data.tags
    assert len(client.search_model_versions(f"name = '{experiment}'")) == 1
