"""The main job through the installed command line: workers tune studies on one Postgres."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import psutil
import psycopg2
import pytest
from optuna.trial import TrialState

from tests.acceptance.command_line import ROOT, CommandLine, wait_until

STUDY_FILES = sorted(path.name for path in (ROOT / "studies").glob("*.yaml"))
# What makes three trials of an example; the trials of tiers are counted there.
THREE_TRIALS = {"pytorch_tiers.yaml": "tiers=[{trials: 2, steps: 1}, {trials: 1, steps: 2}]"}
QUICK_PULSE = {"HPOTOOL_HEARTBEAT_INTERVAL_S": "0.5", "HPOTOOL_GRACE_PERIOD_S": "3"}

# An objective that waits while a file exists, so that a test decides when a trial ends.
HELD = """
import os, time
from pathlib import Path

FOLDER = Path(__file__).parent

def objective(trial):
    x = trial.suggest_float("x", -1.0, 1.0)
    (FOLDER / f"began-{trial.number}-{os.getpid()}").touch()
    step = 0
    while (FOLDER / "hold").exists():
        if trial.should_stop():
            return None
        trial.report(x, step)
        step += 1
        time.sleep(0.05)
    return x ** 2
"""
HELD_STUDY = """
study: held
objective: {python: "held:objective"}
metrics: {loss: minimize}
search_space: {x: {float: [-1.0, 1.0]}}
budget: {trials: 5}
retry: {lost: 3, crash: 1}
"""


def load_with_optuna(url: str, name: str) -> optuna.Study:
    """The study as somebody sees it who has nothing but Optuna."""
    storage = optuna.storages.RDBStorage(url.replace("postgresql://", "postgresql+psycopg2://"))
    return optuna.load_study(study_name=name, storage=storage)


@contextlib.contextmanager
def workers(hpotool: CommandLine, study: str, count: int, logs: Path) -> Iterator[list[subprocess.Popen[str]]]:
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                hpotool.start("worker", "--study", study, "--gpu", "none", log=logs / f"worker-{index}.log")
            )
            for index in range(count)
        ]


def wait_for_all(processes: list[subprocess.Popen[str]], logs: Path, code: int = 0) -> None:
    """Every worker leaves by itself, with this exit code."""
    codes = [process.wait(timeout=120) for process in processes]
    assert codes == [code] * len(codes), "\n".join(path.read_text() for path in sorted(logs.glob("worker-*.log")))


@pytest.fixture
def held(database_url: str, tmp_path: Path) -> CommandLine:
    """A folder with an objective that goes on while ``hold`` exists, and its study."""
    (tmp_path / "held.py").write_text(HELD)
    (tmp_path / "held.yaml").write_text(HELD_STUDY)
    (tmp_path / "hold").touch()
    command_line = CommandLine(database_url, tmp_path, {**QUICK_PULSE, "PYTHONPATH": str(tmp_path)})
    command_line.run("create-study", "held.yaml")
    return command_line


def test_four_workers_finish_forty_trials_and_everybody_agrees(hpotool: CommandLine, tmp_path: Path) -> None:
    hpotool.run("create-study", "studies/xgboost_digits.yaml")
    hpotool.run("pause")  # until all are there: three quick ones could leave nothing for the fourth
    with workers(hpotool, "xgboost-digits", 4, tmp_path) as processes:
        wait_until(lambda: len(hpotool.json("status")["workers"]) == 4, "four workers to wait")
        hpotool.run("resume")
        wait_for_all(processes, tmp_path)

    assert hpotool.url
    study = load_with_optuna(hpotool.url, "xgboost-digits")
    states = Counter(trial.state.name for trial in study.trials)
    assert states["COMPLETE"] + states["PRUNED"] == len(study.trials) == 40
    assert [trial.number for trial in study.trials] == list(range(40))

    trials = hpotool.json("trials")
    assert all([attempt["outcome"] for attempt in trial["attempts"]] == [trial["outcome"]] for trial in trials)
    assert len({trial["attempts"][0]["worker"] for trial in trials}) == 4

    status = hpotool.json("status")
    assert status["state"] == "done"
    assert status["budget"]["trials"] == status["budget"]["finished"] == 40
    assert status["trials"] == dict(states)

    best = hpotool.json("best")["trials"]
    assert best == status["best"]
    # Of equally good ones ours is the first; which one Postgres gives to plain Optuna is chance.
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    first = next(trial for trial in complete if trial.value == study.best_value)
    assert [trial["number"] for trial in best] == [first.number]
    assert best[0]["params"] == first.params
    assert best[0]["values"] == {"accuracy": study.best_value}
    assert study.best_value > 0.97

    importance = hpotool.json("importance", "--evaluator", "ped-anova")["importance"]
    assert importance == pytest.approx(optuna.importance.get_param_importances(study))


def test_a_worker_killed_in_the_middle_of_a_trial_costs_nothing_but_time(
    held: CommandLine, tmp_path: Path
) -> None:
    with workers(held, "held", 2, tmp_path) as processes:
        wait_until(lambda: len(list(tmp_path.glob("began-*"))) == 2, "both workers run a trial")
        # What a worker wrote in its last second may be lost with it; the parameters are to be there.
        wait_until(lambda: all(trial["params"] for trial in held.json("trials")), "both are stored")
        children = psutil.Process(processes[0].pid).children(recursive=True)
        lost = next(
            int(path.name.split("-")[1])
            for path in tmp_path.glob("began-*")
            if int(path.name.split("-")[2]) in {child.pid for child in children}
        )
        processes[0].send_signal(signal.SIGKILL)
        wait_until(lambda: not any(is_alive(child) for child in children), "no child outlives its worker")

        wait_until(lambda: trial_of(held, lost)["state"] == "FAIL", "the lost trial is noticed")
        (tmp_path / "hold").unlink()
        wait_for_all(processes[1:], tmp_path)

    trials = held.json("trials")
    outcomes = Counter(trial["outcome"] for trial in trials)
    assert outcomes == {"complete": 5, "lost": 1}
    assert trial_of(held, lost)["attempts"][-1]["outcome"] == "lost"
    retries = [trial for trial in trials if held.json("show", str(trial["number"]))["lineage"] == [lost]]
    assert [retry["outcome"] for retry in retries] == ["complete"]
    assert retries[0]["params"] == trial_of(held, lost)["params"]
    assert held.json("status")["state"] == "done"


def test_a_terminated_worker_hands_its_trial_back_and_leaves_with_75(held: CommandLine, tmp_path: Path) -> None:
    with workers(held, "held", 1, tmp_path) as processes:
        wait_until(lambda: list(tmp_path.glob("began-*")), "a trial runs")
        processes[0].terminate()
        wait_for_all(processes, tmp_path, code=75)
    assert trial_of(held, 0)["attempts"][-1]["outcome"] == "preempted"
    (tmp_path / "hold").unlink()
    held.run("worker")
    assert Counter(trial["state"] for trial in held.json("trials"))["COMPLETE"] == 5


def test_a_worker_on_which_everything_fails_leaves_and_says_so(hpotool: CommandLine, tmp_path: Path) -> None:
    broken = """
        study: broken
        objective: {command: [sh, -c, "exit 3"]}
        metrics: {loss: minimize}
        search_space: {x: {float: [0.0, 1.0]}}
        budget: {trials: 40}
        retry: {crash: 0}
    """
    (tmp_path / "broken.yaml").write_text(broken)
    hpotool.run("create-study", str(tmp_path / "broken.yaml"))
    done = hpotool.run("worker", "--gpu", "none", code=1)
    assert (
        "circuit breaker: the last 10 different points failed on this worker (error) and no attempt has"
        in done.stderr
    )
    trials = hpotool.json("trials")
    assert [trial["outcome"] for trial in trials] == ["error"] * 10
    assert "exit code 3" in trials[0]["attempts"][0]["reason"]


@pytest.mark.parametrize("file", STUDY_FILES)
def test_every_example_study_runs(file: str, hpotool: CommandLine, tmp_path: Path) -> None:
    create = ["create-study", f"studies/{file}", "--set", THREE_TRIALS.get(file, "budget.trials=3")]
    name = hpotool.run(*create).stdout.strip()
    hpotool.run("worker", "--gpu", "none")
    assert hpotool.url
    study = load_with_optuna(hpotool.url, name)
    # Folds are compared from the first trial on, so that a worse one may be pruned among so few.
    ends = {TrialState.COMPLETE, TrialState.PRUNED} if file == "folds_digits.yaml" else {TrialState.COMPLETE}
    assert len(study.trials) == 3
    assert {trial.state for trial in study.trials} <= ends
    assert hpotool.json("best")["trials"]
    hpotool.run("plot", "--output", str(tmp_path / "history.html"))
    assert name in (tmp_path / "history.html").read_text()
    hpotool.run(*create)  # the same file resumes it
    assert hpotool.json("status")["state"] == "done"


def test_no_password_is_ever_seen(held: CommandLine, tmp_path: Path) -> None:
    assert held.url
    password = held.url.split(":")[2].split("@")[0]
    with workers(held, "held", 1, tmp_path) as processes:
        wait_until(lambda: list(tmp_path.glob("began-*")), "a trial runs")
        worker = psutil.Process(processes[0].pid)
        for process in [worker, *worker.children(recursive=True)]:
            assert password not in " ".join(process.cmdline())
        for child in worker.children(recursive=True):  # the objective is somebody's code: it need not know
            assert password not in " ".join(child.environ().values())
        (tmp_path / "hold").unlink()
        wait_for_all(processes, tmp_path)

    said = [path.read_text() for path in tmp_path.glob("*.log")]
    for command in ("studies", "status --format json", "trials", "show 0 --format json", "best", "export trials"):
        done = held.run(*command.split())
        said += [done.stdout, done.stderr]
    away = CommandLine(held.url.replace("127.0.0.1", "127.0.0.2").replace("/test_", "/gone_"), tmp_path)
    said.append(away.run("studies", code=4).stderr)
    said.append(away.run("--debug", "studies", code=1).stderr)
    said.append(database_text(held.url))
    assert [text for text in said if password in text] == []


def database_text(url: str) -> str:
    """Everything that is stored, as text."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema')"
        )
        tables = [row[0] for row in cursor.fetchall()]
        assert len(tables) > 15
        rows = []
        for table in tables:
            cursor.execute(f"select t::text from {table} t")
            rows += [row[0] for row in cursor.fetchall()]
    return "\n".join(rows)


def trial_of(command_line: CommandLine, number: int) -> Any:
    return next(trial for trial in command_line.json("trials") if trial["number"] == number)


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
