"""An objective's process is a plain Python process: scripts, libraries and snippets run in it unchanged."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import optuna
import pytest

from hpotool.storage.database.url import DatabaseUrl
from tests.acceptance.command_line import PATIENCE_S, ROOT, CommandLine, wait_until

_PATIENCE_S = 240  # some cases start a dozen interpreters that import torch or scikit-learn
CASES = ROOT / "tests" / "cases"


def open_case(hpotool: CommandLine, folder: Path, case: str, **environment: str) -> CommandLine:
    """The command line in a copy of the case's folder, with a home of its own."""
    there = folder / case
    shutil.copytree(CASES / case, there)
    home = {"HPOTOOL_HOME": str(folder / "home"), "OMP_NUM_THREADS": "", **environment}
    return CommandLine(hpotool.url, there, {**hpotool.environment, **home})


def run_case(there: CommandLine, name: str) -> list[dict[str, Any]]:
    """Its trials after one worker has run them all."""
    there.run("create-study", "study.yaml")
    with there.start("worker", "--study", name, "--gpu", "none", log=there.folder / "worker.log") as worker:
        assert worker.wait(_PATIENCE_S) == 0, (there.folder / "worker.log").read_text()
    trials: list[dict[str, Any]] = there.json("trials", "--study", name)
    return trials


def test_what_plain_python_runs_runs_in_an_attempt(hpotool: CommandLine, tmp_path: Path) -> None:
    there = open_case(hpotool, tmp_path, "plain_process", DATA_DIR="/data")
    trials = run_case(there, "plain-process")
    ended = {t["params"]["case"]: (t["outcome"], t["attempts"][-1]["reason"] or "") for t in trials}
    assert ended == dict.fromkeys(ended, ("complete", ""))
    assert len(ended) == 13
    folders = {t["params"]["case"]: checkpoints(tmp_path, "plain-process", t["number"]) for t in trials}
    left = folders["endings"]
    assert {name: (left / name).stat().st_size for name in ("by-executor", "by-thread", "by-process")} == {
        "by-executor": 10_000,
        "by-thread": 10_000,
        "by-process": 10_000,
    }
    assert (left / "order").read_text() == "thread is over"
    assert (left / "left-open").read_text() == "never closed"
    assert (left / "logged").read_text() == "kept in memory\n"
    assert not Path((left / "temporary").read_text()).exists()
    assert Path((left / "opened-at-import").read_text()).read_text() == "written later"
    assert (folders["returns_twice"] / "child").read_text() == "ran to its end"


def test_cloned_estimator_with_callback_is_complete(hpotool: CommandLine, tmp_path: Path) -> None:
    there = open_case(hpotool, tmp_path, "cloned_estimator_with_callback")
    (trial,) = run_case(there, "cloned-estimator-with-callback")
    assert trial["outcome"] == "complete", trial["attempts"]
    assert trial["values"]["accuracy"] > 0.8


def test_argparse_at_import_reads_none_of_our_arguments(hpotool: CommandLine, tmp_path: Path) -> None:
    there = open_case(hpotool, tmp_path, "argparse_at_import")
    for settings in (
        ["objective.python=train:objective"],
        ["objective.python=train_late:objective"],
        ["objective.python=train:objective", "objective.isolation=none"],
        ["objective.python=train_late:objective", "objective.isolation=none"],
    ):
        arguments = [argument for setting in settings for argument in ("--set", setting)]
        assert there.json("check", "study.yaml", "--run", *arguments)["run"]["outcome"] == "complete"


def test_saving_in_a_thread_leaves_the_whole_file(hpotool: CommandLine, tmp_path: Path) -> None:
    there = open_case(hpotool, tmp_path, "saving_in_a_thread")
    (trial,) = run_case(there, "saving-in-a-thread")
    assert (checkpoints(tmp_path, "saving-in-a-thread", trial["number"]) / "model.bin").stat().st_size == 10_000


def test_faq_duplicate_check_finds_the_point_that_was_tried(hpotool: CommandLine, tmp_path: Path) -> None:
    there = open_case(hpotool, tmp_path, "faq_duplicate_check")
    trials = run_case(there, "faq-duplicate-check")
    assert [trial["outcome"] for trial in trials] == ["complete"] * 3
    assert [trial["values"]["loss"] for trial in trials] == [trial["params"]["x"] for trial in trials]


def test_folds_in_forked_processes_report_and_share_their_parameter(hpotool: CommandLine, tmp_path: Path) -> None:
    there = open_case(hpotool, tmp_path, "folds_in_forked_processes")
    (trial,) = run_case(there, "folds-in-forked-processes")
    assert (trial["outcome"], trial["values"]) == ("complete", {"loss": 1.0})
    assert hpotool.url is not None
    storage = optuna.storages.RDBStorage(DatabaseUrl.parse(hpotool.url).sqlalchemy)
    study = optuna.load_study(study_name="folds-in-forked-processes", storage=storage)
    assert len(study.trials[0].intermediate_values) == 450
    storage.engine.dispose()


HANGING = """
import pathlib, time
pathlib.Path("importing").touch()
while True:
    time.sleep(1)
"""


@pytest.mark.parametrize(
    ("number", "name", "code"), [(signal.SIGTERM, "SIGTERM", 75), (signal.SIGINT, "Ctrl-C", 130)]
)
def test_a_worker_leaves_in_the_middle_of_an_import_that_hangs(
    hpotool: CommandLine, tmp_path: Path, number: signal.Signals, name: str, code: int
) -> None:
    there = open_case(hpotool, tmp_path, "faq_duplicate_check")
    there.run("create-study", "study.yaml")
    (there.folder / "objective.py").write_text(HANGING)
    log = there.folder / "worker.log"
    with there.start("worker", "--study", "faq-duplicate-check", "--gpu", "none", log=log) as worker:
        wait_until((there.folder / "importing").exists, "the import has begun")
        worker.send_signal(number)
        assert worker.wait(PATIENCE_S) == code, log.read_text()
    assert f": {name}" in log.read_text().splitlines()[-1]
    assert there.json("trials", "--study", "faq-duplicate-check") == []


def checkpoints(tmp_path: Path, study: str, number: int) -> Path:
    (folder,) = (tmp_path / "home" / "checkpoints" / study).glob(f"*{number:05d}*")
    return folder
