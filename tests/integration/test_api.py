"""hpotool from a script or a notebook: the names of ``import hpotool``, on a real database."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest

import hpotool
from hpotool.errors import HpotoolError, InputError, NotFoundError, StudyFileError
from hpotool.search.pruning.fast_pruners import FastMedianPruner
from hpotool.search.pruning.pruners import LearnedMedianPruner
from hpotool.search.samplers import SeededSampler
from hpotool.search.tpe import FastTPESampler
from hpotool.storage.control import orders
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from objectives.quadratic import objective
from tests.commands import Commands

STUDY: dict[str, Any] = {
    "study": "bowl",
    "objective": {"python": "objectives.quadratic:objective"},
    "metrics": {"height": "minimize"},
    "search_space": {"x": {"float": [-10.0, 10.0]}, "y": {"float": [-10.0, 10.0]}},
    "sampler": {"name": "tpe", "seed": 7},
    "budget": {"trials": 15},
}


@pytest.fixture(autouse=True)
def url(study_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HPOTOOL_STORAGE", study_database_url)
    return study_database_url


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    opened = Connection(DatabaseUrl.parse(url))
    yield opened
    opened.close()


def points(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.get_trials()]


def test_a_script_searches_as_a_worker_does() -> None:
    by_worker = hpotool.create_study(STUDY, study="by-worker")
    departure = hpotool.run_worker(by_worker, gpu="none")
    assert departure.reason.startswith("the study is done")
    assert departure.exit_code == 0
    assert hpotool.wait("by-worker", timeout="5s") == "done"
    by_script = hpotool.create_study(STUDY, study="by-script")
    by_script.optimize(objective, n_trials=15)
    assert points(by_worker) == points(by_script)


def test_a_worker_in_a_plain_script_is_heard_on_stderr(url: str) -> None:
    hpotool.create_study(STUDY, budget={"trials": 1})
    code = "import hpotool; print(hpotool.run_worker('bowl', gpu='none').exit_code)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
    assert "works on bowl (cpu)" in done.stderr
    assert "leaving: the study is done" in done.stderr


def test_a_study_comes_with_its_own_fast_sampler_and_pruner() -> None:
    created = hpotool.create_study(STUDY, pruner="median")
    study = hpotool.load_study()
    assert study.study_name == created.study_name == "bowl"
    assert isinstance(study.sampler, SeededSampler)
    assert isinstance(study.sampler.inner, FastTPESampler)
    assert isinstance(study.pruner, LearnedMedianPruner)
    chosen = optuna.samplers.RandomSampler()
    assert hpotool.load_study("bowl", sampler=chosen).sampler is chosen


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_study_of_plain_optuna_gets_optunas_defaults_made_fast(database_url: str) -> None:
    plain = optuna.storages.RDBStorage(DatabaseUrl.parse(database_url).sqlalchemy)
    optuna.create_study(study_name="plain", storage=plain)
    plain.engine.dispose()
    study = hpotool.load_study("plain", database_url)
    assert isinstance(study.sampler, FastTPESampler)
    assert isinstance(study.pruner, FastMedianPruner)
    study.optimize(objective, n_trials=2)
    assert list(hpotool.trials_dataframe(study).outcome) == ["complete", "complete"]
    with pytest.raises(HpotoolError):
        hpotool.run_worker(study, gpu="none")


def test_studies_are_named_as_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError, match="the database has no studies"):
        hpotool.load_study()
    hpotool.create_study(STUDY, study="first")
    hpotool.create_study(STUDY, study="second")
    with pytest.raises(InputError, match="several studies: first, second") as several:
        hpotool.load_study()
    assert several.value.hint == "name one, like 'first'"
    monkeypatch.setenv("HPOTOOL_STUDY", "second")
    assert hpotool.load_study().study_name == "second"
    with pytest.raises(NotFoundError, match="'frist' does not exist") as unknown:
        hpotool.wait("frist")
    assert unknown.value.__notes__ == ["hint: did you mean 'first'?"]


def test_a_study_is_created_from_a_file_and_resumed(tmp_path: Path) -> None:
    file = tmp_path / "bowl.yaml"
    file.write_text(
        "study: bowl\nobjective: {python: objectives.quadratic:objective}\nmetrics: {height: minimize}\n"
        "budget: {trials: 3}\n"
    )
    hpotool.create_study(str(file))
    resumed = hpotool.create_study(file, budget__trials=2)
    hpotool.run_worker(resumed, gpu="none")
    assert len(resumed.get_trials()) == 2


@pytest.mark.parametrize(
    ("study", "overrides", "error", "sentence"),
    [
        (STUDY, {"budget__trails": 3}, StudyFileError, "budget__trails=3: unknown key 'trails'"),
        (STUDY, {"budget__trials": "many"}, StudyFileError, "budget__trials='many'"),
        ({**STUDY, "metrics": {"height": object()}}, {}, InputError, "a document cannot contain object"),
        ({}, {}, StudyFileError, "objective"),
        ("nowhere.yaml", {}, NotFoundError, "the study file nowhere.yaml does not exist"),
    ],
)
def test_wrong_input_gets_the_command_lines_sentences(
    study: Any, overrides: dict[str, Any], error: type[HpotoolError], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        hpotool.create_study(study, **overrides)
    assert sentence in caught.value.message


def test_waiting_ends_with_the_time_or_with_the_study(
    connection: Connection, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = hpotool.create_study(STUDY)
    with pytest.raises(TimeoutError, match="'bowl' is running after"):
        hpotool.wait(study, timeout="0.2s", interval="0.1s")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(hpotool.wait, study, interval="0.1s")
        orders.set_state(connection.run, study._study_id, "stopped", "told to", "test")
        assert waiting.result(60) == "stopped"


def test_a_worker_runs_in_any_thread() -> None:
    study = hpotool.create_study(STUDY, budget={"trials": 2})
    thread = threading.Thread(target=hpotool.run_worker, args=(study, "none"))
    thread.start()
    thread.join()
    assert [trial.state.name for trial in study.get_trials()] == ["COMPLETE", "COMPLETE"]


def test_a_data_frame_knows_outcomes_attempts_and_costs() -> None:
    pytest.importorskip("pandas")
    study = hpotool.create_study(
        STUDY, budget={"trials": 3}, objective={"python": "tests.worker_objectives:fails_at_first"}
    )
    hpotool.run_worker(study, gpu="none")
    frame = hpotool.trials_dataframe(study)
    failed = frame[frame.outcome == "error"].iloc[0]
    assert "the first one fails" in failed.reason
    assert (frame.outcome == "complete").sum() == 3
    assert (frame.attempts == 1).all()
    assert (frame.slot_hours > 0).all()
    assert (frame.cost == 0).all()
    assert {"values_height", "params_x", "worker"} <= set(frame.columns)
    assert str(frame.datetime_start.dtype).endswith("UTC]")
    assert len(hpotool.trials_dataframe()) == len(frame)


def test_a_data_frame_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pandas") as caught:
        hpotool.trials_dataframe()
    assert caught.value.hint == "pip install pandas"


def test_importing_the_package_costs_nothing_and_shows_its_names() -> None:
    code = (
        "import sys; before = set(sys.modules); import hpotool; print(*dir(hpotool)); "
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, loaded = done.stdout.splitlines()
    assert set(names.split()) == {*hpotool.__all__, "__version__"}
    assert not {"optuna", "sqlalchemy", "psycopg2", "hpotool.api", "hpotool.cli"} & set(loaded.split())


def test_what_python_uses_needs_nothing_of_the_command_line() -> None:
    code = (
        "import sys, hpotool; [getattr(hpotool, name) for name in hpotool.__all__]; "
        "print(*(name for name in sys.modules if name.startswith(('hpotool.cli', 'typer'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_pools_quotas_and_usage_are_those_of_the_command_line(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Commands(capsys)
    assert hpotool.pools() == []
    hpotool.create_study(STUDY, study="a", budget__trials=3, tags={"project": "bowls"})
    hpotool.create_study(STUDY, study="b", budget__trials=2, pool="gpus")
    changed = hpotool.share("a", pool="gpus", priority=3, weight=2.5, owner="ann", preempt=True, max_running=4)
    assert changed == {
        "study": "a",
        "pool": "gpus",
        "priority": 3,
        "weight": 2.5,
        "max_running": 4,
        "owner": "ann",
        "preempt": True,
    }
    assert hpotool.share("a", max_running=None, preempt=False)["max_running"] is None
    assert hpotool.share("a") == changed | {"max_running": None, "preempt": False}
    [pool] = hpotool.pools("gpus")
    assert (pool["pool"], pool["workers"], pool["busy"]) == ("gpus", 0, 0)
    assert [(one["study"], one["weight"]) for one in pool["studies"]] == [("a", 2.5), ("b", 1.0)]
    assert run.json("pools")["pools"] == hpotool.pools()
    with pytest.raises(NotFoundError, match="there is no pool 'cpus'"):
        hpotool.pools("cpus")
    with pytest.raises(StudyFileError, match="weight"):
        hpotool.share("a", weight=-1)
    assert hpotool.share("a")["weight"] == 2.5

    assert hpotool.quotas() == []
    hpotool.set_quota("eve", 1, "day")
    [quota] = hpotool.set_quota("ann", 0.5)
    assert (quota["owner"], quota["period"], quota["gpu_hours"], quota["used"]) == ("ann", "month", 0.5, 0.0)
    assert run.json("quota")["quotas"] == hpotool.quotas()
    assert [one["owner"] for one in hpotool.quotas("eve", storage=url)] == ["eve"]
    assert hpotool.set_quota("ann", None) == []
    for wrong in (
        ("ann", -1.0),
        ("ann", float("nan")),
        ("ann", float("inf")),
        ("an n", 1.0),
        ("ann", 1.0, "year"),
    ):
        with pytest.raises(InputError) as refused:
            hpotool.set_quota(*wrong)  # type: ignore[arg-type]
        assert len(str(refused.value)) > 5

    departure = hpotool.run_worker(pool="gpus", gpu="none")
    assert departure.reason == "every study of pool gpus is done or stopped"
    assert {one["owner"]: one["finished"] for one in hpotool.usage()} == {"ann": 3, None: 2}
    assert {one["project"]: one["attempts"] for one in hpotool.usage("project", since="1h")} == {
        "bowls": 3,
        None: 2,
    }
    assert run.json("usage --by study")["usage"] == hpotool.usage("study", since=timedelta(days=30))
    for wrong_usage in (
        {"by": "colour"},
        {"since": "soon"},
        {"since": timedelta(days=10**6)},
        {"since": timedelta(0)},
    ):
        with pytest.raises(InputError):
            hpotool.usage(**wrong_usage)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="one study, or with pool all of a pool"):
        hpotool.run_worker("a", pool="gpus")
    with pytest.raises(InputError, match="stay is for workers of a pool"):
        hpotool.run_worker("a", stay=True)
    with pytest.raises(NotFoundError, match="no study is in pool 'nowhere'; there are gpus"):
        hpotool.run_worker(pool="nowhere", gpu="none")
