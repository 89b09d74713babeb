"""A command as an objective: any program in any language, run in the attempt's child process.

The command leads a process group of its own below the child, gets its parameters as arguments, as environment
and as a file, and never passes through a shell. What it prints goes to the attempt's log and is read for
metrics on the way. It is asked to end by SIGTERM and made to end by SIGKILL.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpotool.errors import InputError
from hpotool.reporting import EXIT_INFEASIBLE, EXIT_PREEMPTED
from hpotool.study.outcome import Outcome
from hpotool.study.spec import ObjectiveSpec
from hpotool.worker.command_line import (
    fill_arguments,
    fill_template,
    parameter_variables,
    read_variable,
    variables_in,
)
from hpotool.worker.command_output import LineReader, Report, Series, read_report
from hpotool.worker.ending import judge_status, name_signal
from hpotool.worker.messages import AttemptEnded, Job
from hpotool.worker.objective_trial import ObjectiveTrial
from hpotool.worker.process_tree import die_with_parent
from hpotool.worker.report_socket import ReportSocket

_ENDS_WITHIN_S = 10.0  # from SIGTERM to SIGKILL when it is pruned
_LOOKS_EVERY_S = 0.2
_CHUNK = 1 << 16


def check_command(objective: ObjectiveSpec, environment: Mapping[str, str]) -> None:
    """See that the command's program and the environment variables it needs are there.

    Raises:
        InputError: one of them is not.
    """
    command = objective.command or ()
    for name in variables_in([*command, *objective.environment.values()]):
        read_variable(name, environment)
    program = fill_template(command[0], {}, (), environment) if "{" not in command[0].replace("${", "") else None
    if program is not None and shutil.which(program, path=environment.get("PATH")) is None:
        raise InputError(
            f"the study's command cannot be run: there is no program {program!r} here",
            f"it was looked for in {os.environ.get('PATH', 'an empty PATH')}",
        )


class CommandObjective:
    """Runs the command for a trial and returns its metrics by name."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._objective = job.objective
        self._metrics = job.study.metric_names
        self._series = Series(self._objective.take)
        self._reader = LineReader(self._metrics, job.study.constraint_names, self._objective.patterns)
        self._last_line = b""
        self._told_to_end: tuple[Outcome, str, float] | None = None

    def __call__(self, trial: ObjectiveTrial) -> dict[str, float]:
        """Run the command to its end.

        Raises:
            AttemptEnded: it ended in any other way than with its metrics.
        """
        with tempfile.TemporaryDirectory(prefix="hpotool-") as scratch:
            params_file = Path(scratch, "params.json")
            params_file.write_text(json.dumps(trial.params))
            reports = ReportSocket(Path(scratch, "socket"), lambda request: self._answer(trial, request))
            with contextlib.closing(reports):
                result_file = self._result_file(trial, params_file)
                process = self._start(trial, params_file, reports.path)
                self._accompany(process, trial, reports)
            if result_file is not None:
                self._read_result_file(result_file, trial)
            return self._judge(process.returncode, trial)

    def _fields(self, trial: ObjectiveTrial, params_file: Path) -> dict[str, Any]:
        return {
            **trial.params,
            "params_file": str(params_file),
            "checkpoint_dir": str(trial.checkpoint_dir or ""),
            "trial": trial.number,
            "seed": "" if trial.seed is None else trial.seed,
            "steps": self._job.environment.get("HPOTOOL_STEPS", ""),
        }

    def _result_file(self, trial: ObjectiveTrial, params_file: Path) -> Path | None:
        if self._objective.result_file is None:
            return None
        path = Path(
            fill_template(
                self._objective.result_file, self._fields(trial, params_file), self._job.space, os.environ
            )
        )
        path.unlink(missing_ok=True)  # an earlier attempt's result is not this one's
        return path

    def _start(self, trial: ObjectiveTrial, params_file: Path, socket_path: Path) -> subprocess.Popen[bytes]:
        fields = self._fields(trial, params_file)
        arguments = fill_arguments(self._objective.command or (), fields, self._job.space, os.environ)
        own = {
            name: fill_template(text, fields, self._job.space, os.environ)
            for name, text in self._objective.environment.items()
        }
        this = os.getpid()
        environment = {
            **os.environ,
            **own,
            **parameter_variables(trial.params),
            "HPOTOOL_PARAMS": str(params_file),
            "HPOTOOL_ATTEMPT": str(socket_path),
            "PYTHONUNBUFFERED": "1",  # a Python script's reports are to come when they are printed
        }
        try:
            return subprocess.Popen(
                arguments,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(this),
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise AttemptEnded(
                Outcome.ERROR, f"the command {arguments[0]!r} cannot be started: {error}"
            ) from error

    def _accompany(self, process: subprocess.Popen[bytes], trial: ObjectiveTrial, reports: ReportSocket) -> None:
        """Read what it prints and answer what it asks until it has ended, and end it when it is to end."""
        assert process.stdout is not None
        output = process.stdout.fileno()
        os.set_blocking(output, False)
        is_open = True
        while process.poll() is None:
            sources: list[Any] = [*([output] if is_open else []), *reports.sources()]
            readable = select.select(sources, [], [], _LOOKS_EVERY_S)[0]
            if output in readable:
                is_open = self._read_output(output, trial)
            reports.serve(readable)
            if trial.should_stop():
                self._tell_to_end(Outcome.PREEMPTED, "it stopped when it was asked to", float("inf"))
            self._make_it_end(process)
        while is_open and select.select([output], [], [], 0)[0]:  # what it had printed before it ended
            is_open = self._read_output(output, trial)
        self._take_line(self._last_line, trial)
        process.stdout.close()

    def _read_output(self, output: int, trial: ObjectiveTrial) -> bool:
        data = os.read(output, _CHUNK)
        with contextlib.suppress(OSError):  # the disk of the log is full: go on without it
            os.write(1, data)
        *lines, self._last_line = (self._last_line + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._take_line(line, trial)
        return bool(data)

    def _take_line(self, line: bytes, trial: ObjectiveTrial) -> None:
        for report in self._reader.read(line.decode(errors="replace")):
            self._take(report, trial)
            if report.step is not None and self._told_to_end is None and trial.should_prune():
                self._tell_to_end(Outcome.PRUNED, f"pruned at step {report.step}", _ENDS_WITHIN_S)

    def _take(self, report: Report, trial: ObjectiveTrial) -> None:
        self._series.add(report)
        of_metrics = {name: value for name, value in report.values.items() if name in self._metrics}
        if report.step is not None and of_metrics:
            trial.report(of_metrics, report.step)

    def _answer(self, trial: ObjectiveTrial, request: Any) -> bool | None:
        """Answer hpotool.reporting. A script that asks is left to end by itself when the answer is yes."""
        question = request.get("ask") if isinstance(request, dict) else None
        if question == "should_stop":
            return trial.should_stop()
        if question == "should_prune":
            if trial.should_prune():
                self._tell_to_end(Outcome.PRUNED, "pruned", _ENDS_WITHIN_S, ask=False)
                return True
            return False
        report = read_report(request, frozenset(self._metrics) | frozenset(self._job.study.constraint_names))
        if report is not None:
            self._take(report, trial)
        return None

    def _tell_to_end(self, outcome: Outcome, reason: str, within_s: float, ask: bool = True) -> None:
        if self._told_to_end is None:
            self._told_to_end = outcome, reason, time.monotonic() + within_s
            self._ask_by_signal = ask

    def _make_it_end(self, process: subprocess.Popen[bytes]) -> None:
        if self._told_to_end is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if self._ask_by_signal:
                self._ask_by_signal = False
                os.killpg(process.pid, signal.SIGTERM)
            elif time.monotonic() > self._told_to_end[2]:
                os.killpg(process.pid, signal.SIGKILL)

    def _read_result_file(self, path: Path, trial: ObjectiveTrial) -> None:
        try:
            content = json.loads(path.read_text())
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise AttemptEnded(Outcome.ERROR, f"its result file {path} cannot be read: {error}") from error
        report = read_report(content, frozenset(self._metrics))
        if report is None:
            raise AttemptEnded(Outcome.ERROR, f"its result file {path} holds none of {', '.join(self._metrics)}")
        self._take(report, trial)

    def _judge(self, code: int, trial: ObjectiveTrial) -> dict[str, float]:
        missing = [name for name in self._metrics if name not in self._series.values]
        if code == 0 and not missing and (self._told_to_end is None or self._told_to_end[0] is not Outcome.PRUNED):
            return self._series.values
        if self._told_to_end is not None:
            raise AttemptEnded(*self._told_to_end[:2])
        if code == EXIT_INFEASIBLE:
            trial.set_constraint("infeasible", 1.0)
            raise AttemptEnded(Outcome.PRUNED, "the command says that these parameters are infeasible")
        if code == EXIT_PREEMPTED:
            raise AttemptEnded(Outcome.PREEMPTED, "the command asks to be started again")
        if code == 0:
            named = ", ".join(repr(name) for name in missing)
            raise AttemptEnded(Outcome.ERROR, f"the command ended well, but reported no value for {named}")
        if code > 128 and (code - 128) in signal.valid_signals():  # how a shell passes on what ended its command
            raise AttemptEnded(
                Outcome.CRASH, f"the command ended with exit code {code}: {name_signal(code - 128)}"
            )
        if code < 0:
            outcome, reason = judge_status(code, "", killed_for_memory=False)
            raise AttemptEnded(outcome, reason.replace("its process", "the command"))
        raise AttemptEnded(Outcome.ERROR, f"the command ended with exit code {code}")
