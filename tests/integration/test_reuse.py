"""What completed elsewhere is not run again where everything is equal, and is run where anything is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from hpotool.analysis.trials import list_trials
from hpotool.origins.origin import OriginWatch, make_reader
from hpotool.storage.control.creation import create_or_resume, find_study_id
from hpotool.storage.control.orders import register_worker
from hpotool.storage.control.studies import list_attempts
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.study.file.reader import read_study_file
from hpotool.study.phase import PHASE_ATTRIBUTE
from hpotool.worker.attempt.runner import AttemptRunner
from hpotool.worker.one_trial import OneTrial
from hpotool.worker.origin import WorkerOrigin

MODULE = """
import math

def train(trial):
    x = trial.suggest_float("x", 0, 1)
    open("runs", "a").write(f"{trial.number}\\n")
    trial.report(math.inf, 1)
    trial.report(x, 2)
    trial.set_user_attr("note", "kept")
    return {"loss": x + len(open("rows.csv").read()), "size": 3.0}
"""
STUDY = """
study: {name}
objective: {{python: "mine:train", isolation: none}}
metrics: {{loss: minimize}}
constraints: {{size: "<= 5"}}
search_space: {{x: {{float: [0, 1]}}}}
sampler: {{name: random, seed: 5}}
data: [rows.csv]
reuse: true
"""


class Bench:
    def __init__(self, url: str, folder: Path) -> None:
        self.url = DatabaseUrl.parse(url)
        self.connection = Connection(self.url)
        self.folder = folder
        self.opened: list[WorkerStorage] = []

    def work(self, name: str, trials: int = 1, text: str = STUDY, **attributes: Any) -> list[Any]:
        """Create a study and work on it as a worker does; its trials, as `hpotool trials` tells them."""
        spec = read_study_file(text.format(name=name))
        create_or_resume(self.connection, spec, "test")
        study_id = find_study_id(self.connection, name)
        identity = WorkerIdentity(f"w-{len(self.opened)}", "here", 1, "boot", "1", "cpu")
        register_worker(self.connection.run, study_id, identity)
        storage = WorkerStorage(self.url, identity)
        self.opened.append(storage)
        WorkerOrigin(storage, study_id, spec, OriginWatch(spec, make_reader(spec))).before_claim()
        sampler = optuna.samplers.RandomSampler(seed=5)
        study = optuna.load_study(study_name=name, storage=storage, sampler=sampler)
        if attributes:
            trial = optuna.trial.create_trial(state=optuna.trial.TrialState.WAITING, system_attrs=attributes)
            study.add_trial(trial)
        with AttemptRunner(spec, self.folder / "logs") as runner:
            for _ in range(trials):
                OneTrial(study, storage, runner, spec, lambda: None, lambda: None).work()
        return [record.as_data() for record in list_trials(study, list_attempts(self.connection, name))]

    @property
    def runs(self) -> int:
        return len((self.folder / "runs").read_text().splitlines())


@pytest.fixture
def bench(study_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "rows.csv").write_text("1")
    found = Bench(study_database_url, tmp_path)
    with closing(found.connection):
        yield found
        for storage in found.opened:
            storage.connection.close()


def test_an_equal_trial_is_not_run_again_and_says_where_it_ran(bench: Bench) -> None:
    first = bench.work("first", 2, STUDY.replace("reuse: true", ""))
    second = bench.work("second", 3)
    assert bench.runs == 3, "two of the first study, and the third of the second"
    for was, now in zip(first, second, strict=False):
        assert (now["state"], now["values"], now["params"]) == ("COMPLETE", was["values"], was["params"])
        assert now["reused"] == {"study": "first", "trial": was["number"]}
        assert f"the same as trial {was['number']} of study 'first'" in now["attempts"][-1]["reason"]
    assert "reused" not in second[2]
    assert bench.work("third", 2)[1]["reused"] == {"study": "first", "trial": 1}, "not the study between"

    study = optuna.load_study(study_name="second", storage=bench.opened[1])
    [trial, *_] = study.get_trials()
    assert trial.intermediate_values == {1: float("inf"), 2: trial.params["x"]}
    assert trial.user_attrs["note"] == "kept"
    assert trial.constraints == {"size": -2.0}


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("seed: 5", "seed: 6"),
        ("reuse: true", ""),
        ("reuse: true", "reuse: true\nholdout: [late]"),
        ('"<= 5"', '"<= 6"'),
        ("{{loss: minimize}}", "{{loss: maximize}}"),
        ("isolation: none", "isolation: none, environment: {{A: '1'}}"),
        ("data: [rows.csv]", "data: [rows.csv, mine.py]"),
    ],
)
def test_whatever_else_differs_it_runs(bench: Bench, was: str, now: str) -> None:
    bench.work("first")
    assert "reused" not in bench.work("second", text=STUDY.replace(was, now))[0]
    assert bench.runs == 2


def test_other_data_other_code_and_other_points_run(bench: Bench) -> None:
    bench.work("first")
    (bench.folder / "rows.csv").write_text("22")
    bench.work("data")
    (bench.folder / "rows.csv").write_text("1")
    (bench.folder / "helper.py").write_text("x = 1")
    bench.work("code")
    (bench.folder / "helper.py").unlink()
    bench.work("point", text=STUDY.replace("[0, 1]", "[0, 2]"))
    assert bench.runs == 4
    bench.work("again")
    assert bench.runs == 4, "everything is as it was"


def test_data_that_is_not_here_equals_nothing(bench: Bench) -> None:
    text = STUDY.replace("data: [rows.csv]", "data: [rows.csv, gone.csv]")
    bench.work("first", text=text)
    bench.work("second", text=text)
    assert bench.runs == 2


def test_confirming_and_final_trainings_always_run(bench: Bench) -> None:
    bench.work("first")
    reevaluation = {"phase": "confirm", "point": "trial 0", "replicate": 0}
    bench.connection.run("UPDATE hpotool.study_settings SET apart_from_id = 0")
    bench.work("second", **{PHASE_ATTRIBUTE: reevaluation})
    assert bench.runs == 2


def test_without_reuse_nothing_is_asked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("hpotool.worker.attempt.reuse.find_reusable", lambda *_: asked.append("asked") or [])
    bench.work("plain", text=STUDY.replace("reuse: true", ""))
    assert asked == []
    bench.work("reusing")
    assert asked == ["asked"], "once for a trial"
