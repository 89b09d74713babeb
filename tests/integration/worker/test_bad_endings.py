"""The table of bad endings: what each becomes, and that nothing of it is left while the worker goes on."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest

from hpotool.study.outcome import Outcome
from hpotool.study.spec import MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.attempt.runner import AttemptResult, AttemptRunner
from hpotool.worker.process.process_tree import descendants

SHORT = timedelta(seconds=1)

# objective → outcome, what the reason says, limits
BAD: list[tuple[str, Outcome, str, dict[str, Any]]] = [
    ("raises", Outcome.ERROR, "KeyError: 'no such\\ncolumn'", {}),
    ("raises_without_any_output", Outcome.ERROR, "ValueError: nobody hears it", {}),
    ("raises_from_itself", Outcome.ERROR, "ValueError: its own cause", {}),
    ("raises_what_is_no_exception", Outcome.ERROR, "GeneratorExit: quitting", {}),
    ("calls_sys_exit", Outcome.ERROR, "the objective called sys.exit(3)", {}),
    ("calls_os_exit", Outcome.ERROR, "exited with code 7 and without a result", {}),
    ("segfaults", Outcome.CRASH, "SIGSEGV (segmentation fault)", {}),
    ("kills_itself", Outcome.CRASH, "SIGKILL (killed)", {}),
    ("kills_its_group", Outcome.CRASH, "SIGKILL (killed)", {}),
    ("aborts", Outcome.CRASH, "SIGABRT (abort)", {}),
    ("loops_for_ever", Outcome.TIMEOUT, "longer than the timeout of 1s", {"timeout": SHORT}),
    ("reports_for_ever", Outcome.TIMEOUT, "longer than the timeout of 1s", {"timeout": SHORT, "stall": SHORT}),
    ("ignores_signals_for_ever", Outcome.TIMEOUT, "longer than the timeout of 1s", {"timeout": SHORT}),
    ("stops_its_whole_group", Outcome.STALLED, "reported nothing for 1s", {"stall": SHORT}),
    ("sleeps_without_reports", Outcome.STALLED, "reported nothing for 1s", {"stall": SHORT}),
    ("takes_much_memory", Outcome.OOM, "more than max_memory 400 MiB", {"max_memory": 400 << 20}),
    ("lets_a_child_take_much_memory", Outcome.OOM, "more than max_memory 400 MiB", {"max_memory": 400 << 20}),
    ("exhausts_its_address_space", Outcome.OOM, "memory ran out: MemoryError", {}),
    ("fills_the_gpu", Outcome.OOM, "GPU memory ran out: OutOfMemoryError: CUDA out of memory", {}),
    ("returns_nan", Outcome.NAN, "the objective returned nan: loss=nan", {}),
    ("returns_text", Outcome.ERROR, "returned the text '0.93' instead of a number", {}),
    ("returns_nothing", Outcome.ERROR, "returned None instead of a number", {}),
    ("returns_two_values", Outcome.ERROR, "returned 2 values instead of a number", {}),
    ("returns_another_metric", Outcome.ERROR, "no value for the metric 'loss'; it returned 'acc'", {}),
    ("returns_an_object", Outcome.ERROR, "(object) for 'loss', not a number", {}),
    ("sets_an_attribute_that_is_not_json", Outcome.ERROR, "the attribute 'model' is a lock", {}),
    ("suggests_twice_differently", Outcome.ERROR, "ValueError: Cannot set different distribution kind", {}),
]
MESSY = [
    "leaves_a_grandchild",
    "leaves_a_daemon",
    "leaves_a_thread",
    "forks_from_threads",
    "closes_its_output",
    "prints_a_million_lines",
    "prints_bytes_that_are_no_text",
]


@pytest.fixture
def runner_of(tmp_path: Path) -> Iterator[Any]:
    runners: list[AttemptRunner] = []

    def make(function: str, **limits: Any) -> AttemptRunner:
        objective = ObjectiveSpec(python=f"tests.worker_bad_endings:{function}", **limits)
        runners.append(AttemptRunner(StudySpec("s", objective, (MetricSpec("loss", "minimize"),)), tmp_path))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


def run_twice(runner: AttemptRunner) -> list[AttemptResult]:
    """Two attempts: the second shows that the first has not harmed the worker."""
    study = optuna.create_study()
    results = []
    for _ in range(2):
        results.append(runner.run(study.ask()))
        assert runner._server is not None
        assert descendants(runner._server.pid) == []
    return results


@pytest.mark.parametrize(("function", "outcome", "reason", "limits"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_ending_has_its_outcome_and_reason(
    runner_of: Any, function: str, outcome: Outcome, reason: str, limits: dict[str, Any]
) -> None:
    for result in run_twice(runner_of(function, **limits)):
        assert (result.outcome, result.values) == (outcome, None)
        assert result.reason is not None
        assert reason in result.reason


@pytest.mark.parametrize("function", MESSY)
def test_a_value_counts_whatever_mess_is_left_and_the_mess_is_cleaned_up(runner_of: Any, function: str) -> None:
    # A thread that never ends is waited for, as Python does, until the timeout.
    limits = {"timeout": SHORT} if function == "leaves_a_thread" else {}
    for result in run_twice(runner_of(function, **limits)):
        assert (result.outcome, result.values) == (Outcome.COMPLETE, (1.0,))


def test_the_last_lines_of_a_million_are_kept(runner_of: Any) -> None:
    result = runner_of("prints_a_million_lines").run(optuna.create_study().ask())
    assert result.output_tail.splitlines() == [f"line {number}" for number in range(999_960, 1_000_000)]


def test_output_that_is_no_text_can_be_stored(runner_of: Any) -> None:
    result = runner_of("prints_bytes_that_are_no_text").run(optuna.create_study().ask())
    assert "broken" in result.output_tail
    assert "\x00" not in result.output_tail


@pytest.mark.parametrize(("function", "limits"), [("segfaults", {}), ("loops_for_ever", {"timeout": SHORT})])
def test_the_log_says_where_it_crashed_or_hung(runner_of: Any, function: str, limits: dict[str, Any]) -> None:
    result = runner_of(function, **limits).run(optuna.create_study().ask())
    assert f"in {function}" in result.output_tail


def test_a_timeout_holds_however_often_something_is_reported(runner_of: Any) -> None:
    trial = optuna.create_study().ask()
    result = runner_of("reports_for_ever", timeout=SHORT).run(trial)
    assert result.outcome is Outcome.TIMEOUT
    # It reports a hundred times a second at most, and had one second.
    assert len(trial._cached_frozen_trial.intermediate_values) < 300
