"""However an attempt is stopped or its worker dies, nothing of it is left; and how the objective may answer."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest

from hpotool.study.outcome import Outcome
from hpotool.study.spec import MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.attempt.runner import AttemptResult, AttemptRunner
from hpotool.worker.attempt.running_attempt import RunningAttempt
from hpotool.worker.attempt.trial_server import TrialServer
from hpotool.worker.process.log_file import LogFolder
from hpotool.worker.process.process_tree import descendants
from tests.child_processes import child_process

GONE_WITHIN_S = 30.0  # five seconds after what ends them, and then what a busy machine adds
WORKER = """
import sys, optuna
from pathlib import Path
from hpotool.study.spec import MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.attempt.runner import AttemptRunner
objective = ObjectiveSpec(python="tests.worker_bad_endings:works_in_a_tree")
runner = AttemptRunner(StudySpec("s", objective, (MetricSpec("loss", "minimize"),)), Path(sys.argv[1]))
runner.start()
print("ready", flush=True)
runner.run(optuna.create_study().ask())
"""


def wait_for(condition: Callable[[], Any], within_s: float = 30.0) -> Any:
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return found


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker in the middle of an attempt that has processes of its own."""
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    with child_process(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def whole_tree(pid: int) -> list[int]:
    # fork server, the attempt, its python, its sleep
    return wait_for(lambda: found if len(found := descendants(pid)) == 4 else None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_dead_workers_processes_are_gone_soon(worker: subprocess.Popen[str], number: signal.Signals) -> None:
    tree = whole_tree(worker.pid)
    worker.send_signal(number)
    wait_for(lambda: all(is_gone(pid) for pid in tree), GONE_WITHIN_S)


def test_a_killed_worker_and_fork_server_leave_no_attempt(worker: subprocess.Popen[str]) -> None:
    fork_server, attempt, *rest = whole_tree(worker.pid)
    os.kill(fork_server, signal.SIGKILL)
    worker.kill()
    wait_for(lambda: is_gone(attempt), GONE_WITHIN_S)
    # What the attempt itself had started lives on only if it neither shares its group nor watches its parent.
    for pid in rest:
        os.kill(pid, signal.SIGKILL)


def test_a_stopped_worker_keeps_its_attempt_and_a_dead_one_does_not(worker: subprocess.Popen[str]) -> None:
    tree = whole_tree(worker.pid)
    worker.send_signal(signal.SIGSTOP)
    assert not any(is_gone(pid) for pid in tree)
    worker.kill()
    wait_for(lambda: all(is_gone(pid) for pid in tree), GONE_WITHIN_S)


@pytest.fixture
def make_runner(tmp_path: Path) -> Iterator[Callable[[str], AttemptRunner]]:
    runners: list[AttemptRunner] = []

    def make(function: str) -> AttemptRunner:
        objective = ObjectiveSpec(python=f"tests.worker_bad_endings:{function}")
        runners.append(AttemptRunner(StudySpec("s", objective, (MetricSpec("loss", "minimize"),)), tmp_path))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


def run_and_meanwhile(runner: AttemptRunner, do: Callable[[optuna.Trial], None]) -> AttemptResult:
    """Run one attempt; call ``do`` from another thread once the objective is at work."""
    trial = optuna.create_study().ask()
    frozen = trial._cached_frozen_trial

    def wait_and_do() -> None:
        wait_for(lambda: frozen.intermediate_values or "pids" in frozen.user_attrs)
        do(trial)

    thread = threading.Thread(target=wait_and_do)
    thread.start()
    result = runner.run(trial)
    thread.join()
    return result


@pytest.mark.parametrize(
    ("function", "outcome", "values"),
    [
        ("stops_when_asked", Outcome.PREEMPTED, None),
        ("finishes_when_asked", Outcome.COMPLETE, (5.0,)),
    ],
)
def test_an_objective_that_is_asked_to_stop_may_stop_or_finish(
    make_runner: Any, function: str, outcome: Outcome, values: tuple[float, ...] | None
) -> None:
    runner = make_runner(function)
    result = run_and_meanwhile(
        runner, lambda _: runner.stop(Outcome.PREEMPTED, "the machine is taken back", timedelta(minutes=5))
    )
    assert (result.outcome, result.values) == (outcome, values)


def test_an_objective_that_does_not_stop_is_ended_after_its_grace(make_runner: Any) -> None:
    runner = make_runner("sleeps_without_reports")
    grace = timedelta(seconds=0.5)
    result = run_and_meanwhile(runner, lambda _: runner.stop(Outcome.PREEMPTED, "SIGTERM", grace))
    assert (result.outcome, result.reason) == (Outcome.PREEMPTED, "SIGTERM")


def test_without_grace_the_whole_tree_ends_now(make_runner: Any) -> None:
    runner = make_runner("works_in_a_tree")
    seen: list[int] = []

    def cancel(trial: optuna.Trial) -> None:
        seen.extend(trial.user_attrs["pids"][1:])
        runner.stop(Outcome.CANCELLED, "stop --trial 0")

    result = run_and_meanwhile(runner, cancel)
    assert result.outcome is Outcome.CANCELLED
    assert all(is_gone(pid) for pid in seen)


def test_a_lost_fork_server_costs_one_attempt_and_is_replaced(make_runner: Any) -> None:
    runner = make_runner("works_in_a_tree")
    seen: list[psutil.Process] = []

    def kill_fork_server(trial: optuna.Trial) -> None:
        monitor = runner._running._monitor
        wait_for(lambda: len(monitor.seen) == 3)
        seen.extend(monitor.seen)
        os.kill(trial.user_attrs["pids"][0], signal.SIGKILL)

    result = run_and_meanwhile(runner, kill_fork_server)
    assert result.outcome is Outcome.CRASH
    wait_for(lambda: all(is_gone(process.pid) for process in seen), GONE_WITHIN_S)
    again = run_and_meanwhile(runner, lambda _: runner.stop(Outcome.CANCELLED, "enough"))
    assert again.outcome is Outcome.CANCELLED


def test_a_trial_that_somebody_else_finished_ends_the_attempt(make_runner: Any) -> None:
    runner = make_runner("reports_for_ever")
    result = run_and_meanwhile(runner, lambda trial: trial.study.tell(trial, 1.0) and None)
    assert (result.outcome, result.reason) == (Outcome.CANCELLED, "its trial now belongs to another attempt")


def test_a_fork_server_that_is_lost_as_the_attempt_begins_costs_the_attempt(
    make_runner: Any, tmp_path: Path
) -> None:
    runner = make_runner("works_in_a_tree")
    runner.start()
    handle = runner._server
    os.kill(handle.pid, signal.SIGKILL)
    wait_for(lambda: not handle.is_alive)
    running = RunningAttempt(optuna.create_study().ask())
    job = runner._job(running, None)
    server = TrialServer(running.trial, runner._spec.metrics, "loss")
    result = running.run_child(
        handle, job, server, LogFolder(tmp_path), tmp_path / "attempt.log", job.objective, None
    )
    assert (result.outcome, result.reason) == (
        Outcome.CRASH,
        "its process was lost together with the fork server",
    )
