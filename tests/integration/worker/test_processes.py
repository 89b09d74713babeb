"""An attempt that is more than one process, and what its processes may send."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest

from hpotool.errors import InputError
from hpotool.study.outcome import Outcome
from hpotool.study.spec import MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.attempt.runner import AttemptResult, AttemptRunner
from hpotool.worker.attempt.running_attempt import RunningAttempt
from hpotool.worker.process.channel import channel_pair
from hpotool.worker.process.fork_server_handle import ImportInterrupted
from tests.acceptance.command_line import wait_until
from tests.worker_processes import GARBAGE

MakeRunner = Callable[..., AttemptRunner]


@pytest.fixture
def make_runner(tmp_path: Path) -> Iterator[MakeRunner]:
    runners: list[AttemptRunner] = []

    def make(function: str, **more: Any) -> AttemptRunner:
        reference = function if ":" in function else f"tests.worker_processes:{function}"
        objective = ObjectiveSpec(python=reference, **more)
        runners.append(AttemptRunner(StudySpec("s", objective, (MetricSpec("loss", "minimize"),)), tmp_path))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


def run(runner: AttemptRunner) -> AttemptResult:
    return runner.run(optuna.create_study().ask())


def test_every_process_of_an_attempt_hears_that_it_is_to_stop(make_runner: MakeRunner) -> None:
    runner = make_runner("stops_in_other_processes")
    trial = optuna.create_study().ask()
    reported = trial._cached_frozen_trial.intermediate_values

    def stop() -> None:
        wait_until(lambda: len(reported) == 2, "both processes have reported")
        runner.stop(Outcome.PREEMPTED, "the machine is taken back", timedelta(minutes=5))

    stopping = threading.Thread(target=stop)
    stopping.start()
    result = runner.run(trial)
    stopping.join()
    assert (result.outcome, result.reason) == (Outcome.PREEMPTED, "the machine is taken back"), result.output_tail


def test_an_objective_that_garbles_its_own_socket_ends_its_attempt_alone(make_runner: MakeRunner) -> None:
    runner = make_runner("writes_into_its_own_socket", timeout=timedelta(seconds=60))
    study = optuna.create_study()
    for garbage in GARBAGE:
        result = runner.run(study.ask())
        assert result.outcome is Outcome.ERROR, (garbage[:50], result)
        assert "it wrote invalid data into its socket" in str(result.reason)


@pytest.mark.parametrize(
    "function", ["has_others_write_nonsense", "forks_many", "leaves_an_exit_handler_that_fails"]
)
def test_what_further_processes_send_and_leave_harms_nobody(make_runner: MakeRunner, function: str) -> None:
    result = run(make_runner(function))
    assert (result.outcome, result.values, result.reason) == (Outcome.COMPLETE, (1.0,), None), result.output_tail


def test_a_verdict_knows_what_other_processes_have_reported_before(make_runner: MakeRunner) -> None:
    study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(upper=0.5))
    result = make_runner("asks_after_others_have_reported").run(study.ask())
    assert (result.outcome, result.values) == (Outcome.COMPLETE, (1.0,)), result.output_tail


def test_a_value_counts_while_a_thread_never_ends_and_the_thread_is_named(make_runner: MakeRunner) -> None:
    result = run(make_runner("leaves_a_thread_that_never_ends", timeout=timedelta(seconds=2)))
    assert (result.outcome, result.values) == (Outcome.COMPLETE, (0.25,))
    assert result.reason is not None
    assert "still ran after the objective, until its timeout" in result.reason
    assert "in never_ends" in result.output_tail


def test_what_is_returned_counts_without_a_socket_to_tell_it(make_runner: MakeRunner, tmp_path: Path) -> None:
    """Other attempts of the same worker are not touched, and what was not returned is not a result."""
    trial = optuna.create_study().ask()
    running = RunningAttempt(trial, returned_file=tmp_path / "one.returned")
    result = make_runner("closes_every_file").run_attempt(running)
    assert (result.outcome, result.values, trial.user_attrs) == (Outcome.COMPLETE, (0.25,), {"beside": 3})
    assert "had closed its process's socket" in str(result.reason)
    running = RunningAttempt(optuna.create_study().ask(), returned_file=tmp_path / "two.returned")
    result = make_runner("closes_every_file_and_raises").run_attempt(running)
    assert (result.outcome, result.values) == (Outcome.ERROR, None)


def test_an_order_that_comes_after_the_end_is_written_into_no_other_file(
    make_runner: MakeRunner, tmp_path: Path
) -> None:
    """The order came through a pipe whose number the worker's next file gets."""
    monitors = []

    class Remembering(RunningAttempt):
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "_monitor" and value is not None:
                monitors.append(value)
            super().__setattr__(name, value)

    runner = make_runner("reads_its_environment", environment={"GREETING": "hello"})
    result = runner.run_attempt(Remembering(optuna.create_study().ask()), lambda: None)
    assert result.outcome is Outcome.COMPLETE
    [monitor] = monitors
    number = monitor._wake_writing
    opened = []
    while number not in opened:
        opened.append(os.open(tmp_path / "next", os.O_CREAT | os.O_WRONLY))
        assert max(opened) < number + 100

    monitor.stop(Outcome.CANCELLED, "enough", timedelta(0))

    for descriptor in opened:
        os.close(descriptor)
    assert (tmp_path / "next").read_bytes() == b""


def test_without_isolation_a_trial_stays_in_its_process(make_runner: MakeRunner) -> None:
    result = run(make_runner("is_used_in_a_fork", isolation="none"))
    assert (result.outcome, result.values) == (Outcome.COMPLETE, (1.0,)), result.reason


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_a_python_objective_has_the_environment_of_its_study(
    make_runner: MakeRunner, isolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHO", "world")
    before = dict(os.environ)
    runner = make_runner(
        "reads_its_environment", isolation=isolation, environment={"GREETING": "hello {{${WHO}}}"}
    )
    trial = optuna.create_study().ask()
    assert runner.run(trial).outcome is Outcome.COMPLETE
    assert trial.user_attrs["found"] == ["hello {world}", "0"]
    assert dict(os.environ) == before


@pytest.mark.parametrize("isolation", ["process", "none"])
@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("${NOWHERE}", "NOWHERE, which is not set here"),
        ("${HPOTOOL_STORAGE}", "HPOTOOL_STORAGE, which is not set here"),
        ("{lr}", "{lr} is not a parameter of this trial"),
        ("{", "cannot be set to '{'"),
    ],
)
def test_an_environment_that_cannot_be_made_is_refused_at_the_start(
    make_runner: MakeRunner, isolation: str, template: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPOTOOL_STORAGE", "postgresql://secret")
    with pytest.raises(InputError, match="cannot be set to") as refused:
        make_runner("reads_its_environment", isolation=isolation, environment={"X": template}).start()
    assert message in refused.value.message


HANGING = """
from pathlib import Path
from tests.worker_processes import imports_for_ever
imports_for_ever(Path({folder!r}))
"""


def test_an_import_that_hangs_ends_when_the_worker_is_told_to_leave(
    make_runner: MakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hanging_module.py").write_text(HANGING.format(folder=str(tmp_path)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path.cwd())]))
    runner = make_runner("hanging_module:objective")
    importing = tmp_path / "importing"

    def stop() -> None:
        wait_until(importing.exists, "the import has begun")
        runner.stop(Outcome.PREEMPTED, "SIGTERM")

    def begin_the_worker() -> None:
        with pytest.raises(ImportInterrupted):
            runner.start()

    def begin_an_attempt() -> None:
        result = run(runner)
        assert (result.outcome, result.reason) == (Outcome.PREEMPTED, "SIGTERM")

    for begin in (begin_the_worker, begin_an_attempt):
        stopping = threading.Thread(target=stop)
        stopping.start()
        begin()
        stopping.join()
        assert not psutil.pid_exists(int(importing.read_text()))
        importing.unlink()


def test_told_to_leave_before_an_import_begins_it_ends_at_once(
    make_runner: MakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hanging_module.py").write_text(HANGING.format(folder=str(tmp_path)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path.cwd())]))
    runner = make_runner("hanging_module:objective")
    with pytest.raises(ImportInterrupted):
        runner.start(lambda: True)


def test_a_fork_server_that_dies_at_the_start_of_an_attempt_costs_that_attempt_alone(
    make_runner: MakeRunner,
) -> None:
    runner = make_runner("reads_its_environment")
    runner.start()
    server = runner._server
    assert server is not None
    server._process.kill()
    server._process.wait()
    ours, theirs = channel_pair()
    log = os.open(os.devnull, os.O_WRONLY)
    for _ in range(2):  # the first message may still go into the socket's buffer
        server.start(runner._job(RunningAttempt(optuna.create_study().ask()), None), theirs, log)
    os.close(log)
    for channel in (ours, theirs):
        channel.close()
    assert run(runner).outcome is Outcome.COMPLETE
