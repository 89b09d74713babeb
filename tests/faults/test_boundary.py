"""Whatever comes up around a trial ends its attempt, and never the worker."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from tests.child_processes import child_process
from tests.faults.fleet import Fleet, Kind, wait_until

HERE = "tests.faults.misbehaving"


def run_one_worker(fleet: Fleet, *arguments: str, expect: int = 0) -> str:
    """Run a worker to its end; its log."""
    worker = fleet.start_worker(more=arguments)
    assert worker.wait(120) == expect, fleet.logs()
    return Path(fleet.folder, f"worker-{len(fleet.processes) - 1}.log").read_text()


def study(url: str, folder: Path, budget: int, settings: str, function: str = "square", **more: str) -> Fleet:
    kind = Kind(settings, function=f"{HERE}:{function}", **more)
    return Fleet(url, folder, budget, kind=kind)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("before_trial", "RuntimeError: broken in before_trial of trial 0"),
        ("sample_independent", "RuntimeError: broken in sample_independent of trial 0"),
        ("after_trial", ""),  # the objective had returned: its value stands
    ],
)
def test_a_sampler_that_raises_ends_the_attempt(
    place: str, reason: str, database_url: str, tmp_path: Path
) -> None:
    sampler = f"sampler: {{name: '{HERE}:BreaksNow', seed: 1, place: {place}}}\n"
    fleet = study(database_url, tmp_path, 3, sampler)
    log = run_one_worker(fleet)
    trials = fleet.trials()
    assert Counter(state for state, _, _ in trials.values())["COMPLETE"] == 3
    assert trials[0][2] == reason
    assert trials[0][1] == ("complete" if place == "after_trial" else "error")
    assert log.count("Traceback") == sum(number % 2 == 0 for number in trials)


def test_a_worker_that_only_breaks_leaves_and_says_so(database_url: str, tmp_path: Path) -> None:
    sampler = f"sampler: {{name: '{HERE}:BreaksNow', seed: 1, every: 1}}\n"
    fleet = study(database_url, tmp_path, 3, sampler)
    log = run_one_worker(fleet, "--no-breaker", expect=1)
    assert (
        "circuit breaker: 5 attempts in a row ended with errors of this worker, most recently RuntimeError: broken"
        in log
    )
    assert {outcome for _, outcome, _ in fleet.trials().values()} == {"error"}


@pytest.mark.parametrize("what", ["continues", "is told to leave"])
def test_a_worker_whose_tables_are_refused_for_a_while(what: str, database_url: str, tmp_path: Path) -> None:
    """Nothing is lost; it goes on when they are back, and what it cannot ask does not change its exit code."""
    fleet = study(database_url, tmp_path, 2, "", function="waits_for_a_file")
    worker = fleet.start_worker()
    wait_until((tmp_path / "began").exists, "the trial")
    admin = Connection(DatabaseUrl.parse(database_url))
    admin.run("ALTER TABLE hpotool.attempts RENAME TO away")
    (tmp_path / "go").touch()
    wait_until(lambda: "the outcome of trial 0 waits on this machine" in "\n".join(fleet.logs()), "the tell")
    if what == "is told to leave":
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 75, fleet.logs()
    admin.run("ALTER TABLE hpotool.away RENAME TO attempts")
    admin.close()
    if what == "is told to leave":
        worker = fleet.start_worker()
    assert worker.wait(120) == 0, fleet.logs()
    assert {number: state for number, (state, _, _) in fleet.trials().items()} == {0: "COMPLETE", 1: "COMPLETE"}
    assert "Error:" not in "\n".join(fleet.logs()), "a sentence, and no class of ours"


def test_a_fork_server_that_cannot_come_back_costs_attempts_and_no_worker(
    database_url: str, tmp_path: Path
) -> None:
    fleet = study(database_url, tmp_path, 2, "", "waits_for_a_file")
    worker = fleet.start_worker()
    wait_until((tmp_path / "began").exists, "the first trial")
    code = tmp_path / "study_code.py"
    good = code.read_text()
    code.write_text("import nowhere_at_all\n")
    for child in psutil.Process(worker.pid).children():
        child.kill()
    wait_until(
        lambda: "error" in {outcome for _, outcome, _ in fleet.trials().values()}, "an attempt without import"
    )
    code.write_text(good)
    (tmp_path / "go").touch()
    assert worker.wait(120) == 0, fleet.logs()
    outcomes = fleet.trials()
    assert outcomes[0][1] == "crash"
    assert any("nowhere_at_all" in reason for _, outcome, reason in outcomes.values() if outcome == "error")


def test_a_sampler_that_can_suggest_nothing_more_ends_its_worker(database_url: str, tmp_path: Path) -> None:
    """Its ValueError was taken for a name with two kinds of values, and the study went on failing for ever."""
    sampler = (
        f"sampler: {{name: '{HERE}:BreaksNow', seed: 1, every: 1, place: sample_independent, error: ValueError}}\n"
    )
    fleet = study(database_url, tmp_path, 3, sampler)
    log = run_one_worker(fleet, "--no-breaker", expect=1)
    assert "5 attempts in a row ended with errors of this worker, most recently its parameters cannot be" in log
    assert len(fleet.trials()) == 5


def test_a_place_for_checkpoints_that_breaks_costs_no_result(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        f"import fsspec; fsspec.register_implementation('broken', '{HERE}.BrokenPlace')\n"
        "from hpotool.worker.checkpoints.store_calls import Patience\n"
        "patience = dict(Patience().__dict__, at_end=0.2)  # of 30 s, for the first one\n"
        "Patience.__init__.__defaults__ = tuple(patience.values())\n"
    )
    fleet = Fleet(database_url, tmp_path, 7)  # more than the errors in a row that end a worker
    run_one_worker(fleet, "--checkpoints", f"broken://{tmp_path}/place")
    assert [state for state, _, _ in fleet.trials().values()] == ["COMPLETE"] * 7
    fleet.check()


@pytest.mark.parametrize("sampler", ["grid", "bruteforce"])
@pytest.mark.parametrize("seed", [1, 2])
def test_grid_with_warm_start(sampler: str, seed: int, database_url: str, tmp_path: Path) -> None:
    space = "search_space: {x: {int: [0, 5]}}\n"
    settings = f"sampler: {{name: {sampler}, seed: {seed}}}\nwarm_start: [{{x: 3}}, {{x: 4}}]\n"
    kind = Kind(settings, function="tests.faults.objectives:of_an_integer", space=space, has_budget=False)
    fleet = Fleet(database_url, tmp_path, 6, kind=kind)
    first = fleet.start_worker()
    assert fleet.start_worker().wait(120) == 0, fleet.logs()
    assert first.wait(120) == 0, fleet.logs()
    ran = [int(line.split()[1]) for line in (tmp_path / "ran").read_text().splitlines()]
    assert set(ran) == set(range(6))
    if sampler == "grid":
        assert len(ran) == 6 + 1, "each point once, and the one that failed a second time"
    [(state, reason)] = fleet.connection.run("SELECT state, state_reason FROM hpotool.study_settings")
    assert (state, reason) == ("done", "every point has run")


def test_a_brute_force_over_what_the_objective_suggests_ends(database_url: str, tmp_path: Path) -> None:
    fleet = study(database_url, tmp_path, 0, "sampler: bruteforce\n", "two_levels", space="", has_budget=False)
    run_one_worker(fleet)
    assert [state for state, _, _ in fleet.trials().values()] == ["COMPLETE"] * 4


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_an_objective_stops_its_study(isolation: str, database_url: str, tmp_path: Path) -> None:
    objective = f"{{python: 'study_code:objective', isolation: {isolation}}}"
    fleet = study(database_url, tmp_path, 50, "", "stops_the_study", space="", objective=objective)
    log = run_one_worker(fleet)
    assert len(fleet.trials()) == 4
    assert "the study is draining: trial 3 called study.stop()" in log


@pytest.mark.parametrize("how", ["cancel", "fence"])
def test_isolation_none_obeys(how: str, database_url: str, tmp_path: Path) -> None:
    objective = "{python: study_code:objective, isolation: none}"
    fleet = study(database_url, tmp_path, 1, "", "waits", objective=objective)
    worker = fleet.start_worker()
    wait_until((tmp_path / "began").exists, "the trial")
    if how == "cancel":
        command = [sys.executable, "-m", "hpotool", "stop", "--study", "s", "--trial", "0"]
        subprocess.run(command, env={**os.environ, "HPOTOOL_STORAGE": database_url}, check=True)
    else:
        fleet.connection.run("UPDATE trials SET state = 'FAIL'")
        fleet.connection.run("UPDATE hpotool.attempts SET ended_at = now(), outcome = 'lost'")
    wait_until(lambda: "trial 0 cancelled" in "\n".join(fleet.logs()), "the end of the attempt")
    trials = fleet.trials()
    assert trials[0][1] == ("cancelled" if how == "cancel" else "lost")
    assert {state for number, (state, _, _) in trials.items() if number} <= {"RUNNING"}, "nothing was requeued"
    worker.kill()


def test_memory_as_an_answer_opens_no_breaker(database_url: str, tmp_path: Path) -> None:
    fleet = study(database_url, tmp_path, 12, "on_oom: infeasible\n", "fills_memory")
    run_one_worker(fleet)
    assert {(state, outcome) for state, outcome, _ in fleet.trials().values()} == {("PRUNED", "oom")}


@pytest.mark.parametrize("off", ["", "breaker: off\n"])
def test_a_breaker_can_be_turned_off(off: str, database_url: str, tmp_path: Path) -> None:
    fleet = study(database_url, tmp_path, 1, off + "budget: {failed: 11}\n", "fills_memory", has_budget=False)
    log = run_one_worker(fleet, expect=0 if off else 1)
    assert ("circuit breaker: the last 10 different points failed on this worker (oom)" in log) is not bool(off)


def test_a_point_that_is_skipped_stays_infeasible(database_url: str, tmp_path: Path) -> None:
    settings = "sampler: {name: random, seed: 1}\nconstraints: {load: '<= 1'}\nduplicates: skip\n"
    space = "search_space: {x: {int: [1, 1]}}\n"
    fleet = study(database_url, tmp_path, 2, settings, "measures_load", space=space)
    run_one_worker(fleet)
    rows = fleet.connection.run(
        "SELECT number, value_json FROM trial_system_attributes JOIN trials USING (trial_id) "
        "WHERE key = 'constraints:load' ORDER BY number"
    )
    assert [(number, json.loads(value)) for number, value in rows] == [(0, 8.0), (1, 8.0)]
    attributes = fleet.connection.run(
        "SELECT key FROM trial_user_attributes JOIN trials USING (trial_id) WHERE number = 1"
    )
    assert {key for (key,) in attributes} >= {"ran", "load"}


def test_reap_watches_as_long_as_the_workers_grace_is(database_url: str, tmp_path: Path) -> None:
    fleet = study(database_url, tmp_path, 1, "", "waits_for_a_file")
    worker = fleet.start_worker(HPOTOOL_HEARTBEAT_INTERVAL_S="60", HPOTOOL_GRACE_PERIOD_S="180")
    wait_until((tmp_path / "began").exists, "the trial")
    pulse = {"HPOTOOL_HEARTBEAT_INTERVAL_S": "60", "HPOTOOL_GRACE_PERIOD_S": "180"}
    with child_process(
        [sys.executable, "-m", "hpotool", "reap", "--study", "s"],
        env={**os.environ, "HPOTOOL_STORAGE": database_url, **pulse},
        stderr=subprocess.PIPE,
        text=True,
    ) as reap:
        assert reap.stderr is not None
        assert reap.stderr.readline().strip() == "watching s for 180 s"
        reap.send_signal(signal.SIGINT)
        reap.communicate(timeout=30)
    (tmp_path / "go").touch()
    assert worker.wait(60) == 0
