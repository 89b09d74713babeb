"""What is asked of an attempt reaches this attempt, and stays."""

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import optuna
import pytest

from hpotool.study.outcome import Outcome
from hpotool.study.spec import MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.attempt.runner import AttemptRunner
from hpotool.worker.attempt.running_attempt import RunningAttempt
from hpotool.worker.process.classify_end import Cause

SPEC = StudySpec("s", ObjectiveSpec(python="m:f", isolation="none"), (MetricSpec("loss", "minimize"),))


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[AttemptRunner, RunningAttempt]]:
    """An attempt whose objective runs in another thread until it is asked to stop."""
    (tmp_path / "waits_here.py").write_text(
        "import time\n"
        "def objective(trial):\n"
        "    while not trial.should_stop():\n"
        "        time.sleep(0.01)\n"
        "    raise RuntimeError\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    spec = StudySpec("s", ObjectiveSpec(python="waits_here:objective", isolation="none"), SPEC.metrics)
    runner = AttemptRunner(spec, tmp_path)
    attempt = RunningAttempt(optuna.create_study().ask(), "this one")
    began = threading.Event()
    thread = threading.Thread(target=lambda: runner.run_attempt(attempt, began.set))
    environment = dict(os.environ)
    thread.start()
    assert began.wait(30)
    yield runner, attempt
    runner.stop(Outcome.CANCELLED, "the test is over")
    thread.join()
    os.environ.clear()
    os.environ.update(environment)


def test_an_order_for_another_attempt_does_not_reach_this_one(
    running: tuple[AttemptRunner, RunningAttempt],
) -> None:
    runner, attempt = running
    runner.stop_attempt("the one before", Outcome.CANCELLED, "enough", timedelta(0))
    assert attempt.asked is None
    runner.stop_attempt("this one", Outcome.CANCELLED, "enough", timedelta(0))
    assert attempt.asked == Cause(Outcome.CANCELLED, "enough")


def test_the_first_cause_stays() -> None:
    attempt = RunningAttempt(optuna.create_study().ask())
    attempt.stop(Outcome.CANCELLED, "enough", timedelta(seconds=9))
    attempt.stop(Outcome.PREEMPTED, "SIGTERM")
    assert attempt.asked == Cause(Outcome.CANCELLED, "enough")


def test_nothing_is_asked_of_an_attempt_that_has_not_begun(tmp_path: Path) -> None:
    runner = AttemptRunner(SPEC, tmp_path)
    runner.stop(Outcome.CANCELLED, "enough")
    runner.stop_attempt("this one", Outcome.CANCELLED, "enough", timedelta(0))
    assert RunningAttempt(optuna.create_study().ask(), "this one").asked is None
