import logging
from pathlib import Path

import pytest

from hpotool.study.file.reader import read_study_file
from hpotool.study.spec import StudySpec
from hpotool.worker.side_jobs import side_commands


def study(text: str = "") -> StudySpec:
    return read_study_file("study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n" + text)


def test_a_study_that_asks_for_nothing_has_no_jobs() -> None:
    assert side_commands(study()) == []


def test_each_tracker_is_a_job_of_its_own() -> None:
    text = "tracking: {mlflow: 'http://m:5000', experiment: e, tensorboard: runs}\n"
    assert [(command.job, " ".join(command.words)) for command in side_commands(study(text))] == [
        ("mlflow http://m:5000 e", "track --to mlflow --address http://m:5000 --experiment e"),
        ("tensorboard runs", "track --to tensorboard --address runs"),
    ]


def test_who_has_addresses_tells_people_unless_the_study_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPOTOOL_NOTIFY", "json://localhost/secret")
    [command] = side_commands(study())
    assert (command.job, command.words) == ("notify", ("notify",))
    assert command.last_look is not None
    assert side_commands(study("notify: []\n")) == []


def test_addresses_that_others_can_read_end_no_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "addresses").write_text("json://localhost/secret")
    (tmp_path / "addresses").chmod(0o644)
    monkeypatch.setenv("HPOTOOL_NOTIFY", str(tmp_path / "addresses"))
    logging.getLogger("hpotool").propagate = True
    assert side_commands(study()) == []
    assert "nobody is told anything by this worker" in caplog.text
