"""A study of four workers in a real MLflow server, whatever is killed, as MLflow's own client reads it."""

import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.command_line import CommandLine, wait_until
from tests.acceptance.test_main_job import load_with_optuna
from tests.mlflow_server import MlflowServer
from tests.unwilling_proxy import unwilling_proxy
from tests.wandb_server import KEY, WandbServer

# It waits at two trials for the test; some trials fail, some are pruned, and some are killed once and tried again.
OBJECTIVE = """
import os, signal, time
from pathlib import Path
import optuna

FOLDER = Path(__file__).parent

def objective(trial):
    x = trial.suggest_float("x", -1.0, 1.0)
    kind = trial.suggest_categorical("the kind %", ["a", "b"])
    for name, number in (("first", 60), ("second", 120)):
        while trial.number >= number and not (FOLDER / name).exists():
            time.sleep(0.05)
    for step in range(4):
        trial.report(x * x + 4 - step, step)
    if trial.number % 10 == 3:
        raise ValueError("every tenth fails")
    if trial.number % 10 == 5:
        raise optuna.TrialPruned
    if trial.number % 40 == 17:
        os.kill(os.getpid(), signal.SIGKILL)
    trial.set_user_attr("size", 12)
    return x * x
"""
WITH_A_MODEL = """
from pathlib import Path
import hpotool

def objective(trial):
    x = trial.suggest_float("x", -1.0, 1.0)
    trial.report(x * x, 0)
    Path("model.txt").write_text("weights")
    hpotool.log_artifact("model.txt")
    return x * x
"""
STUDY = """
study: tracked
objective: {{python: "tracked_objective:objective"}}
metrics: {{loss: minimize}}
budget: {{trials: {trials}}}
tags: {{owner: ann}}
tracking: {{mlflow: "{address}", tensorboard: "{folder}"}}
"""
# Long enough for processes that a busy machine keeps waiting.
PULSE = {"HPOTOOL_HEARTBEAT_INTERVAL_S": "1", "HPOTOOL_GRACE_PERIOD_S": "8"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MlflowServer]:
    (tmp_path / "server").mkdir()
    server = MlflowServer(tmp_path / "server")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def command_line(study_database_url: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "tracked_objective.py").write_text(OBJECTIVE)
    return CommandLine(study_database_url, tmp_path, {**PULSE, "PYTHONPATH": str(tmp_path)})


def arrived(command_line: CommandLine, tracker: str = "mlflow") -> int:
    jobs = {job["to"].split()[0]: job for job in command_line.json("track", "tracked", "--status")}
    return int(jobs[tracker]["arrived"]) if tracker in jobs else 0


def finished(command_line: CommandLine) -> int:
    return int(command_line.json("status", "tracked")["budget"]["finished"])


def exporters(parent: int, tracker: str) -> list[psutil.Process]:
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        try:
            words = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if "track" in words and tracker in words:
            found.append(process)
    return found


def export(command_line: CommandLine, folder: Path, tracker: str) -> None:
    """Send what is there, however long a busy machine takes for it, and once a killed export's hold is over."""
    said = "another process does this already"
    while "another process does this already" in said:
        with command_line.start("track", "tracked", "--to", tracker, "--once", log=folder / "export") as exporter:
            wait_until(lambda: exporter.poll() is not None, "everything is sent", 400)
        said = (folder / "export").read_text()
    assert exporter.returncode == 0, said


@pytest.mark.timeout(1200)
def test_nothing_is_missing_and_nothing_is_there_twice(
    command_line: CommandLine, server: MlflowServer, tmp_path: Path, study_database_url: str
) -> None:
    study_file = tmp_path / "study.yaml"
    study_file.write_text(STUDY.format(trials=200, address=server.address, folder=tmp_path / "runs"))
    command_line.run("create-study", str(study_file))
    with command_line.start(
        "worker", "tracked", "--gpu", "none", "--workers", "4", log=tmp_path / "log"
    ) as workers:
        wait_until(lambda: arrived(command_line) >= 10, "some trials arrived", 300)
        for tracker in ("mlflow", "tensorboard"):
            [exporter] = exporters(workers.pid, tracker)
            exporter.kill()
        wait_until(lambda: arrived(command_line) >= 40, "another exporter goes on", 300)
        server.kill()
        (tmp_path / "first").touch()
        wait_until(lambda: finished(command_line) >= 100, "trials go on without the server", 300)
        server.start()
        (tmp_path / "second").touch()
        wait_until(lambda: workers.poll() is not None, "the workers leave", 400)
    for tracker in ("mlflow", "tensorboard"):
        export(command_line, tmp_path, tracker)
        [job] = [job for job in command_line.json("track", "tracked", "--status") if job["to"].startswith(tracker)]
        assert (job["missing"], job["refused"], job["trouble"]) == (0, [], None)

    trials = load_with_optuna(study_database_url, "tracked").trials
    check_mlflow(server.address, trials)
    assert sorted(path.parent.name for path in tmp_path.glob("runs/tracked/*/*tfevents*")) == [
        f"trial-{trial.number:05d}" for trial in trials
    ]


def check_mlflow(address: str, trials: list[Any]) -> None:
    """Every trial is one run below the study's, in order, with its state, values, steps and lineage."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("tracked").experiment_id
    runs = client.search_runs([experiment], order_by=["attributes.start_time ASC"], max_results=1000)
    [study] = [run for run in runs if run.data.tags["hpotool.kind"] == "study"]
    runs = [run for run in runs if run.data.tags["hpotool.kind"] == "trial"]
    by_number = {int(run.data.tags["hpotool.trial"]): run for run in runs}
    assert len(runs) == len(by_number) == len(trials)
    begun = sorted(trials, key=lambda trial: trial.datetime_start)
    assert [run.info.start_time for run in runs] == [
        int(trial.datetime_start.timestamp() * 1000) for trial in begun
    ]
    assert study.info.status == "FINISHED"
    assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {study.info.run_id}

    states = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
    assert [by_number[trial.number].info.status for trial in trials] == [
        states[trial.state.name] for trial in trials
    ]
    outcomes = Counter(run.data.tags["hpotool.outcome"] for run in runs)
    assert set(outcomes) == {"complete", "pruned", "error", "crash"}
    assert outcomes["complete"] + outcomes["pruned"] == 200
    for trial in trials:
        run = by_number[trial.number]
        assert float(run.data.params["x"]) == trial.params["x"]
        assert len(run.data.params) == 2
        assert run.data.metrics.get("loss") == (trial.values[0] if trial.state.name == "COMPLETE" else None)
        assert run.data.tags["owner"] == "ann"
        history = trial.system_attrs.get("retry_history", [])
        assert run.data.tags.get("hpotool.retry_of") == (str(history[-1]) if history else None)
    for trial in trials[::20]:
        steps = client.get_metric_history(by_number[trial.number].info.run_id, "steps/loss")
        assert {step.step: step.value for step in steps} == trial.intermediate_values
        assert len(steps) == len(trial.intermediate_values)
    assert any(run.data.tags.get("hpotool.retry_of") for run in runs), "none was tried again"
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    assert len(client.get_metric_history(study.info.run_id, "loss")) == len(complete)


@pytest.mark.timeout(900)
def test_a_slow_server_that_fails_now_and_then_gets_every_trial_once(
    command_line: CommandLine, server: MlflowServer, tmp_path: Path
) -> None:
    """It has done what it was asked each time, and says that it has not."""
    code = OBJECTIVE.replace("range(4)", "range(900)").replace(
        "x * x + 4 - step", 'float("nan") if step == 3 else step'
    )
    (tmp_path / "tracked_objective.py").write_text(code)
    study = STUDY.replace("tracking:", "#")
    (tmp_path / "study.yaml").write_text(study.format(trials=6, address="", folder=""))
    command_line.run("create-study", str(tmp_path / "study.yaml"))
    command_line.run("worker", "tracked", "--gpu", "none")
    with (
        unwilling_proxy(server.address, delay_s=0.1, fails_every=9) as address,
        command_line.start(
            "track", "tracked", "--to", "mlflow", "--once", "--address", address, log=tmp_path / "log"
        ) as exporter,
    ):
        wait_until(lambda: exporter.poll() is not None, "everything is sent", 600)
    assert exporter.returncode == 0, (tmp_path / "log").read_text()
    assert "it is tried again until it works" in (tmp_path / "log").read_text()

    from mlflow.tracking import MlflowClient

    client = MlflowClient(server.address)
    runs = client.search_runs([client.get_experiment_by_name("tracked").experiment_id])
    trials = [run for run in runs if run.data.tags["hpotool.kind"] == "trial"]
    assert sorted(int(run.data.tags["hpotool.trial"]) for run in trials) == list(range(len(trials)))
    assert len(runs) == len(trials) + 1
    assert {run.info.status for run in trials} == {"FINISHED", "FAILED", "KILLED"}
    for run in trials[:3]:
        assert len(client.get_metric_history(run.info.run_id, "steps/loss")) == 900


@pytest.mark.timeout(900)
def test_a_final_training_is_a_registered_model_even_if_the_server_was_away(
    command_line: CommandLine, server: MlflowServer, tmp_path: Path
) -> None:
    (tmp_path / "tracked_objective.py").write_text(WITH_A_MODEL)
    text = STUDY.replace("tensorboard:", "model: digits, artifacts: 1MB, tensorboard:")
    (tmp_path / "study.yaml").write_text(text.format(trials=2, address=server.address, folder=tmp_path / "runs"))
    command_line.run("create-study", str(tmp_path / "study.yaml"))
    command_line.run("worker", "tracked", "--gpu", "none")
    server.kill()
    command_line.run("run", "--study", "tracked", "--trial", "1", "--final", "--gpu", "none")
    server.start()
    for _ in range(2):
        export(command_line, tmp_path, "mlflow")
        command_line.run("track", "tracked", "--to", "mlflow", "--once", "--again")

    from mlflow.tracking import MlflowClient

    client = MlflowClient(server.address)
    [version] = client.search_model_versions("name = 'digits'")
    run = client.get_run(version.run_id)
    assert (run.info.run_name, run.info.status) == ("final_model", "FINISHED")
    assert run.data.tags["hpotool.point"] == "trial 1"
    assert (version.tags["hpotool.study"], version.tags["owner"]) == ("tracked", "ann")
    assert (
        Path(client.download_artifacts(run.info.run_id, "model/model.txt", str(tmp_path))).read_text() == "weights"
    )
    [study] = client.search_runs(run.info.experiment_id, "tags.`hpotool.kind` = 'study'")
    assert run.data.tags["mlflow.parentRunId"] == study.info.run_id
    assert len(client.get_metric_history(study.info.run_id, "loss")) == 2  # the search's own


@pytest.mark.timeout(900)
def test_wandb_gets_every_trial_once_whatever_is_killed(study_database_url: str, tmp_path: Path) -> None:
    """With W&B's client in the export's process, and a stand-in for its server."""
    (tmp_path / "tracked_objective.py").write_text(OBJECTIVE.replace("60", "12").replace("120", "20"))
    server = WandbServer()
    server.start()
    line = CommandLine(study_database_url, tmp_path, {**PULSE, "PYTHONPATH": str(tmp_path), "WANDB_API_KEY": KEY})
    study = STUDY.replace("tensorboard:", "wandb:").replace('mlflow: "{address}", ', "")
    (tmp_path / "study.yaml").write_text(study.format(trials=30, folder=f"{server.address}/ann/digits"))
    line.run("create-study", str(tmp_path / "study.yaml"))
    with line.start("worker", "tracked", "--gpu", "none", "--workers", "4", log=tmp_path / "log") as workers:
        wait_until(lambda: arrived(line, "wandb") >= 4, "some trials arrived", 300)
        [exporter] = exporters(workers.pid, "wandb")
        exporter.kill()
        server.stop()
        (tmp_path / "first").touch()
        (tmp_path / "second").touch()
        wait_until(lambda: finished(line) >= 20, "trials go on without the server", 300)
        server.start()
        wait_until(lambda: workers.poll() is not None, "the workers leave", 400)
    export(line, tmp_path, "wandb")
    [job] = line.json("track", "tracked", "--status")
    assert (job["missing"], job["refused"], job["trouble"]) == (0, [], None)

    trials = load_with_optuna(study_database_url, "tracked").trials
    runs = {int(run.config["hpotool"]["trial"]): run for run in server.runs.values()}
    assert len(runs) == len(server.runs) == len(trials)
    states = {"COMPLETE": "finished", "PRUNED": "finished", "FAIL": "failed"}
    assert [runs[trial.number].state for trial in trials] == [states[trial.state.name] for trial in trials]
    for trial in trials:
        run = runs[trial.number]
        assert {row["_step"]: row["steps/loss"] for row in run.history} == trial.intermediate_values
        assert run.config["x"] == trial.params["x"]
        assert run.fields["groupName"] == "tracked"
        history = trial.system_attrs.get("retry_history", [])
        assert run.config["hpotool"].get("retry_of") == (str(history[-1]) if history else None)


def test_an_export_by_hand_waits_for_the_server_and_is_interrupted_well(
    command_line: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "study.yaml").write_text(
        STUDY.format(trials=3, address="http://127.0.0.1:9", folder=tmp_path / "runs")
    )
    command_line.run("create-study", str(tmp_path / "study.yaml"))
    with command_line.start("track", "tracked", "--to", "mlflow", log=tmp_path / "log") as exporter:
        wait_until(lambda: "it is tried again until it works" in (tmp_path / "log").read_text(), "it waits", 120)
        assert "does not answer" in command_line.json("track", "tracked", "--status")[0]["trouble"]
        taken = command_line.run("track", "tracked", "--to", "mlflow", code=1)
        assert "another process does this already" in taken.stderr
        exporter.send_signal(signal.SIGINT)
        wait_until(lambda: exporter.poll() is not None, "it leaves")
        assert exporter.returncode == 130
    assert re.search(
        r"0 trials sent to mlflow; continue with: hpotool track --study tracked --to mlflow$",
        (tmp_path / "log").read_text().strip(),
    )


def test_a_worker_without_the_trackers_library_works_all_the_same(
    command_line: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "mlflow.py").write_text("raise ImportError('not here')\n")  # comes before the installed one
    (tmp_path / "study.yaml").write_text(
        STUDY.format(trials=3, address="http://127.0.0.1:9", folder=tmp_path / "runs")
    )
    command_line.run("create-study", str(tmp_path / "study.yaml"))
    done = command_line.run("worker", "tracked", "--gpu", "none")
    assert "the study is done" in done.stderr
    assert "mlflow http://127.0.0.1:9" in done.stderr
    assert arrived(command_line, "tensorboard") >= 3
    by_hand = command_line.run("track", "tracked", "--to", "mlflow", code=2)
    assert "hint: pip install 'hpotool[mlflow]'" in by_hand.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "mlflow", "--address", "http://a:secret@b"], "must hold no password"),
        (["--to", "neptune"], "is not one of mlflow, tensorboard, wandb"),
        (["--to", "wandb"], "neither --address nor the study says where wandb is"),
        ([], "no tracker was given"),
    ],
)
def test_bad_input_is_said_and_nothing_is_sent(
    command_line: CommandLine, tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "study.yaml").write_text(
        STUDY.format(trials=3, address="http://127.0.0.1:9", folder=tmp_path / "runs")
    )
    command_line.run("create-study", str(tmp_path / "study.yaml"))
    assert said in command_line.run("track", "tracked", *words, code=2).stderr
