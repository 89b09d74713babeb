"""What a trial comes from, and whose result it has, as whoever gets the study outside of hpotool reads it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from hpotool.tracking.targets.wandb_file import read_records
from tests.acceptance.command_line import CommandLine
from tests.acceptance.test_lineage import commit
from tests.mlflow_server import MlflowServer

MODULE = """
import pathlib

def train(trial):
    x = trial.suggest_float("x", 0, 1)
    trial.report(x, 0)
    trial.report(x, 1)
    return x + len(pathlib.Path("data/rows.csv").read_text())
"""
STUDY = """
study: NAME
objective: {python: "mine:train"}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
sampler: {name: random, seed: 3}
budget: {trials: TRIALS}
data: [data/rows.csv]
reuse: true
"""
IMAGE = "registry.example.org/churn:7"


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> CommandLine:
    """Study `second` has two trials of study `first`, and one of its own, which saw other data."""
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "mine.py").write_text(MODULE)
    (folder / "data" / "rows.csv").write_text("1")
    commit(folder)
    environment = {"HPOTOOL_HOME": str(tmp_path / "home"), "HPOTOOL_IMAGE": IMAGE, "WANDB_MODE": "offline"}
    line = CommandLine(database_url, folder, {**environment, "WANDB_DIR": str(tmp_path)})
    for name in ("first", "second"):
        (tmp_path / "study.yaml").write_text(STUDY.replace("NAME", name).replace("TRIALS", "2"))
        line.run("create-study", str(tmp_path / "study.yaml"))
        line.run("worker", name)
    (folder / "data" / "rows.csv").write_text("22")
    (folder / "mine.py").write_text(MODULE + "\n")
    line.run("budget", "second", "--trials", "3")
    line.run("worker", "second")
    return line


@pytest.fixture
def expected(here: CommandLine) -> dict[int, dict[str, str]]:
    """What `show --lineage` says of each trial of `second`, under the names of exports."""
    found: dict[int, dict[str, str]] = {}
    for origin in here.json("show", "--study", "second", "--lineage")["origins"]:
        for number in origin["trials"]:
            found[number] = {
                "code": origin["hashes"]["code"],
                "commit": origin["code"]["commit"],
                "data": origin["hashes"]["data"],
                "path": origin["data"]["data/rows.csv"]["hash"][:16],
                "environment": origin["hashes"]["environment"],
                "changes": origin["code"]["changes"],
            }
    assert found[0] == found[1]
    assert {name for name in found[2] if found[2][name] != found[0][name]} == {"code", "data", "path", "changes"}
    return found


def test_exported_files_say_what_a_trial_comes_from(
    here: CommandLine, expected: dict[int, dict[str, str]], tmp_path: Path
) -> None:
    assert _read_json(here, tmp_path) == _read_csv(here, tmp_path) == _read_parquet(here, tmp_path)
    rows = _read_json(here, tmp_path)
    _check_row(rows[2], expected[2], None)
    assert (rows[2]["lineage_changes"], rows[2]["lineage_image"]) == (expected[2]["changes"], IMAGE)
    assert rows[2]["lineage_environment"] == expected[2]["environment"]
    for number in (0, 1):
        _check_row(rows[number], expected[number], number)
        assert not rows[number]["lineage_environment"], "it ran in another one, which is not looked up"
    steps = list(csv.DictReader(here.run("export", "trials", "--study", "second", "--steps").stdout.splitlines()))
    assert [(row["number"], row["step"]) for row in steps] == [
        (str(n), str(s)) for n in range(3) for s in range(2)
    ]
    for row in steps:
        number = int(row["number"])
        _check_row(row, expected[number], None if number == 2 else number)


def _check_row(row: dict[str, Any], expected: dict[str, str], reused: int | None) -> None:
    assert (row["lineage_code"], row["lineage_commit"]) == (expected["code"], expected["commit"])
    assert row["lineage_data"] == expected["data"]
    assert json.loads(row["lineage_data_hashes"]) == {"data/rows.csv": expected["path"]}
    where = (row["reused_study"], row["reused_trial"])
    assert where == (("", "") if reused is None else ("first", str(reused)))


def _read_json(here: CommandLine, folder: Path) -> list[dict[str, str]]:
    here.run("export", "trials", "--study", "second", "-o", str(folder / "t.json"))
    return [_texts(row) for row in json.loads((folder / "t.json").read_text())]


def _read_csv(here: CommandLine, folder: Path) -> list[dict[str, str]]:
    here.run("export", "trials", "--study", "second", "-o", str(folder / "t.csv"))
    return [_texts(row) for row in csv.DictReader((folder / "t.csv").read_text().splitlines())]


def _read_parquet(here: CommandLine, folder: Path) -> list[dict[str, str]]:
    here.run("export", "trials", "--study", "second", "-o", str(folder / "t.parquet"))
    return [_texts(row) for row in pyarrow.parquet.read_table(folder / "t.parquet").to_pylist()]


def _texts(row: dict[str, Any]) -> dict[str, str]:
    return {
        name: "" if value is None else str(value)
        for name, value in row.items()
        if name.startswith(("lineage_", "reused_"))
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MlflowServer]:
    (tmp_path / "server").mkdir()
    server = MlflowServer(tmp_path / "server")
    server.start()
    yield server
    server.kill()


@pytest.mark.timeout(600)
def test_trackers_say_what_a_trial_comes_from(
    here: CommandLine, expected: dict[int, dict[str, str]], server: MlflowServer, tmp_path: Path
) -> None:
    for tracker, address in (("mlflow", server.address), ("tensorboard", str(tmp_path)), ("wandb", "digits")):
        here.run("track", "second", "--to", tracker, "--address", address, "--once")
    for read in (_read_mlflow(server), _read_wandb(tmp_path), _read_tensorboard(tmp_path)):
        assert sorted(read) == [0, 1, 2]
        for number, tags in read.items():
            own = {name: tags.get(name) for name in ("code", "commit", "data", "changes")}
            assert own == {name: expected[number][name] for name in own}
            assert tags["data.data/rows.csv"] == expected[number]["path"]
            assert tags.get("image") == (IMAGE if number == 2 else None)
            assert tags.get("environment") == (expected[2]["environment"] if number == 2 else None)
            where = (tags.get("reused_study"), tags.get("reused_trial"))
            assert where == ((None, None) if number == 2 else ("first", str(number)))


def _read_mlflow(server: MlflowServer) -> dict[int, dict[str, str]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(server.address)
    runs = client.search_runs([client.get_experiment_by_name("second").experiment_id])
    found = {}
    for run in runs:
        if run.data.tags["hpotool.kind"] == "trial":
            tags = _own(run.data.tags)
            assert run.data.tags["mlflow.source.git.commit"] == tags["commit"]
            found[int(tags["trial"])] = tags
    return found


def _read_wandb(folder: Path) -> dict[int, dict[str, str]]:
    found = {}
    for path in (folder / "wandb").glob("offline-run-*/*.wandb"):
        config: dict[str, Any] = {}
        for record in read_records(path):
            updates = [*record.run.config.update, *record.config.update]
            config |= {update.key: json.loads(update.value_json) for update in updates if update.key == "hpotool"}
        found[int(config["hpotool"]["trial"])] = config["hpotool"]
    return found


def _read_tensorboard(folder: Path) -> dict[int, dict[str, str]]:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = {}
    for path in (folder / "second").glob("trial-*"):
        accumulator = accumulators.EventAccumulator(str(path))
        accumulator.Reload()
        text = accumulator.Tensors("trial/text_summary")[0].tensor_proto.string_val[0].decode()
        cells = [line.strip("| ").split(" | ", 1) for line in text.splitlines()[2:]]
        tags = _own(dict(cells))
        found[int(tags["trial"])] = tags
    return found


def _own(tags: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix("hpotool."): value for name, value in tags.items() if name.startswith("hpotool.")}
